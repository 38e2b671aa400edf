/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lazy_bytes - a stretch of a file as if it were in memory, read block by block where it is touched.
 *
 * Like a mapping, but a private copy: the file may shrink or change without a SIGBUS, and what was read once stays
 * as it was. Pointers hold until it is done.
 *
 * Owns: the memory; the descriptor stays the caller's, and may be taken away: then only what was read is there.
 * Thread: one owner. Limit: LAZY_BYTES_MAX of addresses; memory is only what was touched. Errors: -E2BIG, -ENOMEM,
 * -errno of pread; NULL where bytes cannot be had.
 */
#ifndef EVERPROF_OBJECT_LAZY_BYTES_H
#define EVERPROF_OBJECT_LAZY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAZY_BYTES_MAX   (1ull << 30)
#define LAZY_BYTES_BLOCK 4096

struct lazy_bytes {
	const uint8_t *data;
	size_t len;
	uint8_t *is_read; /* a bit a block; NULL: all is there */
	size_t n_read;    /* blocks */
	int fd;
	uint64_t offset; /* in the file */
};

/* Bytes that are in memory already, borrowed. */
void lazy_bytes__borrow(struct lazy_bytes *b, const void *bytes, size_t len);
int lazy_bytes__open(struct lazy_bytes *b, int fd, uint64_t offset, size_t len);
void lazy_bytes__done(struct lazy_bytes *b);
/* Where to read from now on; FD_CLOSED: nothing more. */
void lazy_bytes__attach(struct lazy_bytes *b, int fd);
bool lazy_bytes__is_whole(const struct lazy_bytes *b);
/* `len` bytes at `at`, or NULL. */
const uint8_t *lazy_bytes__get(struct lazy_bytes *b, size_t at, size_t len);
/* The NUL-terminated string at `at`, NUL included at most `max` bytes, or NULL. */
const char *lazy_bytes__string(struct lazy_bytes *b, size_t at, size_t max);
/* Memory that it takes. */
size_t lazy_bytes__resident(const struct lazy_bytes *b);

#endif
