// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_control.h"

#define PPM 1000000.0
/* Of which the first window is assumed to be. */
#define FIRST_COST_NS  2000000.0
#define FIRST_INTERVAL 4096

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

static void pay(struct alloc_control *a, double cost_ns)
{
	double budget = a->budget_ppm ? (double)a->budget_ppm : 1;

	a->cost_ns = (uint64_t)cost_ns;
	a->stretch_ns = (uint64_t)clamp(cost_ns * PPM / budget, ALLOC_STRETCH_MIN_NS, ALLOC_STRETCH_MAX_NS);
}

void alloc_control__init(struct alloc_control *a, uint64_t budget_ppm, uint32_t n_cpus)
{
	*a = (struct alloc_control){
		.budget_ppm = budget_ppm, .n_cpus = n_cpus ? n_cpus : 1, .interval = FIRST_INTERVAL};
	pay(a, FIRST_COST_NS);
}

void alloc_control__judge(struct alloc_control *a, const struct alloc_bill *bill)
{
	/* what we take to put them there is taken from whoever runs: his share of it comes on top */
	double own = (double)bill->own_ns / a->n_cpus, machine = (double)bill->probes_ns / a->n_cpus;
	double thread = (double)(bill->worst_ns > bill->in_place_ns ? bill->worst_ns : bill->in_place_ns);
	double wanted = (double)ALLOC_SAMPLES_A_CPU * a->n_cpus;

	pay(a, own + (machine > thread ? machine : thread));
	a->interval =
		(uint64_t)clamp((double)a->interval * clamp((bill->n_samples + 1) / (wanted + 1), 0.5, 2),
				ALLOC_INTERVAL_MIN, (double)ALLOC_INTERVAL_MAX);
}
