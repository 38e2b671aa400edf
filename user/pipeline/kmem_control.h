/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kmem_control - keeps the stacks of kernel allocations below their budget: the mean number of bytes between two that are taken.
 *
 * It only judges: sums in, an interval out. Up as far as it must at once, down by a factor of two a slice.
 *
 * Owns: nothing. Thread: one owner. Limit: KMEM_INTERVAL_MIN to KMEM_INTERVAL_MAX. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_KMEM_CONTROL_H
#define EVERPROF_PIPELINE_KMEM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#define KMEM_INTERVAL_MIN   4096ull
#define KMEM_INTERVAL_START (1ull << 20)
#define KMEM_INTERVAL_MAX   (1ull << 32) /* POISSON_INTERVAL_MAX */
#define KMEM_TAKEN_A_CPU    500          /* a second: more says nothing more */

struct kmem_control {
	uint64_t budget_ppm; /* of all CPUs */
	uint32_t n_cpus;
	uint64_t now_ns, n_taken, cost_ns; /* as of the last time */
	bool is_started;
	double sample_ns; /* what one costs, as last seen */
	uint64_t interval_bytes;
};

void kmem_control__init(struct kmem_control *k, uint64_t budget_ppm, uint32_t n_cpus);
/* Once a slice, with sums since the start; true where the interval changed. */
bool kmem_control__judge(struct kmem_control *k, uint64_t now_ns, uint64_t n_taken, uint64_t cost_ns);

#endif
