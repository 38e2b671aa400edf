// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_rate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"

void alloc_rates__init(struct alloc_rates *a)
{
	*a = (struct alloc_rates){0};
	hashmap__init(&a->by_key);
}

void alloc_rates__done(struct alloc_rates *a)
{
	hashmap__done(&a->by_key);
	free(a->rates);
	a->rates = NULL;
}

static bool is_key(uint32_t index, const void *key, const void *owner)
{
	return !memcmp(&((const struct alloc_rate *)owner)[index].key, key, sizeof(struct task_key));
}

static uint64_t hash_key(const struct task_key *key)
{
	return hash_pair(key->start_ns ^ key->exec_id, key->tgid);
}

static struct alloc_rate *find(const struct alloc_rates *a, const struct task_key *key)
{
	uint32_t at = hashmap__find(&a->by_key, hash_key(key), is_key, key, a->rates);

	return at == HASHMAP_NONE ? NULL : &a->rates[at];
}

/* Before the table grows. */
static int forget(struct alloc_rates *a, uint64_t now_ns)
{
	uint32_t kept = 0;
	int err = 0;

	hashmap__clear(&a->by_key);
	for (uint32_t i = 0; i < a->n && !err; i++) {
		if (now_ns - a->rates[i].added_ns > ALLOC_RATE_FORGET_NS)
			continue;
		a->rates[kept] = a->rates[i];
		err = hashmap__add(&a->by_key, hash_key(&a->rates[kept].key), kept);
		kept += !err;
	}
	a->n = kept;
	return err;
}

static int make_room(struct alloc_rates *a, uint64_t now_ns)
{
	uint32_t cap = a->cap ? a->cap * 2 : 64;
	void *grown;
	int err;

	if (a->n < a->cap)
		return 0;
	err = forget(a, now_ns);
	if (err || a->n < a->cap)
		return err;
	if (cap > ALLOC_RATES_MAX)
		return -E2BIG;
	grown = reallocarray(a->rates, cap, sizeof(*a->rates));
	if (!grown)
		return -ENOMEM;
	a->rates = grown;
	a->cap = cap;
	return 0;
}

/* What the bytes that came until added_ns count for now. */
static double faded(const struct alloc_rate *r, uint64_t now_ns)
{
	return now_ns > r->added_ns ? r->bytes * exp(-(double)(now_ns - r->added_ns) / ALLOC_RATE_NS)
				    : r->bytes;
}

int alloc_rates__add(struct alloc_rates *a, const struct task_key *key, uint64_t now_ns, double bytes)
{
	struct alloc_rate *r = find(a, key);
	int err = r ? 0 : make_room(a, now_ns);

	if (!err && !r) {
		err = hashmap__add(&a->by_key, hash_key(key), a->n);
		if (!err) {
			r = &a->rates[a->n++];
			*r = (struct alloc_rate){.key = *key};
		}
	}
	if (err)
		return err;
	r->bytes = faded(r, now_ns) + bytes;
	r->added_ns = now_ns;
	return 0;
}

double alloc_rates__of(const struct alloc_rates *a, const struct task_key *key, uint64_t now_ns)
{
	const struct alloc_rate *r = find(a, key);

	return r ? faded(r, now_ns) / ((double)ALLOC_RATE_NS / NS_PER_SEC) : 0;
}
