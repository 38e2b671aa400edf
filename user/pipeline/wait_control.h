/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait_control - keeps the recording of waits below its budget: how many are taken, and whether switches are looked at at all.
 *
 * It only judges: readings in, orders out. Once a slice the mean interval between two waits that are taken moves by at most a factor of two towards what
 * the budget pays for; on a quiet machine it rests at WAIT_INTERVAL_MIN_NS. Where the hook alone costs more than the budget, because threads switch
 * too often, it is taken away: then the passes over all threads sample, which cost the same however often threads switch. It comes back when switches are
 * seldom enough to leave half of the budget.
 *
 * Owns: nothing. Thread: one owner. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_WAIT_CONTROL_H
#define EVERPROF_PIPELINE_WAIT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#define WAIT_INTERVAL_MIN_NS    5000000ull
#define WAIT_INTERVAL_START_NS  20000000ull
#define WAIT_INTERVAL_MAX_NS    4000000000ull /* below POISSON_INTERVAL_MAX */
#define WAIT_INTERVAL_RETURN_NS 500000000ull  /* at least, when the hook comes back */
#define RUN_QUEUE_A_CPU         1000 /* the same, of waits for a CPU that are looked at: 0.3 us each */
#define RUN_QUEUE_EVERY_MAX     1024
#define WAIT_HOOK_PATIENCE      2  /* slices over the budget before the hook goes */
#define WAIT_HOOK_REST          30 /* slices before it may come back */

/* Sums since the start. */
struct wait_reading {
	uint64_t now_ns;
	uint64_t n_switches; /* that the hook saw */
	uint64_t n_passed;   /* that passes counted … */
	uint64_t passed_ns;  /* … up to the last one; 0: there was none */
	uint64_t n_taken;
	uint64_t cost_ns; /* of the hook and of what it took */
	uint64_t pass_ns; /* of passes over all threads */
	uint64_t
		used_ns; /* the longest interval that a CPU came to, since the last reading: longer than ordered where too many were taken */
};

struct wait_orders {
	bool hook; /* look at switches */
	bool told; /* finish what a pass began */
	uint64_t interval_ns;
	uint32_t pass_every;      /* slices */
	uint32_t run_queue_every; /* waits for a CPU, of which one is looked at */
};

struct wait_control {
	uint64_t budget_ppm; /* of all CPUs */
	uint32_t n_cpus;
	bool has_hook; /* the kernel can */
	struct wait_reading before;
	bool is_started;
	uint32_t n_over, rest;
	double switches;  /* a second, as last counted */
	double switch_ns; /* what one costs, as last seen */
	struct wait_orders orders;
};

void wait_control__init(struct wait_control *w, uint64_t budget_ppm, uint32_t n_cpus, bool has_hook);
/* Once a slice; true where the orders changed. */
bool wait_control__judge(struct wait_control *w, const struct wait_reading *r, struct wait_orders *ret);

#endif
