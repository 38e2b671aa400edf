/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_estimate - what processes allocate in all, from what they did in windows, and how far that may be off.
 *
 * In a window all calls are counted, so a total owes nothing to which of them were sampled for their stacks. Each window on allocations gives an estimate of
 * the whole time; how much they differ from each other says how far their mean may be from the truth.
 * That holds whatever the reasons are: chance of the windows' times, bursts. What it cannot see is added: the cost of a
 * probe is known to ALLOC_COST_ERROR only, and a thread that slept may have caught up with what its probes took, or not.
 *
 * What differs most is how much of a window a program was at work in. Where its CPU time in the windows is known, and in all, its total may be told by what it allocated by CPU time (a ratio
 * estimate): whether windows meet a program more often than its share does not matter then, nor what it did for the time that its probes took; but all that is not known of the probes' cost
 * does, the more the denser they are. Windows count by the CPU time that the program would have had without probes: where calls are dense they see less of it, and phases that allocate a lot
 * would weigh less than they last. A program that works in rounds and sleeps between them is told by how much it allocates each time that it sleeps: neither the windows' luck nor the probes'
 * cost matters then, but where it hardly ever waits what sleeps may be another thread, which goes by the clock. Of all the one is taken whose error is smallest.
 *
 * Owns: its tables. Thread: one owner. Limit: ALLOC_ESTIMATES_MAX processes; more are in the total only. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_ESTIMATE_H
#define EVERPROF_PIPELINE_ALLOC_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/hashmap.h"
#include "user/pipeline/alloc_clocks.h"
#include "user/pipeline/alloc_length.h"
#include "user/pipeline/alloc_weight.h"

#define ALLOC_ESTIMATES_MAX 1024
#define ALLOC_STRATA        5

/* A total and its standard error. */
struct alloc_total {
	double objects, objects_error, bytes, bytes_error;
};

/* Of a process, or of all, in one window. [2]: objects, bytes. */
struct alloc_window {
	double plain[2];        /* what was counted */
	double middle[2];       /* in the middle of low and high */
	double range[2];        /* one standard error of that, all in one direction */
	double doubt[2];        /* what it changes by with the probe's cost */
	double probes_ns;       /* spent in them */
	double debt_ns, longer; /* of that: not caught up with; by this share, the time it stands for */
	struct alloc_aids aids;
	bool has_aids, is_met;
};

/* Sums over windows, scaled to the time that each stands for. */
struct alloc_moments {
	double sum[2], squares[2], range[2], doubt[2];
	struct alloc_stratum { /* of the windows whose probes took about the same share */
		double plain[2], cpu, own, had, least; /* least: of own, for so many calls */
	} strata[ALLOC_STRATA];
	struct alloc_aid_moments { /* of the windows whose aids are known */
		double sum, squares;
		double with[2], with_squares[2], products[2]; /* what was counted with it */
		double doubts[2];                             /* of that, what is not known */
		double met;                                   /* windows in which it had some, scaled */
		uint32_t n_met;                               /* and how many they were */
	} aids[ALLOC_N_AIDS];
	double probes_ns; /* spent, not scaled */
};

struct alloc_process {
	struct task_key key;
	struct alloc_window open;
	struct alloc_moments moments;
	double sampled[2]; /* what its samples add up to, scaled */
	uint32_t n_samples;
	struct alloc_total total; /* since alloc_estimate__settle */
	double factor[2];         /* by which samples are to be multiplied, to add up to it */
};

struct alloc_estimate {
	struct alloc_window open;
	struct alloc_moments all;
	struct alloc_total total;
	struct alloc_process *processes;
	struct hashmap by_key;
	uint32_t n, cap;
	uint32_t n_left_out; /* times that a process had no room */
};

void alloc_estimate__init(struct alloc_estimate *e);
void alloc_estimate__done(struct alloc_estimate *e);
void alloc_estimate__clear(struct alloc_estimate *e);
/* to: initialized, and empty. -ENOMEM: it is empty still. */
int alloc_estimate__copy(const struct alloc_estimate *e, struct alloc_estimate *to);
/* What a thread did in the window, not scaled. */
int alloc_estimate__add_thread(struct alloc_estimate *e, const struct task_key *key, double objects,
			       double bytes, double probes_ns, const struct alloc_weight *w);
/* What a process had of the window, whether it allocated in it or not: of one that is counted only from when it does, too much would be told. */
void alloc_estimate__add_aids(struct alloc_estimate *e, const struct task_key *key,
			      const struct alloc_aids *a, double longer);
/* The window is over: what it stands for, where only one of so many parts of all allocators could be seen in it. */
void alloc_estimate__end_window(struct alloc_estimate *e, double scale, uint32_t turns);
/* A sample that is handed on, scaled: how much of a process its samples show. */
void alloc_estimate__add_sample(struct alloc_estimate *e, const struct task_key *key, double objects,
				double bytes);
/*
 * All windows are in, n of them: totals and factors of all processes. aids: what a process had in all, false where that is not known.
 */
typedef bool (*alloc_estimate_aids_fn)(void *ctx, const struct task_key *key, struct alloc_aids *ret);
void alloc_estimate__settle(struct alloc_estimate *e, uint32_t n_windows, const struct alloc_length *length,
			    alloc_estimate_aids_fn aids, void *ctx);
/* NULL: none of it. Not after a sort. */
const struct alloc_process *alloc_estimate__find(const struct alloc_estimate *e, const struct task_key *key);
/* By windows alone; n of them, those included that gave nothing. */
struct alloc_total alloc_estimate__total(const struct alloc_moments *m, uint32_t n_windows);
/* The processes by bytes in their totals, the largest first. */
void alloc_estimate__sort(struct alloc_estimate *e);

#endif
