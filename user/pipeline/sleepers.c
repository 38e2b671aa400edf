// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/sleepers.h"

#include <errno.h>
#include <stdlib.h>

#include "bpf/usage.h"

#define CAP_MIN 64

static uint64_t sleeper__hash(uint64_t start_ns, uint32_t tid)
{
	return hash_pair(start_ns, tid);
}

static bool sleeper__eq(uint32_t index, const void *key, const void *owner)
{
	const struct sleeper *a = &((const struct sleepers *)owner)->all[index];
	const struct usage_record *r = key;

	return a->tid == r->tid && a->start_ns == r->start_ns;
}

void sleepers__init(struct sleepers *s)
{
	*s = (struct sleepers){0};
	hashmap__init(&s->by_tid);
}

void sleepers__done(struct sleepers *s)
{
	hashmap__done(&s->by_tid);
	free(s->all);
}

static struct sleeper *sleepers__add(struct sleepers *s, const struct usage_record *r)
{
	if (s->n == SLEEPERS_MAX)
		return NULL;
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : CAP_MIN;
		struct sleeper *all = realloc(s->all, cap * sizeof(*all));

		if (!all)
			return NULL;
		s->all = all;
		s->cap = cap;
	}
	if (hashmap__add(&s->by_tid, sleeper__hash(r->start_ns, r->tid), s->n))
		return NULL;
	s->all[s->n] = (struct sleeper){.start_ns = r->start_ns, .tid = r->tid};
	return &s->all[s->n++];
}

/* The last one takes its place. */
static void sleepers__remove(struct sleepers *s, uint32_t i)
{
	const struct sleeper *gone = &s->all[i], *last = &s->all[--s->n];

	hashmap__remove(&s->by_tid, sleeper__hash(gone->start_ns, gone->tid), i);
	if (i == s->n)
		return;
	hashmap__remove(&s->by_tid, sleeper__hash(last->start_ns, last->tid), s->n);
	/* cannot be for want of room: two were just removed */
	hashmap__add(&s->by_tid, sleeper__hash(last->start_ns, last->tid), i);
	s->all[i] = *last;
}

uint64_t sleepers__note(struct sleepers *s, const struct usage_record *r, uint32_t pass)
{
	struct sleeper *a = NULL;
	uint64_t excess;
	uint32_t i;

	if (!s->n && !r->false_queue_ms)
		return 0;
	i = hashmap__find(&s->by_tid, sleeper__hash(r->start_ns, r->tid), sleeper__eq, r, s);
	if (i != HASHMAP_NONE)
		a = &s->all[i];
	else if (r->false_queue_ms)
		a = sleepers__add(s, r);
	if (!a)
		return 0;
	a->pass = pass;
	excess = false_queue__take(&a->queue, r->run_delay_ns, r->false_queue_ms);
	if (!r->false_queue_ms)
		sleepers__remove(s, i);
	return excess;
}

void sleepers__end_pass(struct sleepers *s, uint32_t pass)
{
	for (uint32_t i = 0; i < s->n;) {
		if (s->all[i].pass != pass)
			sleepers__remove(s, i);
		else
			i++;
	}
	if (s->cap > CAP_MIN && s->n < s->cap / 4) {
		struct sleeper *fewer = realloc(s->all, s->cap / 2 * sizeof(*fewer));

		if (fewer) {
			s->all = fewer;
			s->cap /= 2;
		}
	}
}
