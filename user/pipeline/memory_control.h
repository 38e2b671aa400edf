/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_control - keeps the recording of page faults below its budget: one in how many is looked at.
 *
 * It only judges: readings in, orders out. The period goes up as far as it must at once, in the middle of a slice too where a CPU had its share of it already, and
 * comes down one step a slice. Periods are primes, so that no loop over pages is in step with them; 1 is all of them, on a machine that does little.
 *
 * Owns: nothing. Thread: one owner. Limit: MEMORY_PERIOD_MIN to MEMORY_PERIOD_MAX. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_MEMORY_CONTROL_H
#define EVERPROF_PIPELINE_MEMORY_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_PERIOD_MIN  1
#define MEMORY_PERIOD_MAX  65521
#define MEMORY_TAKEN_A_CPU 1000 /* a second: more says nothing more */

/* Sums since the start. */
struct memory_reading {
	uint64_t now_ns;
	uint64_t n_faults; /* all of the machine, as of the last that was looked at on each CPU */
	uint64_t n_fired;  /* the event fired */
	uint64_t n_taken;  /* with a stack */
	uint64_t cost_ns;
};

struct memory_control {
	uint64_t budget_ppm; /* of all CPUs */
	uint32_t n_cpus;
	struct memory_reading before;  /* at the end of the last slice */
	uint64_t seen_ns, seen_faults; /* then, or at an alarm since */
	bool is_started;
	uint32_t at;      /* which period */
	double sample_ns; /* what one costs, as last seen */
};

void memory_control__init(struct memory_control *m, uint64_t budget_ppm, uint32_t n_cpus);
uint32_t memory_control__period(const struct memory_control *m);
/* How many, as a power of two, are taken on a CPU in a slice of a second before they are thinned, so that all of it stays within the budget. */
uint32_t memory_control__slice_bits(const struct memory_control *m);
/* Once a slice; true where the period changed. */
bool memory_control__judge(struct memory_control *m, const struct memory_reading *r);

/* In the middle of a slice: a CPU has had its share. True where the period changed. */
bool memory_control__alarm(struct memory_control *m, const struct memory_reading *r);

#endif
