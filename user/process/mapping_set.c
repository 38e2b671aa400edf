/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a thousand workers forked from one parent have a thousand copies of the same few dozen mappings, and a
 * fork must cost nothing.
 *
 * Idea: sets never change. A fork takes a reference; a new mapping makes a new set, next to the old one. Making a set
 * looks it up by content first, so that two ways to the same mappings (events here, /proc there) meet in the same
 * set, and "did anything change?" is a pointer comparison.
 *
 *      before     [----- a -----]   [--- b ---]
 *      with m            [--- m ---]
 *      after      [--a--][--- m ---] [-- b' --]     what overlaps is cut; b' keeps b's bias
 *
 * Neighbours with the same object and bias are one mapping: JITs that grow page by page, and segments the kernel has
 * split, stay small.
 *
 * Invariants: mappings are sorted by start and do not overlap; start < end; object 0 has bias and pgoff 0.
 *
 * Cost: 40 bytes a mapping, once; a new set copies the old one. The caller bounds how often (process_table).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/hashmap.h"
#include "user/base/slots.h"
#include "user/object/object_cache.h"
#include "user/process/mapping_set.h"

struct mapping_set {
	struct mapping_pool *pool;
	uint64_t id, hash;
	uint32_t refs, slot, n;
	struct code_mapping mappings[];
};

struct mapping_pool {
	struct mapping_pool_opts opts;
	struct hashmap by_content;
	struct slots slots;
	uint64_t next_id;
	struct mapping_set *empty;
	struct mapping_pool_stats stats;
};

struct content {
	const struct code_mapping *mappings;
	uint32_t n;
};

static size_t set__bytes(uint32_t n)
{
	return sizeof(struct mapping_set) + n * sizeof(struct code_mapping);
}

static bool eq_content(uint32_t index, const void *key, const void *owner)
{
	const struct mapping_set *set = ((const struct mapping_pool *)owner)->slots.items[index];
	const struct content *k = key;

	return set->n == k->n &&
	       (k->n == 0 || memcmp(set->mappings, k->mappings, k->n * sizeof(*k->mappings)) == 0);
}

/* ---- making a set ------------------------------------------------------------------------------------------------ */

/* An object that was retired meanwhile is no object: the mapping stays as code in no file. */
static void set__ref_objects(struct mapping_set *set)
{
	struct object_cache *objects = set->pool->opts.objects;

	for (uint32_t i = 0; objects && i < set->n; i++) {
		struct code_mapping *m = &set->mappings[i];

		if (m->object && object_cache__get(objects, m->object, NULL) < 0)
			m->object = 0, m->bias = 0, m->pgoff = 0;
	}
}

static void set__unref_objects(struct mapping_set *set)
{
	for (uint32_t i = 0; set->pool->opts.objects && i < set->n; i++)
		object_cache__put(set->pool->opts.objects, set->mappings[i].object);
}

static int pool__add(struct mapping_pool *pool, const struct content *content, uint64_t hash,
		     struct mapping_set **ret_set)
{
	struct mapping_set *set;
	int r;

	if (pool->stats.mappings + content->n > pool->opts.max_mappings) {
		pool->stats.n_refused++;
		return -E2BIG;
	}
	set = malloc(set__bytes(content->n));
	if (!set)
		return -ENOMEM;
	*set = (struct mapping_set){.pool = pool, .hash = hash, .refs = 1, .n = content->n};
	if (content->n > 0)
		memcpy(set->mappings, content->mappings, content->n * sizeof(*content->mappings));
	r = slots__add(&pool->slots, set, &set->slot);
	if (r < 0)
		goto out;
	r = hashmap__add(&pool->by_content, hash, set->slot);
	if (r < 0) {
		slots__remove(&pool->slots, set->slot);
		goto out;
	}
	set__ref_objects(set);
	set->id = pool->next_id++;
	pool->stats.sets++;
	pool->stats.mappings += set->n;
	pool->stats.bytes += set__bytes(set->n);
	*ret_set = set;
out:
	if (r < 0)
		free(set);
	return r;
}

/* The set of exactly these mappings: they are sorted, apart and joined. */
static int pool__intern(struct mapping_pool *pool, const struct code_mapping *mappings, uint32_t n,
			struct mapping_set **ret_set)
{
	struct content content = {mappings, n};
	uint64_t hash = n > 0 ? hash_bytes(mappings, n * sizeof(*mappings)) : 0;
	uint32_t slot = hashmap__find(&pool->by_content, hash, eq_content, &content, pool);

	if (slot != HASHMAP_NONE) {
		pool->stats.n_shared++;
		*ret_set = mapping_set__ref(pool->slots.items[slot]);
		return 0;
	}
	return pool__add(pool, &content, hash, ret_set);
}

/* ---- arithmetic of ranges ---------------------------------------------------------------------------------------- */

static struct code_mapping mapping__normal(const struct code_mapping *m)
{
	struct code_mapping out = *m;

	out.reserved = 0;
	if (out.object == 0)
		out.pgoff = 0;
	return out;
}

/* Appends [start, end) of m, joined to the last one where they are one run. */
static void push_part(struct code_mapping *to, uint32_t *n, const struct code_mapping *m, uint64_t start,
		      uint64_t end)
{
	struct code_mapping *last = *n > 0 ? &to[*n - 1] : NULL;

	if (start >= end)
		return;
	if (last && last->end == start && last->object == m->object && last->bias == m->bias) {
		last->end = end;
		return;
	}
	to[*n] = *m;
	to[*n].start = start;
	to[*n].end = end;
	if (m->object)
		to[*n].pgoff = m->pgoff + (start - m->start);
	(*n)++;
}

/* The set's mappings outside of [start, end), and `in` (or nothing) inside. */
static int set__replace(struct mapping_set *set, uint64_t start, uint64_t end, const struct code_mapping *in,
			struct mapping_set **ret_set)
{
	struct code_mapping *to = malloc((set->n + 2) * sizeof(*to));
	uint32_t n = 0, i;
	int r;

	if (!to)
		return -ENOMEM;
	for (i = 0; i < set->n && set->mappings[i].start < start; i++) {
		const struct code_mapping *m = &set->mappings[i];

		push_part(to, &n, m, m->start, m->end < start ? m->end : start);
	}
	/* The last one before may reach past the range. */
	if (in)
		push_part(to, &n, in, start, end);
	for (i = i > 0 ? i - 1 : 0; i < set->n; i++) {
		const struct code_mapping *m = &set->mappings[i];

		push_part(to, &n, m, m->start > end ? m->start : end, m->end);
	}
	r = n > MAPPING_SET_MAX ? -E2BIG : pool__intern(set->pool, to, n, ret_set);
	free(to);
	return r;
}

int mapping_set__with(struct mapping_set *set, const struct code_mapping *m, struct mapping_set **ret_set)
{
	struct code_mapping in = mapping__normal(m);
	const struct code_mapping *there = mapping_set__find(set, in.start);

	if (in.start >= in.end)
		return -EINVAL;
	/* Events repeat what /proc has told already. */
	if (there && there->end >= in.end && there->object == in.object && there->bias == in.bias) {
		*ret_set = mapping_set__ref(set);
		return 0;
	}
	return set__replace(set, in.start, in.end, &in, ret_set);
}

int mapping_set__without(struct mapping_set *set, uint64_t start, uint64_t end, struct mapping_set **ret_set)
{
	if (start >= end)
		return -EINVAL;
	return set__replace(set, start, end, NULL, ret_set);
}

static int by_start(const void *a, const void *b)
{
	const struct code_mapping *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

int mapping_set__build(struct mapping_pool *pool, struct code_mapping *mappings, uint32_t n,
		       struct mapping_set **ret_set)
{
	uint32_t kept = 0;

	if (n > MAPPING_SET_MAX)
		return -E2BIG;
	if (n > 0)
		qsort(mappings, n, sizeof(*mappings), by_start);
	/* In place: what is written never passes what is read, as each mapping gives at most one. */
	for (uint32_t i = 0; i < n; i++) {
		struct code_mapping m = mapping__normal(&mappings[i]);
		uint64_t end = i + 1 < n && mappings[i + 1].start < m.end ? mappings[i + 1].start : m.end;

		push_part(mappings, &kept, &m, m.start, end);
	}
	return pool__intern(pool, mappings, kept, ret_set);
}

/* ---- a set ------------------------------------------------------------------------------------------------------- */

struct mapping_set *mapping_set__ref(struct mapping_set *set)
{
	set->refs++;
	return set;
}

void mapping_set__unref(struct mapping_set *set)
{
	struct mapping_pool *pool;

	if (!set || --set->refs > 0)
		return;
	pool = set->pool;
	hashmap__remove(&pool->by_content, set->hash, set->slot);
	slots__remove(&pool->slots, set->slot);
	pool->stats.sets--;
	pool->stats.mappings -= set->n;
	pool->stats.bytes -= set__bytes(set->n);
	set__unref_objects(set);
	free(set);
}

uint64_t mapping_set__id(const struct mapping_set *set)
{
	return set->id;
}

const struct code_mapping *mapping_set__mappings(const struct mapping_set *set, uint32_t *ret_n)
{
	*ret_n = set->n;
	return set->mappings;
}

const struct code_mapping *mapping_set__find(const struct mapping_set *set, uint64_t addr)
{
	uint64_t at = bisect__count(set->n, i, set->mappings[i].end <= addr);

	return at < set->n && set->mappings[at].start <= addr ? &set->mappings[at] : NULL;
}

bool mapping_set__overlaps(const struct mapping_set *set, uint64_t start, uint64_t end)
{
	uint64_t at = bisect__count(set->n, i, set->mappings[i].end <= start);

	return at < set->n && set->mappings[at].start < end;
}

/* ---- the pool ---------------------------------------------------------------------------------------------------- */

int mapping_pool__new(const struct mapping_pool_opts *opts, struct mapping_pool **ret_pool)
{
	struct mapping_pool *pool = calloc(1, sizeof(*pool));
	int r;

	if (!pool)
		return -ENOMEM;
	pool->opts = *opts;
	if (pool->opts.max_mappings == 0)
		pool->opts.max_mappings = 1u << 20;
	pool->next_id = 1;
	hashmap__init(&pool->by_content);
	r = pool__intern(pool, NULL, 0, &pool->empty);
	if (r < 0) {
		mapping_pool__free(pool);
		return r;
	}
	*ret_pool = pool;
	return 0;
}

void mapping_pool__free(struct mapping_pool *pool)
{
	if (!pool)
		return;
	mapping_set__unref(pool->empty);
	hashmap__done(&pool->by_content);
	slots__done(&pool->slots);
	free(pool);
}

void mapping_pool__stats(const struct mapping_pool *pool, struct mapping_pool_stats *ret_stats)
{
	*ret_stats = pool->stats;
	ret_stats->bytes += hashmap__bytes(&pool->by_content) + slots__bytes(&pool->slots);
}

struct mapping_set *mapping_pool__empty(struct mapping_pool *pool)
{
	return mapping_set__ref(pool->empty);
}
