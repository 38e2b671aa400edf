// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_estimate.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/pipeline/alloc_cost.h"

/* A ratio of fewer windows says too little. */
#define ALLOC_MET_MIN 4
/* So well, as a share, CPU time in windows has to be known, because it is divided by: it is a difference, and the kernel moves a thread's clock with a tick only. */
#define ALLOC_CPU_ERROR 0.25

/* What opens a window holds up a CPU for a moment, and after each probe a program has caches that are not its own: totals of known programs differ from the
 * truth by that beside all that is estimated. */
#define ALLOC_OTHER_ERROR 0.05

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
	double cpu = m->open[at].cpu;

	m->n_met += cpu != 0 || m->open[at].value[0] > 0;
	for (int i = 0; i < 2; i++) {
		double value = m->open[at].value[i], x = m->open[at].plain[i];

		m->sum[i] += value;
		m->squares[i] += value * value;
		m->open[at].value[i] = m->open[at].plain[i] = 0;
		if (!m->open[at].has_cpu)
			continue;
		m->with_cpu[i] += x;
		m->with_cpu_squares[i] += x * x;
		m->products[i] += x * cpu;
	}
	m->cpu += cpu;
	m->cpu_squares += cpu * cpu;
	m->open[at].cpu = 0;
	m->open[at].has_cpu = false;
}

/* Where sums of the round are made. */
static uint32_t open_round(struct alloc_moments *m, uint32_t round)
{
	uint32_t at = round % ALLOC_ROUNDS_OPEN;

	if (m->open[at].round != round) {
		end_round(m, at);
		m->open[at].round = round;
	}
	return at;
}

static void add(struct alloc_moments *m, uint32_t round, const double value[2], const struct alloc_weight *w)
{
	uint32_t at = open_round(m, round);

	for (int i = 0; i < 2; i++) {
		double plain = value[i] * w->scale, middle = plain * (w->low + w->high) / 2;

		m->open[at].plain[i] += plain;
		m->open[at].value[i] += middle;
		m->range[i] +=
			plain * (w->high - w->low) / 2; /* a program does mostly the one or the other */
		m->doubt[i] += middle * w->doubt;
	}
}

static bool is_key(uint32_t index, const void *key, const void *owner)
{
	const struct alloc_process *processes = owner;

	return !memcmp(&processes[index].key, key, sizeof(struct task_key));
}

static uint64_t hash_key(const struct task_key *key)
{
	return hash_pair(key->start_ns ^ key->exec_id, key->tgid);
}

const struct alloc_process *alloc_estimate__find(const struct alloc_estimate *e, const struct task_key *key)
{
	uint32_t at = hashmap__find(&e->by_key, hash_key(key), is_key, key, e->processes);

	return at == HASHMAP_NONE ? NULL : &e->processes[at];
}

static int find(struct alloc_estimate *e, const struct task_key *key, struct alloc_process **ret)
{
	*ret = (struct alloc_process *)alloc_estimate__find(e, key);
	if (*ret)
		return 0;
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
	if (hashmap__add(&e->by_key, hash_key(key), e->n))
		return -ENOMEM;
	e->processes[e->n] = (struct alloc_process){.key = *key, .factor = {1, 1}};
	*ret = &e->processes[e->n++];
	return 0;
}

int alloc_estimate__add(struct alloc_estimate *e, const struct task_key *key, uint32_t round, double objects,
			double bytes, const struct alloc_weight *weight, struct alloc_process **ret_process)
{
	const double value[2] = {objects, bytes};
	struct alloc_process *p;
	int err;

	add(&e->all, round, value, weight);
	err = find(e, key, &p);
	if (err) {
		e->n_left_out++;
		return err;
	}
	add(&p->moments, round, value, weight);
	if (ret_process)
		*ret_process = p;
	return 0;
}

/* What an error is more where n windows tell it: Student's quantile of one standard error. */
static double few(double n)
{
	return n > 1 ? 1 + 0.64 / (n - 1) : 2;
}

/* Of the sum of n independent windows, and by how much what is not known may move it. One more like those that gave something might have been met. */
static double error_of(const struct alloc_moments *m, int i, double n)
{
	double sum = m->sum[i], squares = m->squares[i];
	double variance = n > 1 ? (squares - sum * sum / n) * n / (n - 1) : sum * sum;
	double met = squares > 0 ? sum * sum / (n * squares)
				 : 1; /* the share of windows, 1 for a steady program */
	double one_more = sum > 0 && met < 1 ? squares / sum * sqrt(1 - met) : 0;

	return sqrt(fmax(variance, 0) * few(n) * few(n) + one_more * one_more + m->doubt[i] * m->doubt[i] +
		    m->range[i] * m->range[i]);
}

