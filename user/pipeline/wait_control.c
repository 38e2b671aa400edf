// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/wait_control.h"

#include <math.h>
#include <string.h>

#include "bpf/wait_slot.h"

#define TAKEN_NS       20000.0 /* a wait that is taken, where none was seen yet */
#define SWITCH_NS      120.0   /* a switch that is looked at */
#define PASS_EVERY_MAX 8

void wait_control__init(struct wait_control *w, uint64_t budget_ppm, uint32_t n_cpus, bool has_hook)
{
	*w = (struct wait_control){
		.budget_ppm = budget_ppm,
		.n_cpus = n_cpus ? n_cpus : 1,
		.has_hook = has_hook,
		.switch_ns = SWITCH_NS,
		.orders = {.hook = has_hook,
			   .told = true,
			   .interval_ns = WAIT_INTERVAL_START_NS,
			   .pass_every = 1,
			   .run_queue_every = RUN_QUEUE_EVERY},
	};
}

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/*
 * How many switches a second there are: what the hook saw, and where it is away, what passes counted. Those may be some slices apart: in between nothing is known that was not
 * before, and false is returned.
 */
static bool wait_control__count(struct wait_control *w, const struct wait_reading *r)
{
	const struct wait_reading *before = &w->before;

	if (w->orders.hook) {
		w->switches = (double)(r->n_switches - before->n_switches) * 1e9 /
			      (double)(r->now_ns - before->now_ns);
		return true;
	}
	if (!before->passed_ns || r->passed_ns <= before->passed_ns)
		return false;
	w->switches =
		(double)(r->n_passed - before->n_passed) * 1e9 / (double)(r->passed_ns - before->passed_ns);
	return true;
}

/* What the hook may cost a second before there is a reason to take it away. */
static void wait_control__hook(struct wait_control *w, bool is_counted, double budget_ns)
{
	double hook_ns = w->switches * w->switch_ns;

	if (w->orders.hook) {
		w->n_over = hook_ns > budget_ns ? w->n_over + 1 : 0;
		if (w->n_over < WAIT_HOOK_PATIENCE)
			return;
		w->orders.hook = false;
		w->rest = WAIT_HOOK_REST;
		w->n_over = 0;
	} else if (w->rest) {
		w->rest--;
	} else if (is_counted && hook_ns < budget_ns / 2) {
		w->orders.hook = w->has_hook;
		/* how many it takes is not known from passes: few at first, else its first seconds cost many budgets */
		if (w->has_hook && w->orders.interval_ns < WAIT_INTERVAL_RETURN_NS)
			w->orders.interval_ns = WAIT_INTERVAL_RETURN_NS;
	}
}

/* Towards as many as what is left of the budget pays for. */
static void wait_control__interval(struct wait_control *w, double taken, double taken_ns, double left_ns,
				   uint64_t used_ns)
{
	double most = WAIT_TAKEN_A_CPU * (double)w->n_cpus, wanted = left_ns / taken_ns, factor;

	wanted = clamp(wanted, 1, most);
	factor = clamp((taken + 1) / wanted, 0.5, 2);
	/* what CPUs came to themselves is too much for a whole slice */
	factor = fmax(factor, (double)used_ns / 4 / (double)w->orders.interval_ns);
	w->orders.interval_ns = (uint64_t)clamp((double)w->orders.interval_ns * factor, WAIT_INTERVAL_MIN_NS,
						WAIT_INTERVAL_MAX_NS);
	/* waits that a pass began are as many as threads that come and go slowly: they are left out when nothing else helps */
	w->orders.told = taken <= most || w->orders.interval_ns < 4 * WAIT_INTERVAL_START_NS;
}

/* By steps, so that it mostly stays. */
static uint32_t run_queue_every(double switches_a_cpu)
{
	uint32_t every = RUN_QUEUE_EVERY;

	while (every < RUN_QUEUE_EVERY_MAX && switches_a_cpu > RUN_QUEUE_A_CPU * (double)every)
		every *= 2;
	return every;
}

bool wait_control__judge(struct wait_control *w, const struct wait_reading *r, struct wait_orders *ret)
{
	const struct wait_orders before = w->orders;
	double s = (double)(r->now_ns - w->before.now_ns) / 1e9;
	double budget_ns = (double)w->budget_ppm * 1000 * w->n_cpus;
	double switches, taken, cost_ns, pass_ns, hook_ns;
	bool is_counted;

	if (!w->is_started || s < 0.1) {
		w->is_started = true;
		w->before = *r;
		*ret = w->orders;
		return false;
	}
	is_counted = wait_control__count(w, r);
	switches = w->switches;
	taken = (double)(r->n_taken - w->before.n_taken) / s;
	cost_ns = (double)(r->cost_ns - w->before.cost_ns) / s;
	pass_ns = (double)(r->pass_ns - w->before.pass_ns) / s;
	w->before = *r;
	/* few taken, many switches: then all of the cost is the switches' */
	if (w->orders.hook && switches > 1000 && taken * TAKEN_NS < cost_ns / 4)
		w->switch_ns = clamp((cost_ns - taken * TAKEN_NS) / switches, 20, WAIT_COST_MOST_NS);
	hook_ns = w->orders.hook ? switches * w->switch_ns : 0;
	wait_control__hook(w, is_counted, budget_ns);
	wait_control__interval(w, taken,
			       clamp((cost_ns - hook_ns) / (taken + 1), TAKEN_NS / 4, TAKEN_NS * 10),
			       budget_ns - hook_ns - pass_ns, r->used_ns);
	w->orders.run_queue_every = run_queue_every(switches / (double)w->n_cpus);
	if (pass_ns > budget_ns / 2 && w->orders.pass_every < PASS_EVERY_MAX)
		w->orders.pass_every *= 2;
	else if (pass_ns < budget_ns / 8 && w->orders.pass_every > 1)
		w->orders.pass_every /= 2;
	*ret = w->orders;
	return memcmp(&before, &w->orders, sizeof(before)) != 0;
}
