/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_control - how often a window on allocations may be opened, and how densely calls are taken in it.
 *
 * Pure. Each window is paid for before the next one is: the stretch of time that the next one lies in is at least so long that what the last one cost is
 * the budget's share of it. A window costs the time for which probes were in place, whoever met them: no thread can have lost more; or what the calls of many threads cost the machine, where
 * that is more. To it comes what we take to put them in place and away, by which all threads of the machine get less: each its share.
 *
 * Owns: nothing. Thread: its owner's. Limit: ALLOC_STRETCH_MIN_NS, ALLOC_STRETCH_MAX_NS. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_CONTROL_H
#define EVERPROF_PIPELINE_ALLOC_CONTROL_H

#include <stdint.h>

#define ALLOC_WINDOW_NS      1000000ull
#define ALLOC_STRETCH_MIN_NS 50000000ull
#define ALLOC_STRETCH_MAX_NS 120000000000ull
#define ALLOC_INTERVAL_MIN   16u
#define ALLOC_INTERVAL_MAX   (1ull << 30)
/* Samples that a window should give, on a CPU. */
#define ALLOC_SAMPLES_A_CPU 12

/* What a window cost. */
struct alloc_bill {
	uint64_t in_place_ns; /* by the clock: probes were there */
	uint64_t worst_ns;    /* of the thread that met most probes: spent in them */
	uint64_t probes_ns;   /* of all threads, samples included */
	uint64_t n_hits;
	uint64_t own_ns; /* our CPU time: putting them there and away */
	uint32_t n_samples;
};

struct alloc_control {
	uint64_t budget_ppm;
	uint32_t n_cpus;
	uint64_t stretch_ns; /* the next window lies in so much time */
	uint64_t interval;   /* bytes */
	uint64_t cost_ns;    /* of the last window: what the stretch pays for */
};

void alloc_control__init(struct alloc_control *a, uint64_t budget_ppm, uint32_t n_cpus);
void alloc_control__judge(struct alloc_control *a, const struct alloc_bill *bill);

#endif
