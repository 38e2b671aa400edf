// SPDX-License-Identifier: Apache-2.0
/*
 * mapping_store - Invariants: a run's header says that it is given back before it is, and a run that was given back is not written again for
 *   REUSE_AFTER_NS, far longer than a walk that nothing stops: so one that took an entry of `processes` before it changed reads either the
 *   set it meant or a header that does not match. A walk that may be kept from its CPU, or waits for memory, asks again when it is over (bpf/mapping.bpf.h, mapping__kept). `by_tgid` mirrors `processes`; what the kernel copied at a fork is told to us by the fork's record.
 */
#include "user/kernel/mapping_store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "user/base/clock.h"
#include "user/base/hashmap.h"
#include "user/kernel/loader.h"

#define REUSE_AFTER_NS (500 * NS_PER_MS)
#define SLOT_NONE      UINT32_MAX

struct run {
	uint32_t first, len;    /* the header included */
	uint64_t free_since_ns; /* a free run that a walk may still be in; 0: settled */
};

struct set {
	uint64_t id; /* 0: slot is free */
	struct run run;
	uint32_t n_users; /* of a free slot: the next free one */
};

struct known {
	struct task_key key; /* tgid 0: slot is free */
	uint32_t set;        /* of a free slot: the next free one */
};

struct mapping_store {
	const struct kernel_maps *maps;
	struct run *free_runs; /* by first; neighbours that have settled are joined */
	uint32_t n_free_runs, cap_free_runs;
	struct set *sets;
	uint32_t n_sets, cap_sets, free_set; /* the first free slot, or SLOT_NONE */
	struct known *known;
	uint32_t n_known, cap_known, free_known;
	struct hashmap by_set_id, by_tgid;
	uint64_t n_elements, n_live_sets, n_live_known, n_refused;
};

static bool set__eq(uint32_t index, const void *key, const void *owner)
{
	return ((const struct mapping_store *)owner)->sets[index].id == *(const uint64_t *)key;
}

static bool known__eq(uint32_t index, const void *key, const void *owner)
{
	return ((const struct mapping_store *)owner)->known[index].key.tgid == *(const uint32_t *)key;
}

static int grow(void *array, uint32_t *cap, uint32_t n, size_t size)
{
	void **at = array;
	uint32_t more;
	void *p;

	if (n < *cap)
		return 0;
	more = *cap ? *cap * 2 : 64;
	p = realloc(*at, more * size);
	if (!p)
		return -ENOMEM;
	memset((char *)p + *cap * size, 0, (more - *cap) * size);
	*at = p;
	*cap = more;
	return 0;
}

int mapping_store__new(const struct kernel_maps *maps, struct mapping_store **ret)
{
	struct mapping_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->maps = maps;
	s->free_set = s->free_known = SLOT_NONE;
	hashmap__init(&s->by_set_id);
	hashmap__init(&s->by_tgid);
	if (grow(&s->free_runs, &s->cap_free_runs, 0, sizeof(*s->free_runs))) {
		mapping_store__free(s);
		return -ENOMEM;
	}
	/* element 0 stays unused, so that a zeroed entry names no set */
	s->free_runs[s->n_free_runs++] = (struct run){.first = 1, .len = MAPPINGS_MAX - 1};
	*ret = s;
	return 0;
}

void mapping_store__free(struct mapping_store *s)
{
	if (!s)
		return;
	hashmap__done(&s->by_set_id);
	hashmap__done(&s->by_tgid);
	free(s->free_runs);
	free(s->sets);
	free(s->known);
	free(s);
}

/* Runs that no walk can be in any more become ordinary ones; only those are joined, so that a fresh one does not make its neighbours wait. */
static void runs__settle(struct mapping_store *s, uint64_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n_free_runs; i++) {
		struct run r = s->free_runs[i];
		struct run *last = kept ? &s->free_runs[kept - 1] : NULL;

		if (r.free_since_ns && now - r.free_since_ns >= REUSE_AFTER_NS)
			r.free_since_ns = 0;
		if (last && !last->free_since_ns && !r.free_since_ns && last->first + last->len == r.first)
			last->len += r.len;
		else
			s->free_runs[kept++] = r;
	}
	s->n_free_runs = kept;
}

