/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_rounds - the numbers by which windows on allocations are told apart, and what samples of the last windows stand for.
 *
 * The number that is in force stands in the gate, and each next one is one more: what the kernel keeps by number (threads, a CPU's sampling, samples on their way) outlives
 * whoever opens windows, so a second one goes on where the first ended. Calls that are our own, to measure what a probe costs, have numbers, too, and no window.
 *
 * Owns: nothing; the gate is borrowed. Thread: its owner's. Limit: ALLOC_WINDOWS_KEPT windows, ALLOC_CORRECTED_MAX threads of each. Errors: see alloc_rounds__scale.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_ROUNDS_H
#define EVERPROF_PIPELINE_ALLOC_ROUNDS_H

#include <stdint.h>

#include "bpf/alloc.h"

/* Over three seconds of the shortest stretches: a sample comes with its slice, which may be a second late, and its stack may wait for another one. */
#define ALLOC_WINDOWS_KEPT  64
#define ALLOC_CORRECTED_MAX 128

struct alloc_round {
	uint32_t number, n_corrected;
	double scale;
	/* threads that were seen for less than the window, or for longer, and what their calls weigh for it */
	struct alloc_correction {
		uint32_t tid;
		double weight;
	} corrected[ALLOC_CORRECTED_MAX];
};

struct alloc_rounds {
	struct alloc_gate *gate;
	uint32_t first, n; /* the number before the first of ours; windows so far */
	struct alloc_round windows[ALLOC_WINDOWS_KEPT];
};

void alloc_rounds__init(struct alloc_rounds *r, struct alloc_gate *gate);
/* The number that is in force; and from now on another one, which nothing has. */
uint32_t alloc_rounds__number(const struct alloc_rounds *r);
void alloc_rounds__next(struct alloc_rounds *r);
/* The number has a window, each of whose samples stands for `scale`; it is the last one until the next is begun. */
void alloc_rounds__begin_window(struct alloc_rounds *r, double scale);
double alloc_rounds__last_scale(const struct alloc_rounds *r);
/* Of the last window; without room: as if it had been seen all the while. */
void alloc_rounds__correct(struct alloc_rounds *r, uint32_t tid, double weight);
/* What a sample of a thread stands for. -ENOENT: it is not of our windows, or of our own calls; -ESTALE: of one that is not kept any more. */
int alloc_rounds__scale(const struct alloc_rounds *r, uint32_t number, uint32_t tid, double *ret);

#endif
