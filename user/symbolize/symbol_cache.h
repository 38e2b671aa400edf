/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbol_cache - the symbols of the files that were asked for last.
 *
 * Keyed by the object's id, which equal files of a hundred containers share. Files without symbols are kept too: that
 * there are none is what is worth remembering.
 *
 * Owns: the symbols in it. Thread: one owner; what `find` and `add` return is borrowed until the next `add` or
 * `trim`. Limit: bytes and SYMBOL_CACHE_ENTRIES_MAX; past them the least recently used goes, and is counted.
 * Errors: -ENOMEM.
 */
#ifndef EVERPROF_SYMBOLIZE_SYMBOL_CACHE_H
#define EVERPROF_SYMBOLIZE_SYMBOL_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "user/symbolize/object_symbols.h"

#define SYMBOL_CACHE_ENTRIES_MAX 8192

struct symbol_cache;

struct symbol_cache_stats {
	uint64_t n_hits, n_misses, n_evicted;
	uint32_t n_entries;
	size_t bytes;
};

struct symbol_cache *symbol_cache__new(size_t limit_bytes);
void symbol_cache__free(struct symbol_cache *c);
/* Its symbols, now the most recently used, or NULL. */
struct object_symbols *symbol_cache__find(struct symbol_cache *c, uint32_t object_id);
/* Takes the symbols over (even when it fails: then they are freed); replaces what was there. They stay in the cache
 * until the next `add` or `trim` even where they alone are over the limit. */
int symbol_cache__add(struct symbol_cache *c, uint32_t object_id, const struct object_symbols *symbols,
		      struct object_symbols **ret_symbols);
/* After use: counts what it takes now; over max_bytes it is not kept. */
void symbol_cache__measure(struct symbol_cache *c, struct object_symbols *symbols, size_t max_bytes);
/* Evicts down to the limit, and what is partial. */
void symbol_cache__trim(struct symbol_cache *c);
/* Another limit; what is over it goes with the next trim. */
void symbol_cache__set_limit(struct symbol_cache *c, size_t limit_bytes);
void symbol_cache__stats(const struct symbol_cache *c, struct symbol_cache_stats *ret_stats);

#endif