static int run__alloc(struct mapping_store *s, uint32_t len, struct run *ret)
{
	runs__settle(s, clock__mono_ns());
	for (uint32_t i = 0; i < s->n_free_runs; i++) {
		struct run *r = &s->free_runs[i];

		if (r->len < len || r->free_since_ns)
			continue;
		*ret = (struct run){.first = r->first, .len = len};
		r->first += len;
		r->len -= len;
		if (!r->len)
			memmove(r, r + 1, (--s->n_free_runs - i) * sizeof(*r));
		return 0;
	}
	return -E2BIG;
}

/* On failure to remember it the run is leaked, which the cap on elements bounds. */
static void run__give_back(struct mapping_store *s, struct run run)
{
	uint32_t i = 0;

	run.free_since_ns = clock__mono_ns();
	while (i < s->n_free_runs && s->free_runs[i].first < run.first)
		i++;
	if (grow(&s->free_runs, &s->cap_free_runs, s->n_free_runs, sizeof(run)))
		return;
	memmove(&s->free_runs[i + 1], &s->free_runs[i], (s->n_free_runs - i) * sizeof(run));
	s->free_runs[i] = run;
	s->n_free_runs++;
}

static int set__slot(struct mapping_store *s, uint32_t *ret)
{
	int err;

	if (s->free_set != SLOT_NONE) {
		*ret = s->free_set;
		s->free_set = s->sets[*ret].n_users;
		return 0;
	}
	err = grow(&s->sets, &s->cap_sets, s->n_sets, sizeof(*s->sets));
	if (!err)
		*ret = s->n_sets++;
	return err;
}

static void set__free_slot(struct mapping_store *s, uint32_t index)
{
	s->sets[index] = (struct set){.n_users = s->free_set};
	s->free_set = index;
}

static void set__put(struct mapping_store *s, uint32_t index)
{
	struct set *set = &s->sets[index];

	if (--set->n_users)
		return;
	__atomic_store_n(&s->maps->mappings[set->run.first].start, MAPPING_SET_GIVEN_BACK(set->id),
			 __ATOMIC_SEQ_CST);
	hashmap__remove(&s->by_set_id, hash_u64(set->id), index);
	run__give_back(s, set->run);
	s->n_elements -= set->run.len;
	s->n_live_sets--;
	set__free_slot(s, index);
}

/* The set's index, with a user more. */
static int set__get(struct mapping_store *s, uint64_t id, const struct mapping_entry *entries, uint32_t n,
		    uint32_t *ret)
{
	uint32_t index = hashmap__find(&s->by_set_id, hash_u64(id), set__eq, &id, s);
	struct mapping_entry *at;
	struct run run;
	int err;

	if (index != HASHMAP_NONE) {
		s->sets[index].n_users++;
		*ret = index;
		return 0;
	}
	err = set__slot(s, &index);
	if (err)
		return err;
	err = run__alloc(s, n + 1, &run);
	if (err) {
		set__free_slot(s, index);
		return err;
	}
	s->sets[index] = (struct set){.id = id, .run = run, .n_users = 1};
	err = hashmap__add(&s->by_set_id, hash_u64(id), index);
	if (err) {
		set__free_slot(s, index);
		run__give_back(s, run);
		return err;
	}
	at = &s->maps->mappings[run.first];
	__atomic_store_n(&at->start, 0, __ATOMIC_SEQ_CST); /* from here on it is not what was given back */
	if (n)
		memcpy(at + 1, entries, n * sizeof(*entries));
	__atomic_store_n(&at->start, id, __ATOMIC_SEQ_CST);
	s->n_elements += run.len;
	s->n_live_sets++;
	*ret = index;
	return 0;
}

