/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_weight - what a thread's calls in a window stand for, by what of the window its probes took.
 *
 * A thread was seen for the window less what it spent in probes, so its calls weigh more; unless it slept, and slept less for it. Both are told.
 * Windows are all taken for ALLOC_WINDOW_NS long. That of a process whose CPU time is read is what lies between the two readings (alloc_clocks__part): what was counted and lost in it is
 * as much shorter before anything is made of it.
 *
 * Owns: nothing. Thread: any. Limit: ALLOC_SATURATED. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_WEIGHT_H
#define EVERPROF_PIPELINE_ALLOC_WEIGHT_H

#include "bpf/alloc.h"

/* A thread whose own time in the window is below this share of it: what it is multiplied by says nothing any more. */
#define ALLOC_SATURATED 0.05

struct alloc_weight {
	/* times this: a thread was seen for less than the window, where it caught up by sleeping less, and where it did not */
	double low, high;
	double doubt; /* the share by which that changes where a probe costs ALLOC_COST_ERROR more */
	double debt_ns, longer; /* of its probes: not caught up with; by this share, the time stood for */
};

/* inside_ns: what its probes took in the window, in all; part: how much longer ALLOC_WINDOW_NS is than the window was to it. `longer` is left 0. */
struct alloc_weight alloc_weight__of(const struct alloc_thread *t, double inside_ns, double part);

#endif
