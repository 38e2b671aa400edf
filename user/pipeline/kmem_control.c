// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/kmem_control.h"

#define SAMPLE_NS 15000.0 /* one that is taken, where none was seen yet */

void kmem_control__init(struct kmem_control *k, uint64_t budget_ppm, uint32_t n_cpus)
{
	*k = (struct kmem_control){.budget_ppm = budget_ppm,
				   .n_cpus = n_cpus ? n_cpus : 1,
				   .sample_ns = SAMPLE_NS,
				   .interval_bytes = KMEM_INTERVAL_START};
}

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

bool kmem_control__judge(struct kmem_control *k, uint64_t now_ns, uint64_t n_taken, uint64_t cost_ns)
{
	double s = (double)(now_ns - k->now_ns) / 1e9, taken = (double)(n_taken - k->n_taken), wanted;
	uint64_t before = k->interval_bytes;
	bool is_first = !k->is_started;

	if (!is_first && s < 0.1)
		return false;
	if (!is_first && taken >= 10)
		k->sample_ns = clamp((double)(cost_ns - k->cost_ns) / taken, SAMPLE_NS / 10, SAMPLE_NS * 10);
	k->is_started = true;
	k->now_ns = now_ns;
	k->n_taken = n_taken;
	k->cost_ns = cost_ns;
	if (is_first)
		return false;
	wanted = clamp((double)k->budget_ppm * 1000 * k->n_cpus / k->sample_ns, 1,
		       KMEM_TAKEN_A_CPU * (double)k->n_cpus);
	/* a little more or less than wanted moves nothing: a steady rate has a steady interval */
	if (taken / s > wanted || taken / s < wanted / 2)
		k->interval_bytes =
			(uint64_t)clamp((double)before * clamp((taken / s + 1) / (0.75 * wanted), 0.5, 1e6),
					KMEM_INTERVAL_MIN, KMEM_INTERVAL_MAX);
	return k->interval_bytes != before;
}
