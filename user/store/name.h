/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name - what a file in the store is called, and what a name says.
 *
 *   <store>/snapshots/<YYYY-MM-DD>/<HHMMSS>Z.<seconds>s.<event>[.late][.<n>].pb.gz|.pb.zst
 *
 * The name says all that the store must know of a file, so that no index has to be kept beside the files and none can disagree
 * with them: start (UTC), length, event, and whether it is a roll-up. A roll-up is told by its shape: zstd, exactly an hour from a full hour or
 * a day from midnight, no suffix. `late` marks a window that came after its hour had been rolled up: it is part of no roll-up,
 * ever. `.2`, `.3` … keep apart windows that would have the same name (a clock set back).
 *
 * The parser is strict: it accepts exactly what the formatter writes. Whatever else lies in the folder is not ours, is not counted
 * and is never deleted.
 *
 * Owns: nothing. Thread: any. Limit: STORE_NAME_MAX bytes a name. Errors: -EINVAL.
 */
#ifndef EVERPROF_STORE_NAME_H
#define EVERPROF_STORE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_NAME_MAX     80
#define STORE_DATE_MAX     11 /* "2026-01-31" */
#define STORE_PATH_MAX     (STORE_DATE_MAX + STORE_NAME_MAX)
#define STORE_EVENT_MAX    16
#define STORE_SERIAL_MAX   9999
#define STORE_SECONDS_MAX  86400u
#define STORE_START_MAX    16725225600ull /* 2500-01-01: nanoseconds of it still fit 64 bits */
#define STORE_HOUR_SECONDS 3600u
#define STORE_DAY_SECONDS  86400u

enum store_codec { STORE_GZIP, STORE_ZSTD };
enum store_level { STORE_WINDOW, STORE_HOUR, STORE_DAY };

struct store_name {
	uint64_t start_s; /* UTC */
	uint32_t seconds; /* length, 1 .. STORE_SECONDS_MAX */
	uint16_t serial;  /* 0, or 2 .. STORE_SERIAL_MAX */
	bool is_late;
	uint8_t codec; /* enum store_codec */
	char event[STORE_EVENT_MAX];
};

/* Name of a window: its start rounded down to the second, its length to the nearest one, at least 1. -EINVAL for an event that is not
 * a small word ([a-z][a-z0-9]*) or a time out of range. The result never looks like a roll-up. */
int store_name__window(const char *event, uint64_t start_real_ns, uint64_t duration_ns,
		       enum store_codec codec, struct store_name *ret);
/* Name of the roll-up (STORE_HOUR, STORE_DAY) that takes in what starts at start_s. */
struct store_name store_name__rollup(const char *event, uint64_t start_s, enum store_level level);

enum store_level store_name__level(const struct store_name *n);
/* Does that roll-up hold n, if n was there when it was made? By event, time and level; never if n is late. */
bool store_name__is_within(const struct store_name *n, const struct store_name *rollup);
/* The second after its last one. */
uint64_t store_name__end_s(const struct store_name *n);
/* Total order: start; where equal the longer first; then event and the rest. */
int store_name__compare(const struct store_name *a, const struct store_name *b);

/* The folder and the file, without any slash. */
void store_name__format_date(const struct store_name *n, char ret_date[STORE_DATE_MAX]);
void store_name__format(const struct store_name *n, char ret_file[STORE_NAME_MAX]);
/* "2026-01-31/143000Z.60s.cpu.pb.gz" */
void store_name__format_path(const struct store_name *n, char ret_path[STORE_PATH_MAX]);
/* "2026-01-31" to its first second. */
int store_name__parse_date(const char *text, uint64_t *ret_day_s);
/* A file's name in the folder of the day that begins at day_s. */
int store_name__parse(const char *text, uint64_t day_s, struct store_name *ret);
/* zstd or gzip by its first bytes; -EINVAL for anything else. */
int store_name__parse_codec(const void *bytes, size_t len, enum store_codec *ret);

#endif
