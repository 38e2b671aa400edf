// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_estimate.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void alloc_estimate__init(struct alloc_estimate *e)
{
	*e = (struct alloc_estimate){0};
	hashmap__init(&e->by_key);
}

void alloc_estimate__done(struct alloc_estimate *e)
{
	hashmap__done(&e->by_key);
	free(e->processes);
	e->processes = NULL;
}

void alloc_estimate__clear(struct alloc_estimate *e)
{
	hashmap__clear(&e->by_key);
	memset(&e->all, 0, sizeof(e->all));
	e->n = e->n_left_out = 0;
}

static void end_round(struct alloc_moments *m, uint32_t at)
{
	for (int i = 0; i < 2; i++) {
		double x = m->open[at].value[i];

		m->sum[i] += x;
		m->squares[i] += x * x;
		m->open[at].value[i] = 0;
	}
}

static void add(struct alloc_moments *m, uint32_t round, const double value[2], double doubt)
{
	uint32_t at = round % ALLOC_ROUNDS_OPEN;

	if (m->open[at].round != round) {
		end_round(m, at);
		m->open[at].round = round;
	}
	for (int i = 0; i < 2; i++) {
		m->open[at].value[i] += value[i];
		m->doubt[i] += value[i] * doubt;
	}
}

static bool is_key(uint32_t index, const void *key, const void *owner)
{
	const struct alloc_process *processes = owner;

	return !memcmp(&processes[index].key, key, sizeof(struct task_key));
}

static int find(struct alloc_estimate *e, const struct task_key *key, struct alloc_process **ret)
{
	uint64_t hash = hash_pair(key->start_ns ^ key->exec_id, key->tgid);
	uint32_t at = hashmap__find(&e->by_key, hash, is_key, key, e->processes);

	if (at == HASHMAP_NONE) {
		if (e->n == ALLOC_ESTIMATES_MAX)
			return -E2BIG;
		if (e->n == e->cap) {
			uint32_t cap = e->cap ? e->cap * 2 : 32;
			void *grown = reallocarray(e->processes, cap, sizeof(*e->processes));

			if (!grown)
				return -ENOMEM;
			e->processes = grown;
			e->cap = cap;
		}
		if (hashmap__add(&e->by_key, hash, e->n))
			return -ENOMEM;
		at = e->n++;
		e->processes[at] = (struct alloc_process){.key = *key};
	}
	*ret = &e->processes[at];
	return 0;
}

int alloc_estimate__add(struct alloc_estimate *e, const struct task_key *key, uint32_t round, double objects,
			double bytes, double doubt, struct alloc_process **ret_process)
{
	const double value[2] = {objects, bytes};
	struct alloc_process *p;
	int err;

	add(&e->all, round, value, doubt);
	err = find(e, key, &p);
	if (err) {
		e->n_left_out++;
		return err;
	}
	add(&p->moments, round, value, doubt);
	if (ret_process)
		*ret_process = p;
	return 0;
}

/* Of the sum of n independent estimates, and by how much the probe's cost may move it. */
static double error_of(double sum, double squares, double doubt, double n)
{
	double variance = n > 1 ? (squares - sum * sum / n) * n / (n - 1) : sum * sum;

	return sqrt((variance > 0 ? variance : 0) + doubt * doubt);
}

struct alloc_total alloc_estimate__total(struct alloc_moments *m, uint32_t n_rounds)
{
	for (uint32_t i = 0; i < ALLOC_ROUNDS_OPEN; i++)
		end_round(m, i);
	return (struct alloc_total){
		.objects = m->sum[0],
		.objects_error = error_of(m->sum[0], m->squares[0], m->doubt[0], n_rounds),
		.bytes = m->sum[1],
		.bytes_error = error_of(m->sum[1], m->squares[1], m->doubt[1], n_rounds),
	};
}

static int by_bytes(const void *a, const void *b)
{
	double x = ((const struct alloc_process *)a)->moments.sum[1];
	double y = ((const struct alloc_process *)b)->moments.sum[1];

	return x > y ? -1 : x < y;
}

void alloc_estimate__sort(struct alloc_estimate *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		alloc_estimate__total(&e->processes[i].moments, 1); /* closes its rounds */
	qsort(e->processes, e->n, sizeof(*e->processes), by_bytes);
	hashmap__clear(&e->by_key); /* indices do not hold any more */
}