static int known__slot(struct mapping_store *s, uint32_t *ret)
{
	int err;

	if (s->free_known != SLOT_NONE) {
		*ret = s->free_known;
		s->free_known = s->known[*ret].set;
		return 0;
	}
	err = grow(&s->known, &s->cap_known, s->n_known, sizeof(*s->known));
	if (!err)
		*ret = s->n_known++;
	return err;
}

static void known__free_slot(struct mapping_store *s, uint32_t index)
{
	s->known[index] = (struct known){.set = s->free_known};
	s->free_known = index;
}

static int known__get(struct mapping_store *s, uint32_t tgid, uint32_t *ret)
{
	uint32_t index = hashmap__find(&s->by_tgid, hash_u64(tgid), known__eq, &tgid, s);
	int err;

	if (index != HASHMAP_NONE) {
		*ret = index;
		return 0;
	}
	err = known__slot(s, &index);
	if (err)
		return err;
	s->known[index].key.tgid = tgid;
	s->known[index].set = UINT32_MAX;
	err = hashmap__add(&s->by_tgid, hash_u64(tgid), index);
	if (err) {
		known__free_slot(s, index);
		return err;
	}
	s->n_live_known++;
	*ret = index;
	return 0;
}

static void known__drop(struct mapping_store *s, uint32_t index)
{
	struct known *k = &s->known[index];

	hashmap__remove(&s->by_tgid, hash_u64(k->key.tgid), index);
	if (k->set != UINT32_MAX)
		set__put(s, k->set);
	known__free_slot(s, index);
	s->n_live_known--;
}

static void mapping_store__delete_entry(struct mapping_store *s, uint32_t tgid)
{
	bpf_map_delete_elem(s->maps->processes_fd, &tgid);
	kernel_maps__changed(s->maps);
}

static void mapping_store__drop_tgid(struct mapping_store *s, uint32_t tgid)
{
	uint32_t at = hashmap__find(&s->by_tgid, hash_u64(tgid), known__eq, &tgid, s);

	mapping_store__delete_entry(s, tgid);
	if (at != HASHMAP_NONE)
		known__drop(s, at);
}

int mapping_store__set_process(struct mapping_store *s, const struct task_key *key, uint64_t set_id,
			       const struct mapping_entry *entries, uint32_t n)
{
	struct process_entry entry = {.key = *key, .set_id = set_id, .set_count = n};
	uint32_t set, at;
	int err;

	err = set__get(s, set_id, entries, n, &set);
	if (err) {
		/* what the kernel has is out of date: code would be taken for what was there before */
		mapping_store__drop_tgid(s, key->tgid);
		s->n_refused++;
		return err;
	}
	err = known__get(s, key->tgid, &at);
	if (err) {
		set__put(s, set);
		return err;
	}
	entry.set_first = s->sets[set].run.first;
	err = bpf_map_update_elem(s->maps->processes_fd, &key->tgid, &entry, BPF_ANY);
	kernel_maps__changed(s->maps);
	if (err) {
		s->n_refused++;
		set__put(s, set);
		known__drop(s, at);
		mapping_store__delete_entry(s, key->tgid);
		return err;
	}
	/* the old set only now: the kernel does not name it any more */
	if (s->known[at].set != UINT32_MAX)
		set__put(s, s->known[at].set);
	s->known[at] = (struct known){.key = *key, .set = set};
	return 0;
}

void mapping_store__drop_process(struct mapping_store *s, const struct task_key *key)
{
	uint32_t at = hashmap__find(&s->by_tgid, hash_u64(key->tgid), known__eq, &key->tgid, s);

	if (at == HASHMAP_NONE || memcmp(&s->known[at].key, key, sizeof(*key)))
		return; /* another incarnation has the pid by now */
	mapping_store__delete_entry(s, key->tgid);
	known__drop(s, at);
}

void mapping_store__stats(const struct mapping_store *s, struct mapping_store_stats *ret)
{
	*ret = (struct mapping_store_stats){
		.sets = s->n_live_sets,
		.elements = s->n_elements,
		.processes = s->n_live_known,
		.refused = s->n_refused,
	};
}
