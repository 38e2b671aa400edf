// SPDX-License-Identifier: Apache-2.0
/*
 * Problem    Parsers and tables make many small things that die together; malloc spends 16 bytes on each and a walk to free them.
 *
 * Idea       Bump a pointer through chunks that double in size, up to a bound. Something large gets a chunk of its own, linked
 *            behind the current one, so that the rest of the current chunk is not wasted.
 *
 * Layout     arena.chunk ─> newest chunk (where small things go) ─> older or large chunks ─> …
 *                           {next, used, size | bytes …}
 *
 * Invariants used_bytes is the sum of what was asked of the system, headers included, and never exceeds limit_bytes.
 *
 * Cost       Under one chunk of waste, plus rounding to 16.
 */
#include "user/base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN     16
#define ARENA_CHUNK_MIN 4096
#define ARENA_CHUNK_MAX (256u << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size; /* of bytes[] */
	alignas(ARENA_ALIGN) uint8_t bytes[];
};

void arena__init(struct arena *a, size_t limit_bytes)
{
	*a = (struct arena){.limit_bytes = limit_bytes};
}

void arena__done(struct arena *a)
{
	struct arena_chunk *c, *next;

	if (!a)
		return;
	for (c = a->chunk; c; c = next) {
		next = c->next;
		free(c);
	}
	arena__init(a, a->limit_bytes);
}

static struct arena_chunk *new_chunk(struct arena *a, size_t size)
{
	size_t total = sizeof(struct arena_chunk) + size;
	struct arena_chunk *c;

	if (a->used_bytes > a->limit_bytes || total > a->limit_bytes - a->used_bytes)
		return NULL;
	c = calloc(1, total);
	if (!c)
		return NULL;
	c->size = size;
	a->used_bytes += total;
	return c;
}

/* What a fresh chunk for small things holds: as much again as is used already, between the bounds, and under the limit. */
static size_t chunk_size(const struct arena *a)
{
	size_t total = ARENA_CHUNK_MIN,
	       left = a->limit_bytes > a->used_bytes ? a->limit_bytes - a->used_bytes : 0;

	while (total < a->used_bytes && total < ARENA_CHUNK_MAX)
		total *= 2;
	if (total > left)
		total = left;
	return total > sizeof(struct arena_chunk) ? total - sizeof(struct arena_chunk) : 0;
}

void *arena__alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunk;
	size_t room_for_small;
	bool is_large;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = size ? (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1) : ARENA_ALIGN;
	if (c && size <= c->size - c->used)
		goto take;

	room_for_small = chunk_size(a);
	is_large = size > room_for_small / 4;
	c = new_chunk(a, is_large ? size : room_for_small);
	if (!c)
		return NULL;
	if (is_large && a->chunk) {
		c->next = a->chunk->next;
		a->chunk->next = c;
	} else {
		c->next = a->chunk;
		a->chunk = c;
	}
take:
	c->used += size;
	return c->bytes + c->used - size;
}

char *arena__strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = len < SIZE_MAX ? arena__alloc(a, len + 1) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	return copy; /* the arena's bytes are zero: it ends in a NUL */
}
