// SPDX-License-Identifier: Apache-2.0
/*
 * Problem    Strings, functions, locations, stacks and label sets all need "is it there already, and where?", millions of times
 *            a window, without storing a key twice and without a comparison that misses the cache for each probe.
 *
 * Idea       The table holds only the index into the owner's array and 32 bits of the hash. A probe that is not the one is turned away by
 *            those bits, without touching the owner's memory. The same bits give the home slot, so that growing never asks
 *            the owner for a hash again.
 *
 * Layout     slot = {tag: upper half of the hash, index + 1}; index + 1 = 0 means empty, so that calloc makes an empty table
 *            home(slot) = tag & (cap - 1); linear probing; at most 3/4 full
 *
 * Invariants Between an element's home and its slot no slot is empty. Removal keeps this by shifting back what follows, so
 *            there are no tombstones and a table that lives for months does not slow down.
 *
 * Cost       8 bytes a slot, 11 to 21 bytes an element; growing rehashes all (amortised constant).
 *
 * Hash       A multiply to 128 bits, folded; two secret words, drawn once a process, go into every product. Whoever names symbols,
 *            processes or labels does not know them and so cannot choose keys that collide. Not stable across processes:
 *            never write a hash to a file.
 *
 * Reference  Knuth, TAOCP 3, 6.4, algorithm R (deletion with linear probing).
 */
#include "user/base/hashmap.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "user/base/clock.h"

#define HASHMAP_MIN_CAP 16
#define SPARSE          8 /* slots an element: a table that has more of them shrinks */

struct hashmap_slot {
	uint32_t tag;
	uint32_t index_1;
};

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

void hashmap__init(struct hashmap *m)
{
	memset(m, 0, sizeof(*m));
}

void hashmap__done(struct hashmap *m)
{
	if (!m)
		return;
	free(m->slots);
	hashmap__init(m);
}

void hashmap__prefetch(const struct hashmap *m, uint64_t hash)
{
	if (m->cap)
		__builtin_prefetch(&m->slots[tag_of(hash) & (m->cap - 1)]);
}

uint32_t hashmap__find(const struct hashmap *m, uint64_t hash, hashmap_eq_fn eq, const void *key,
		       const void *owner)
{
	uint32_t mask = m->cap - 1, tag = tag_of(hash);

	if (m->n == 0)
		return HASHMAP_NONE;
	for (uint32_t i = tag & mask; m->slots[i].index_1; i = (i + 1) & mask)
		if (m->slots[i].tag == tag && eq(m->slots[i].index_1 - 1, key, owner))
			return m->slots[i].index_1 - 1;
	return HASHMAP_NONE;
}

static void place(struct hashmap_slot *slots, uint32_t cap, struct hashmap_slot slot)
{
	uint32_t mask = cap - 1, i = slot.tag & mask;

	while (slots[i].index_1)
		i = (i + 1) & mask;
	slots[i] = slot;
}

static bool is_full(const struct hashmap *m)
{
	return m->n >= m->cap - m->cap / 4;
}

static int resize(struct hashmap *m, uint32_t cap)
{
	struct hashmap_slot *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->cap; i++)
		if (m->slots[i].index_1)
			place(slots, cap, m->slots[i]);
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	return 0;
}

/* A crowd is gone: a quarter of the slots is twice what those need that are left. Where there is no memory for it, it stays. */
static void shrink(struct hashmap *m)
{
	if (m->cap / 4 >= HASHMAP_MIN_CAP && m->n < m->cap / SPARSE)
		(void)resize(m, m->cap / 4);
}

void hashmap__clear(struct hashmap *m)
{
	bool is_sparse = m->n < m->cap / SPARSE;

	if (m->n)
		memset(m->slots, 0, m->cap * sizeof(*m->slots));
	m->n = 0;
	if (is_sparse)
		shrink(m);
}

