/* SPDX-License-Identifier: Apache-2.0 */
/*
 * units - durations, sizes, rates and shares as people write them, and back.
 *
 * A number without its unit is an error where the unit matters (durations, sizes, rates), because `10m` read as ten of
 * something is the worst kind of success. Zero is zero in every unit, so a bare `0` is accepted.
 *
 *      duration   500ms  30s  5m  1h  7d  1.5h  1h30m        ns us ms s m h d w
 *      size       64KiB  10MB  2GiB  512B                    B, kB MB GB TB PB (1000), KiB MiB GiB TiB PiB (1024)
 *      rate       100MB/hour  3/s                            a size or a count, per s m h d (second, minute, …)
 *      share      80%  0.5%  80                              of a hundred
 *      count      10000
 *
 * Owns: nothing. Thread: any. Limit: UNITS_TEXT_MAX bytes of text; results fit 64 bits or fail.
 * Errors: -EINVAL not of that form or without its unit, -ERANGE over 64 bits; the err says what was expected and what was found.
 */
#ifndef EVERPROF_CONFIG_UNITS_H
#define EVERPROF_CONFIG_UNITS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define UNITS_TEXT_MAX  64
#define PPM_PER_PERCENT 10000u

int units__parse_duration(const char *text, uint64_t *ret_ns, struct err *e);
int units__parse_size(const char *text, uint64_t *ret_bytes, struct err *e);
int units__parse_count(const char *text, uint64_t *ret_n, struct err *e);
/* In millionths: 80% is 800000. Digits finer than a millionth are cut. */
int units__parse_share(const char *text, uint64_t *ret_ppm, struct err *e);
/* Bytes, or things, in a second. */
int units__parse_size_rate(const char *text, double *ret_per_second, struct err *e);
int units__parse_count_rate(const char *text, double *ret_per_second, struct err *e);

/* The shortest exact text: what these write, the parsers above read back to the same value. */
void units__format_duration(uint64_t ns, char ret_text[UNITS_TEXT_MAX]);
void units__format_size(uint64_t bytes, char ret_text[UNITS_TEXT_MAX]);
void units__format_share(uint64_t ppm, char ret_text[UNITS_TEXT_MAX]);

/* Makes hostile text fit to stand in one line of an error: what is not printable ASCII becomes '?', the rest is cut with "…". */
#define UNITS_QUOTE_MAX 64
struct units_quote {
	char text[UNITS_QUOTE_MAX + 8];
};
struct units_quote units__quote(const char *text);

#endif
