/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_cost - what a probe on an allocator costs the thread that meets it.
 *
 * Measured before each window, because it changes within seconds (the clock rate, what else runs on the core), on a function of ours; the middle one of the last
 * ALLOC_COST_KEPT counts, because one measurement is off by a tenth, and now and then by half: another program on the same core makes it up to half as dear again.
 * In a program that calls often it is told by its own calls: the shortest time from one to the next is hardly more than the probe.
 *
 * Rejected: calls whose thread has just woken: 10 to 25 % more than in a loop that is warm, by which busy programs came out half as high
 * again. A loop with work between calls, 100 to 1,600 ns of it over 16 KiB: it loses what the bare one does. Ticks that tell in a window who is in a probe: one takes 20 to 70 us of a virtual machine.
 *
 * Owns: nothing. Thread: one owner. Limit: none. Errors: -errno; where nothing could be measured ALLOC_COST_ASSUMED_NS.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_COST_H
#define EVERPROF_PIPELINE_ALLOC_COST_H

#include <stdint.h>

#include "bpf/alloc.h"

#define ALLOC_COST_ASSUMED_NS 1000
/*
 * A trap also takes from a program what a loop of ours does not have to lose: what lay in the caches and in the predictors of branches. Measured by rates of calls just before and
 * after windows, as a share of what a bare loop loses: some 0.15 of python3 and node, 0.25 of sqlite3, 0.3 of g++; 0.03 to 0.19 of loops with some arithmetic between calls. At most so much:
 */
#define ALLOC_COST_BESIDE 0.3
/* It shows in how gaps between calls differ: in a loop of the same few instructions they do not. Of what they are longer than the shortest on average, this share is the trap's. */
#define ALLOC_COST_OF_GAPS 0.9
/* One standard error of either. */
#define ALLOC_COST_BESIDE_ERROR 0.3
/* And of what a bare call takes. */
#define ALLOC_COST_BARE_ERROR 0.05

#define ALLOC_COST_KEPT 15

struct alloc_cost {
	double measured[ALLOC_COST_KEPT]; /* ns of a call of ours */
	uint32_t n;
};

/* A probe on a function of ours, in this process only. */
int alloc_cost__attach_own(int prog_fd, int *ret_link_fd);
/* Once more, in a round of its own (gate->round is set), with a probe in nobody but us. */
void alloc_cost__measure(struct alloc_cost *c, struct alloc_gate *gate);
/* In a loop that does nothing else. */
double alloc_cost__bare_ns(const struct alloc_cost *c);
/* In a program of which no more is known. */
double alloc_cost__ns(const struct alloc_cost *c);
/* In this thread, with its standard error in ns; samples apart. bare_ns: the gate's when it was met. */
double alloc_cost__in(const struct alloc_thread *t, double bare_ns, double *ret_error_ns);
/* What its samples took it: what was measured of them, and by how much later than after other calls the next one came. */
double alloc_cost__samples_ns(const struct alloc_thread *t);

#endif
