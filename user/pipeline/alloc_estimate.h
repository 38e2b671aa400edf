/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_estimate - how far the totals of a profile of allocations may be off, by process and in all.
 *
 * Each window on allocations gives an estimate of the whole time; how much they differ from each other says how far their mean may be from the truth.
 * That holds whatever the reasons are: chance of the windows' times, of the calls that were taken in them, bursts. What it cannot see is added: the cost of a
 * probe is known to ALLOC_COST_ERROR only, and a thread that slept may have caught up with what its probes took, or not.
 *
 * What differs most is how much of a window a program was at work in. Where its CPU time in the windows is known, and in all, its total may be told by what it
 * allocated by CPU time (a ratio estimate): whether windows meet a program more often than its share does not matter then, nor what it did for the time that its
 * probes took; but all that is not known of the probes' cost does, the more the denser they are. Of both the one is taken whose error is smaller.
 *
 * Owns: its tables. Thread: one owner. Limit: ALLOC_ESTIMATES_MAX processes; more are in the total only. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_ESTIMATE_H
#define EVERPROF_PIPELINE_ALLOC_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "user/base/hashmap.h"

#define ALLOC_ESTIMATES_MAX 1024
#define ALLOC_ROUNDS_OPEN   16 /* a row comes at most so many windows late */

/* A total and its standard error. */
struct alloc_total {
	double objects, objects_error, bytes, bytes_error;
};

/* What a sample stands for. */
struct alloc_weight {
	double scale; /* windows are a part of the time only */
	double low,
		high; /* times this: a thread was seen for less than the window, where it caught up by sleeping less, and where it did not */
	double doubt; /* the share by which that changes where a probe costs ALLOC_COST_ERROR more */
};

/* Sums over windows; [2]: objects, bytes. */
struct alloc_moments {
	double sum[2], squares[2]; /* in the middle of low and high */
	double range[2];           /* one standard error of that, all in one direction */
	double doubt[2];           /* what they change by with the probe's cost */
	/* of the windows whose CPU time is known, samples by their scale alone: */
	double probes, cpu, cpu_squares, with_cpu[2], with_cpu_squares[2], products[2];
	uint32_t n_met; /* in which it had some */
	struct {
		uint32_t round;
		double value[2], plain[2], cpu;
		bool has_cpu;
	} open[ALLOC_ROUNDS_OPEN];
};

struct alloc_process {
	struct task_key key;
	uint32_t name; /* the owner's */
	struct alloc_moments moments;
	struct alloc_total total; /* since alloc_estimate__settle */
	double factor[2];         /* by which samples are to be multiplied, to add up to it */
};

struct alloc_estimate {
	struct alloc_moments all;
	struct alloc_total total;
	struct alloc_process *processes;
	struct hashmap by_key;
	uint32_t n, cap;
	uint32_t n_left_out; /* samples of processes that had no room */
};

void alloc_estimate__init(struct alloc_estimate *e);
void alloc_estimate__done(struct alloc_estimate *e);
void alloc_estimate__clear(struct alloc_estimate *e);
/* A sample of a round. ret_process may be NULL. */
int alloc_estimate__add(struct alloc_estimate *e, const struct task_key *key, uint32_t round, double objects,
			double bytes, const struct alloc_weight *weight, struct alloc_process **ret_process);
/* CPU time of a process in the round, without probes and in them, scaled likewise, 0 included. A process that gave no sample yet is none. */
void alloc_estimate__add_cpu(struct alloc_estimate *e, const struct task_key *key, uint32_t round,
			     double cpu_ns, double probes_ns);
/*
 * All rounds are in: totals and factors of all processes. cpu: the whole CPU time of a process, false where that is not known; factor: what totals of others
 * are multiplied by.
 */
typedef bool (*alloc_estimate_cpu_fn)(void *ctx, const struct task_key *key, double *ret_cpu_ns);
void alloc_estimate__settle(struct alloc_estimate *e, uint32_t n_rounds, double factor,
			    alloc_estimate_cpu_fn cpu, void *ctx);
/* NULL: none of it. Not after a sort. */
const struct alloc_process *alloc_estimate__find(const struct alloc_estimate *e, const struct task_key *key);
/* Of all that came so far, by windows alone, as if all rounds were in: n_rounds of them, those included that gave nothing. */
struct alloc_total alloc_estimate__total(struct alloc_moments *m, uint32_t n_rounds);
/* The processes by bytes in their totals, the largest first. */
void alloc_estimate__sort(struct alloc_estimate *e);

#endif