int hashmap__add(struct hashmap *m, uint64_t hash, uint32_t index)
{
	int err;

	assert(index != HASHMAP_NONE);
	if (m->n >= HASHMAP_MAX)
		return -E2BIG;
	if (is_full(m)) {
		err = resize(m, m->cap ? m->cap * 2 : HASHMAP_MIN_CAP);
		if (err)
			return err;
	}
	place(m->slots, m->cap, (struct hashmap_slot){.tag = tag_of(hash), .index_1 = index + 1});
	m->n++;
	return 0;
}

/* Empties slot `hole`; then moves back each follower that may not stay behind an empty slot, until a slot is empty already. */
static void close_hole(struct hashmap *m, uint32_t hole)
{
	uint32_t mask = m->cap - 1;

	for (uint32_t i = (hole + 1) & mask; m->slots[i].index_1; i = (i + 1) & mask) {
		uint32_t from_home = (i - m->slots[i].tag) & mask;
		uint32_t from_hole = (i - hole) & mask;

		if (from_home < from_hole)
			continue; /* its home lies behind the hole: it is found where it is */
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole] = (struct hashmap_slot){0};
}

bool hashmap__remove(struct hashmap *m, uint64_t hash, uint32_t index)
{
	uint32_t mask = m->cap - 1, tag = tag_of(hash);

	if (m->n == 0)
		return false;
	for (uint32_t i = tag & mask; m->slots[i].index_1; i = (i + 1) & mask) {
		if (m->slots[i].index_1 - 1 != index || m->slots[i].tag != tag)
			continue;
		close_hole(m, i);
		m->n--;
		shrink(m);
		return true;
	}
	return false;
}

size_t hashmap__bytes(const struct hashmap *m)
{
	return m->cap * sizeof(struct hashmap_slot);
}

size_t hashmap__bytes_after_add(const struct hashmap *m)
{
	if (!is_full(m))
		return hashmap__bytes(m);
	return (m->cap ? (size_t)m->cap * 2 : HASHMAP_MIN_CAP) * sizeof(struct hashmap_slot);
}

/* ---- hashing ---- */

/* Drawn once, then read-only: the one process-wide state of this file. */
static uint64_t secret[2];
static atomic_bool secret_ready;
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void draw_secret(void)
{
	uint64_t drawn[2] = {0};

	/* Early in the boot there may be no randomness yet; waiting for it could be forever in a machine without a source, so times
	 * and addresses stand in, which somebody outside the process does not know exactly either. */
	if (getrandom(drawn, sizeof(drawn), GRND_NONBLOCK) != (ssize_t)sizeof(drawn)) {
		drawn[0] = fold(clock__mono_ns() ^ (uint64_t)(uintptr_t)&drawn, 0xd1342543de82ef95ull);
		drawn[1] =
			fold(clock__real_ns() ^ (uint64_t)getpid() << 32, 0xaf251af3b0f025b5ull) ^ drawn[0];
	}
	secret[0] = drawn[0];
	secret[1] = drawn[1] | 1; /* a factor: never zero */
	atomic_store_explicit(&secret_ready, true, memory_order_release);
}

static inline void need_secret(void)
{
	if (!atomic_load_explicit(&secret_ready, memory_order_acquire))
		pthread_once(&secret_once, draw_secret);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t finish(uint64_t h)
{
	return fold(h ^ secret[1], 0x9fb21c651e98df25ull ^ secret[0]);
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t left = len;
	uint64_t h, tail[2] = {0};

	need_secret();
	h = secret[0] ^ len;
	for (; left > 16; p += 16, left -= 16)
		h = fold(load64(p) ^ secret[0] ^ h, load64(p + 8) ^ secret[1]) + (h << 1 | h >> 63);
	if (left)
		memcpy(tail, p, left);
	return finish(fold(tail[0] ^ secret[0] ^ h, tail[1] ^ secret[1]) + (h << 1 | h >> 63));
}

uint64_t hash_u64(uint64_t v)
{
	need_secret();
	return finish(fold(v ^ secret[0], 0xc2b2ae3d27d4eb4full ^ secret[1]));
}
