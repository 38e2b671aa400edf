/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range_cache - the functions that were asked for, object by object, with their names.
 *
 * The stacks of a window are mostly those of the window before, at other instructions of the same functions. With their address ranges at
 * hand no symbol table has to be there for them, or read again.
 *
 * Owns: ranges and names. Thread: one owner; names are borrowed until range_cache__trim. Limit: bytes; past it everything goes, and what is still used comes
 * back with the next window. Errors: -ENOMEM, -E2BIG: the range is not kept, which costs time only.
 */
#ifndef EVERPROF_SYMBOLIZE_RANGE_CACHE_H
#define EVERPROF_SYMBOLIZE_RANGE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "user/symbolize/symbol.h"

struct range_cache;

struct cached_range {
	uint64_t start, end;
	const char *name, *system_name; /* "" where the range has no name: `reason` says why */
	enum symbol_reason reason;
};

struct range_cache_stats {
	uint64_t n_hits, n_misses, n_cleared;
	uint32_t n_objects, n_ranges;
	size_t bytes;
};

struct range_cache *range_cache__new(size_t limit_bytes);
void range_cache__free(struct range_cache *c);
/* The range of the object that holds the address; -ENOENT. */
int range_cache__find(struct range_cache *c, uint32_t object, uint64_t vaddr, struct cached_range *ret_range);
/* Ranges of one object do not overlap; one that would is not kept (-EEXIST). */
int range_cache__add(struct range_cache *c, uint32_t object, const struct cached_range *range);
/* Clears it if it has outgrown its limit. */
void range_cache__trim(struct range_cache *c);
void range_cache__stats(const struct range_cache *c, struct range_cache_stats *ret_stats);

#endif
