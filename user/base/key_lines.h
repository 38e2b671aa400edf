/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_lines - text in lines of a key and a number, as the kernel writes many of its statistics.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none; what is no such line is passed over.
 */
#ifndef EVERPROF_BASE_KEY_LINES_H
#define EVERPROF_BASE_KEY_LINES_H

#include <stddef.h>
#include <stdint.h>

/* key as it stands in the text, a colon that follows it included ("MemTotal:"). */
struct key_field {
	const char *key;
	uint64_t *value;
};

/* Sets the values of keys that are there, the others stay; how many were. Numbers over 64 bits are UINT64_MAX. */
uint32_t key_lines__read(const char *text, size_t len, const struct key_field *fields, uint32_t n);
/* The digits at text, at most len; how many there are. */
size_t key_lines__number(const char *text, size_t len, uint64_t *ret);

#endif
