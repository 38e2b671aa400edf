/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_cost - what a probe on an allocator costs the thread that meets it.
 *
 * Measured before each window, because it changes within seconds (the clock rate, what else runs on the core), on a function of ours; the middle one of the last
 * ALLOC_COST_KEPT counts, because one measurement is off by a tenth, and now and then by half.
 *
 * Rejected: calls whose thread has just woken: 10 to 25 % more than in a loop that is warm, by which busy programs came out half as high
 * again. Ticks that tell in a window who is in a probe: one takes 20 to 70 us of a virtual machine.
 *
 * Owns: nothing. Thread: one owner. Limit: none. Errors: -errno; where nothing could be measured ALLOC_COST_ASSUMED_NS.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_COST_H
#define EVERPROF_PIPELINE_ALLOC_COST_H

#include <stdint.h>

#include "bpf/alloc.h"

#define ALLOC_COST_ASSUMED_NS 1000
/*
 * A trap also takes from a program what a loop of ours does not have to lose: work that overlapped with the call, and what lay in the caches. Measured, as a
 * share of what a bare loop loses: 3 to 19 % with 24 to 1,600 ns of arithmetic between calls, 2 to 9 % with as much reading of memory.
 */
#define ALLOC_COST_BESIDE 0.12
/* One standard error of what a probe is taken to cost: with probes always in place five programs lost 0.70 to 1.16 of it a call. */
#define ALLOC_COST_ERROR 0.15

#define ALLOC_COST_KEPT 15

struct alloc_cost {
	double measured[ALLOC_COST_KEPT]; /* ns of a call of ours */
	uint32_t n;
};

/* A probe on a function of ours, in this process only. */
int alloc_cost__attach_own(int prog_fd, int *ret_link_fd);
/* Once more, in a round of its own (gate->round is set), with a probe in nobody but us. */
void alloc_cost__measure(struct alloc_cost *c, struct alloc_gate *gate);
/* In a program. */
double alloc_cost__ns(const struct alloc_cost *c);

#endif
