/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - a growing byte buffer with a hard limit and a sticky error.
 *
 * Writers append without checking each call; the first failure (-ENOMEM, or -E2BIG past the limit) sticks, later
 * appends are ignored, and the owner asks buf__err() once at the end.
 *
 * Owns: its bytes. Thread: one owner. Limit: given at init. Errors: sticky, see buf__err().
 */
#ifndef EVERPROF_BASE_BUF_H
#define EVERPROF_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t limit;
	int err;
};

void buf__init(struct buf *b, size_t limit);
void buf__done(struct buf *b);
void buf__clear(struct buf *b); /* keeps the memory, forgets bytes and error */
int buf__err(const struct buf *b);
/* Makes room for `extra` more bytes and returns where they go, or NULL; does not change len. */
void *buf__reserve(struct buf *b, size_t extra);
void buf__append(struct buf *b, const void *bytes, size_t len);
void buf__append_str(struct buf *b, const char *s);
void buf__append_char(struct buf *b, char c);
void buf__printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NUL-terminated view of the bytes (the NUL is not counted in len); "" after a failure. */
const char *buf__str(struct buf *b);

#endif