struct alloc_total alloc_estimate__total(struct alloc_moments *m, uint32_t n_rounds)
{
	for (uint32_t i = 0; i < ALLOC_ROUNDS_OPEN; i++)
		end_round(m, i);
	return (struct alloc_total){
		.objects = m->sum[0],
		.objects_error = error_of(m, 0, n_rounds),
		.bytes = m->sum[1],
		.bytes_error = error_of(m, 1, n_rounds),
	};
}

void alloc_estimate__add_cpu(struct alloc_estimate *e, const struct task_key *key, uint32_t round,
			     double cpu_ns, double probes_ns)
{
	struct alloc_process *p = (struct alloc_process *)alloc_estimate__find(e, key);
	uint32_t at;

	if (!p)
		return;
	at = open_round(&p->moments, round);
	p->moments.open[at].cpu += cpu_ns;
	p->moments.probes += probes_ns;
	p->moments.open[at].has_cpu = true;
}

/* The sum that the ratio gives, and its error from what windows have more or less than it says. False: none. */
static bool by_cpu(const struct alloc_moments *m, int i, double cpu_ns, double *ret_sum, double *ret_error)
{
	double ratio, scale, squares, n = m->n_met, doubt;

	if (cpu_ns <= 0 || m->cpu <= 0 || m->n_met < ALLOC_MET_MIN || m->with_cpu[i] <= 0)
		return false;
	if (m->cpu_squares - m->cpu * m->cpu / n > pow(ALLOC_CPU_ERROR * m->cpu, 2))
		return false;
	ratio = m->with_cpu[i] / m->cpu;
	scale = cpu_ns / m->cpu;
	squares = m->with_cpu_squares[i] - 2 * ratio * m->products[i] + ratio * ratio * m->cpu_squares;
	doubt = ALLOC_COST_ERROR * m->probes / m->cpu;
	*ret_sum = ratio * cpu_ns;
	*ret_error = hypot(sqrt(fmax(squares, 0) * n / (n - 1)) * few(n) * scale, doubt * *ret_sum);
	return true;
}

static void settle(struct alloc_process *p, uint32_t n_rounds, double factor, double cpu_ns)
{
	struct alloc_total *t = &p->total;
	double *sums[2] = {&t->objects, &t->bytes}, *errors[2] = {&t->objects_error, &t->bytes_error};

	*t = alloc_estimate__total(&p->moments, n_rounds);
	for (int i = 0; i < 2; i++) {
		double sum, error;

		*sums[i] *= factor;
		*errors[i] *= factor;
		if (by_cpu(&p->moments, i, cpu_ns, &sum, &error) && error * *sums[i] < *errors[i] * sum) {
			*sums[i] = sum;
			*errors[i] = error;
		}
		*errors[i] = hypot(*errors[i], ALLOC_OTHER_ERROR * *sums[i]);
		p->factor[i] = p->moments.sum[i] > 0 ? *sums[i] / p->moments.sum[i] : factor;
	}
}

void alloc_estimate__settle(struct alloc_estimate *e, uint32_t n_rounds, double factor,
			    alloc_estimate_cpu_fn cpu, void *ctx)
{
	struct alloc_total all = alloc_estimate__total(&e->all, n_rounds), sum = {0};
	double objects_error = 0, bytes_error = 0;
	double rest_objects = all.objects, rest_bytes = all.bytes;

	for (uint32_t i = 0; i < e->n; i++) {
		struct alloc_process *p = &e->processes[i];
		double cpu_ns;

		settle(p, n_rounds, factor, cpu(ctx, &p->key, &cpu_ns) ? cpu_ns : 0);
		rest_objects -= p->moments.sum[0];
		rest_bytes -= p->moments.sum[1];
		sum.objects += p->total.objects;
		sum.bytes += p->total.bytes;
		objects_error += p->total.objects_error * p->total.objects_error;
		bytes_error += p->total.bytes_error * p->total.bytes_error;
	}
	if (e->n_left_out) { /* their windows are not known apart: their share of what is known of all */
		sum.objects += rest_objects * factor;
		sum.bytes += rest_bytes * factor;
		objects_error += pow(all.objects_error * factor, 2) * rest_objects / all.objects;
		bytes_error += pow(all.bytes_error * factor, 2) * rest_bytes / all.bytes;
	}
	sum.objects_error = sqrt(objects_error);
	sum.bytes_error = sqrt(bytes_error);
	e->total = sum;
}

static int by_bytes(const void *a, const void *b)
{
	double x = ((const struct alloc_process *)a)->total.bytes;
	double y = ((const struct alloc_process *)b)->total.bytes;

	return x > y ? -1 : x < y;
}

void alloc_estimate__sort(struct alloc_estimate *e)
{
	qsort(e->processes, e->n, sizeof(*e->processes), by_bytes);
	hashmap__clear(&e->by_key); /* indices do not hold any more */
}
