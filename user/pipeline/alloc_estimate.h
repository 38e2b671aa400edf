/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_estimate - how far the totals of a profile of allocations may be off, by process and in all.
 *
 * Each window on allocations gives an estimate of the whole time; how much they differ from each other says how far their mean may be from the truth.
 * That holds whatever the reasons are: chance of the windows' times, of the calls that were taken in them, bursts. What it cannot see is added: the cost of a
 * probe is known to ALLOC_COST_ERROR only, which matters for threads that spent most of a window in probes.
 *
 * Owns: its tables. Thread: one owner. Limit: ALLOC_ESTIMATES_MAX processes; more are in the total only. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_ESTIMATE_H
#define EVERPROF_PIPELINE_ALLOC_ESTIMATE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "user/base/hashmap.h"

#define ALLOC_ESTIMATES_MAX 1024
#define ALLOC_ROUNDS_OPEN   16 /* a row comes at most so many windows late */
#define ALLOC_COST_ERROR    0.05

/* A total and its standard error. */
struct alloc_total {
	double objects, objects_error, bytes, bytes_error;
};

struct alloc_moments {
	double sum[2], squares[2],
		doubt[2]; /* objects, bytes; doubt: what they change by with the probe's cost */
	struct {
		uint32_t round;
		double value[2];
	} open[ALLOC_ROUNDS_OPEN];
};

struct alloc_process {
	struct task_key key;
	uint32_t name; /* the owner's */
	struct alloc_moments moments;
};

struct alloc_estimate {
	struct alloc_moments all;
	struct alloc_process *processes;
	struct hashmap by_key;
	uint32_t n, cap;
	uint32_t n_left_out; /* samples of processes that had no room */
};

void alloc_estimate__init(struct alloc_estimate *e);
void alloc_estimate__done(struct alloc_estimate *e);
void alloc_estimate__clear(struct alloc_estimate *e);
/* A sample of a round, scaled to the whole time. doubt: the share by which it changes where a probe costs ALLOC_COST_ERROR more. ret_process may be NULL. */
int alloc_estimate__add(struct alloc_estimate *e, const struct task_key *key, uint32_t round, double objects,
			double bytes, double doubt, struct alloc_process **ret_process);
/* All rounds are in: n_rounds of them, those included that gave nothing. */
struct alloc_total alloc_estimate__total(struct alloc_moments *m, uint32_t n_rounds);
/* The processes by bytes, the largest first. */
void alloc_estimate__sort(struct alloc_estimate *e);

#endif
