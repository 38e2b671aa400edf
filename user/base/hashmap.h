/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hashmap - finds the index of an element in somebody else's array by hash and comparison.
 *
 * Open addressing, linear probing, 8 bytes a slot {hash's upper half, index}; keys stay in the owner's array, so that tables of
 * strings, frames, stacks and label sets share one implementation and nothing is stored twice.
 *
 * Owns: its slots. Thread: one owner. Limit: HASHMAP_MAX elements. Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_BASE_HASHMAP_H
#define EVERPROF_BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASHMAP_NONE UINT32_MAX
#define HASHMAP_MAX  (1u << 30)

struct hashmap_slot;

struct hashmap {
	struct hashmap_slot *slots;
	uint32_t n;   /* elements */
	uint32_t cap; /* slots, a power of two, or 0 */
};

/* Is the element at `index` in the owner's array the one that `key` describes? */
typedef bool (*hashmap_eq_fn)(uint32_t index, const void *key, const void *owner);

void hashmap__init(struct hashmap *m);
void hashmap__done(struct hashmap *m);
void hashmap__clear(struct hashmap *m); /* keeps the memory for as many again */
/* Index of the element, or HASHMAP_NONE. */
uint32_t hashmap__find(const struct hashmap *m, uint64_t hash, hashmap_eq_fn eq, const void *key,
		       const void *owner);
/* Begins to fetch the slot of that hash: where many will be looked for one after the other. */
void hashmap__prefetch(const struct hashmap *m, uint64_t hash);
/* Adds an index that is known not to be there. */
int hashmap__add(struct hashmap *m, uint64_t hash, uint32_t index);
/* Removes the entry with that hash and that very index; false if it was not there. */
bool hashmap__remove(struct hashmap *m, uint64_t hash, uint32_t index);
size_t hashmap__bytes(const struct hashmap *m);
/* What hashmap__bytes will say after one more add: for owners that keep to a limit. */
size_t hashmap__bytes_after_add(const struct hashmap *m);

/* Mixing functions, good enough for tables that an attacker cannot profit from flooding: seeded at process start. */
uint64_t hash_bytes(const void *p, size_t len);
uint64_t hash_u64(uint64_t v);
static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
	return hash_u64(a ^ (hash_u64(b) + 0x9e3779b97f4a7c15ull));
}

#endif
