/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      by_key   {tgid, start, exec_id} ─> slot ─> process
 *      by_tgid  tgid ─> slot ─> newest process ──older──> … ──older──> …
 *
 * Invariant: the chain of one pid is sorted by start and exec id, newest first; by_tgid holds its head.
 */
#include <string.h>

#include "user/process/process_index.h"

static const struct process *process_at(uint32_t slot, const void *owner)
{
	return ((const struct process_index *)owner)->slots.items[slot];
}

static bool eq_key(uint32_t slot, const void *key, const void *owner)
{
	return process_key__eq(&process_at(slot, owner)->key, key);
}

static bool eq_tgid(uint32_t slot, const void *key, const void *owner)
{
	return process_at(slot, owner)->key.tgid == *(const uint32_t *)key;
}

struct process *process_index__find(const struct process_index *x, const struct task_key *key)
{
	uint32_t slot = hashmap__find(&x->by_key, process_key__hash(key), eq_key, key, x);

	return slot == HASHMAP_NONE ? NULL : x->slots.items[slot];
}

struct process *process_index__newest(const struct process_index *x, uint32_t tgid)
{
	uint32_t slot = hashmap__find(&x->by_tgid, hash_u64(tgid), eq_tgid, &tgid, x);

	return slot == HASHMAP_NONE ? NULL : x->slots.items[slot];
}

struct process *process_index__next(const struct process_index *x, uint32_t *cursor)
{
	while (*cursor < x->slots.n) {
		struct process *p = x->slots.items[(*cursor)++];

		if (p)
			return p;
	}
	return NULL;
}

/* Is `a` a later incarnation of the pid than `b`? Exec ids wrap around. */
static bool is_later(const struct task_key *a, const struct task_key *b)
{
	if (a->start_ns != b->start_ns)
		return a->start_ns > b->start_ns;
	return (int32_t)(a->exec_id - b->exec_id) > 0;
}

/* Behind the newest, where it belongs. */
static void index__link_behind(struct process *newest, struct process *p)
{
	struct process *after = newest;

	for (int i = 0;
	     i < PROCESS_INCARNATIONS_LOOKED_AT && after->older && is_later(&after->older->key, &p->key); i++)
		after = after->older;
	p->newer = after;
	p->older = after->older;
	if (p->older)
		p->older->newer = p;
	after->older = p;
}

static int index__link(struct process_index *x, struct process *p)
{
	uint64_t hash = hash_u64(p->key.tgid);
	struct process *newest = process_index__newest(x, p->key.tgid);
	int r;

	if (newest && !is_later(&p->key, &newest->key)) {
		index__link_behind(newest, p);
		return 0;
	}
	r = hashmap__add(&x->by_tgid, hash, p->slot);
	if (r < 0 || !newest)
		return r;
	hashmap__remove(&x->by_tgid, hash, newest->slot);
	p->older = newest;
	newest->newer = p;
	return 0;
}

int process_index__add(struct process_index *x, struct process *p)
{
	uint64_t hash = process_key__hash(&p->key);
	int r;

	r = slots__add(&x->slots, p, &p->slot);
	if (r < 0)
		return r;
	r = hashmap__add(&x->by_key, hash, p->slot);
	if (r < 0)
		goto out;
	r = index__link(x, p);
	if (r < 0)
		hashmap__remove(&x->by_key, hash, p->slot);
out:
	if (r < 0)
		slots__remove(&x->slots, p->slot);
	return r;
}

void process_index__remove(struct process_index *x, struct process *p)
{
	uint64_t hash = hash_u64(p->key.tgid);

	if (p->older)
		p->older->newer = p->newer;
	if (p->newer) {
		p->newer->older = p->older;
	} else {
		hashmap__remove(&x->by_tgid, hash, p->slot);
		/* Cannot fail: one has just been removed. */
		if (p->older)
			hashmap__add(&x->by_tgid, hash, p->older->slot);
	}
	hashmap__remove(&x->by_key, process_key__hash(&p->key), p->slot);
	slots__remove(&x->slots, p->slot);
}

void process_index__init(struct process_index *x)
{
	memset(x, 0, sizeof(*x));
	hashmap__init(&x->by_key);
	hashmap__init(&x->by_tgid);
}

void process_index__done(struct process_index *x)
{
	hashmap__done(&x->by_key);
	hashmap__done(&x->by_tgid);
	slots__done(&x->slots);
}

size_t process_index__bytes(const struct process_index *x)
{
	return hashmap__bytes(&x->by_key) + hashmap__bytes(&x->by_tgid) + slots__bytes(&x->slots);
}
