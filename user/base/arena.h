/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - many small allocations, freed together.
 *
 * Owns: its chunks. Thread: one owner. Limit: bytes given at init; past it arena__alloc returns NULL.
 * Errors: NULL on limit or out of memory.
 */
#ifndef EVERPROF_BASE_ARENA_H
#define EVERPROF_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* An allocation that opens a chunk of its own costs at most this much over its size. */
#define ARENA_OVERHEAD_BYTES 64

struct arena {
	struct arena_chunk *chunk;
	size_t used_bytes; /* what the system was asked for */
	size_t limit_bytes;
};

void arena__init(struct arena *a, size_t limit_bytes);
void arena__done(struct arena *a);
void *arena__alloc(struct arena *a, size_t size); /* 16-byte aligned, zeroed */
char *arena__strndup(struct arena *a, const char *s, size_t len);

#endif
