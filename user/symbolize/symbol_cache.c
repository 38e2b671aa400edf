/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: the symbols of a host's files are more than a profiler may keep, and reading a file again costs tens of
 * milliseconds.
 *
 * Idea: least recently used, by bytes. Entries stand in one array with free slots chained, a doubly linked list
 * through indices keeps the order of use, and `hashmap` finds the object's id.
 *
 *      newest ─> entry <─> entry <─> … <─> entry <─ oldest          evicted from the oldest end
 *
 * Invariants: bytes is the sum over the entries, each with ENTRY_BYTES for itself; an entry is in the list and in
 * the map, or free.
 *
 * Cost: a lookup is a hash and a comparison; the list is four stores.
 *
 * Why not by build-id: any file may claim that of another. Which files are the same is said in one place, where a copy has the id of the
 * first (object__same_code).
 */
#include "user/symbolize/symbol_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/hashmap.h"

#define NONE UINT32_MAX

struct entry {
	uint32_t object_id;
	struct object_symbols *symbols; /* of its own block, so that pointers hold while the array grows */
	uint32_t newer, older;          /* in a free entry, `older` is the next free one */
};

#define ENTRY_BYTES (sizeof(struct entry) + sizeof(struct object_symbols))

struct symbol_cache {
	struct entry *entries;
	uint32_t n, cap;
	uint32_t newest, oldest, free;
	struct hashmap by_object;
	uint32_t n_partial;
	size_t limit_bytes;
	struct symbol_cache_stats stats;
};

static bool is_of_object(uint32_t index, const void *object_id, const void *cache)
{
	return ((const struct symbol_cache *)cache)->entries[index].object_id == *(const uint32_t *)object_id;
}

struct symbol_cache *symbol_cache__new(size_t limit_bytes)
{
	struct symbol_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	hashmap__init(&c->by_object);
	c->limit_bytes = limit_bytes;
	c->newest = c->oldest = c->free = NONE;
	return c;
}

static void unlink_entry(struct symbol_cache *c, uint32_t i)
{
	struct entry *e = &c->entries[i];

	*(e->newer == NONE ? &c->newest : &c->entries[e->newer].older) = e->older;
	*(e->older == NONE ? &c->oldest : &c->entries[e->older].newer) = e->newer;
}

static void link_newest(struct symbol_cache *c, uint32_t i)
{
	struct entry *e = &c->entries[i];

	e->newer = NONE;
	e->older = c->newest;
	*(c->newest == NONE ? &c->oldest : &c->entries[c->newest].newer) = i;
	c->newest = i;
}

static void drop(struct symbol_cache *c, uint32_t i)
{
	struct entry *e = &c->entries[i];

	unlink_entry(c, i);
	hashmap__remove(&c->by_object, hash_u64(e->object_id), i);
	c->stats.bytes -= e->symbols->bytes + ENTRY_BYTES;
	c->stats.n_entries--;
	c->n_partial -= e->symbols->is_partial;
	object_symbols__done(e->symbols);
	free(e->symbols);
	e->symbols = NULL;
	e->older = c->free;
	c->free = i;
}

void symbol_cache__free(struct symbol_cache *c)
{
	if (!c)
		return;
	while (c->oldest != NONE)
		drop(c, c->oldest);
	hashmap__done(&c->by_object);
	free(c->entries);
	free(c);
}

struct object_symbols *symbol_cache__find(struct symbol_cache *c, uint32_t object_id)
{
	uint32_t i = hashmap__find(&c->by_object, hash_u64(object_id), is_of_object, &object_id, c);

	if (i == HASHMAP_NONE) {
		c->stats.n_misses++;
		return NULL;
	}
	c->stats.n_hits++;
	unlink_entry(c, i);
	link_newest(c, i);
	return c->entries[i].symbols;
}

static int take_slot(struct symbol_cache *c, uint32_t *ret)
{
	struct entry *grown;
	uint32_t cap;

	if (c->free != NONE) {
		*ret = c->free;
		c->free = c->entries[*ret].older;
		return 0;
	}
	if (c->n == c->cap) {
		cap = c->cap ? c->cap * 2 : 64;
		grown = realloc(c->entries, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->entries = grown;
		c->cap = cap;
	}
	*ret = c->n++;
	return 0;
}

void symbol_cache__trim(struct symbol_cache *c)
{
	uint32_t i, newer;

	for (i = c->oldest; i != NONE && c->n_partial; i = newer) {
		newer = c->entries[i].newer;
		if (c->entries[i].symbols->is_partial)
			drop(c, i); /* not an eviction: it was never meant to stay */
	}
	while (c->oldest != NONE &&
	       (c->stats.bytes > c->limit_bytes || c->stats.n_entries > SYMBOL_CACHE_ENTRIES_MAX)) {
		drop(c, c->oldest);
		c->stats.n_evicted++;
	}
}

void symbol_cache__set_limit(struct symbol_cache *c, size_t limit_bytes)
{
	c->limit_bytes = limit_bytes;
}

int symbol_cache__add(struct symbol_cache *c, uint32_t object_id, const struct object_symbols *symbols,
		      struct object_symbols **ret_symbols)
{
	struct object_symbols taken = *symbols, *own;
	uint32_t i = hashmap__find(&c->by_object, hash_u64(object_id), is_of_object, &object_id, c);
	int err;

	if (i != HASHMAP_NONE)
		drop(c, i);
	symbol_cache__trim(c);
	own = malloc(sizeof(*own));
	err = own ? take_slot(c, &i) : -ENOMEM;
	if (err)
		goto out;
	err = hashmap__add(&c->by_object, hash_u64(object_id), i);
	if (err) {
		c->entries[i].older = c->free;
		c->free = i;
		goto out;
	}
	*own = taken;
	c->entries[i].object_id = object_id;
	c->entries[i].symbols = own;
	link_newest(c, i);
	c->stats.bytes += own->bytes + ENTRY_BYTES;
	c->stats.n_entries++;
	c->n_partial += own->is_partial;
	*ret_symbols = own;
	own = NULL;
out:
	if (err)
		object_symbols__done(&taken);
	free(own);
	return err;
}

void symbol_cache__measure(struct symbol_cache *c, struct object_symbols *symbols, size_t max_bytes)
{
	size_t now = object_symbols__bytes(symbols);

	c->stats.bytes += now - symbols->bytes;
	symbols->bytes = now;
	if (now > max_bytes && !symbols->is_partial) {
		symbols->is_partial = true;
		c->n_partial++;
	}
}

void symbol_cache__stats(const struct symbol_cache *c, struct symbol_cache_stats *ret_stats)
{
	*ret_stats = c->stats;
}
