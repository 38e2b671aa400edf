// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: what is known of the programs is seconds old. Who compares two moments, as the governor does before and after a step, would count some seconds of before
 *   as after it.
 * Idea: what a stretch showed holds from there on, until the next one shows something else; only the first one stands for what was before it, too. So the sum of any
 *   moment is as of that moment, and a stretch right after a step ends what was before.
 * Invariants: sums only grow: what was answered too much is made up for by what follows.
 * Cost: some multiplications.
 */
#include "user/pipeline/bpf_estimate.h"

void bpf_estimate__init(struct bpf_estimate *e, uint64_t now_ns)
{
	*e = (struct bpf_estimate){.until_ns = now_ns};
}

static uint64_t ns_of(double rate, uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (uint64_t)(rate * (double)(to_ns - from_ns)) : 0;
}

void bpf_estimate__add(struct bpf_estimate *e, uint64_t from_ns, uint64_t to_ns,
		       const struct bpf_cost_sums *seen)
{
	double rate, tick_rate;

	if (to_ns <= from_ns)
		return;
	rate = (double)seen->ns / (double)(to_ns - from_ns);
	tick_rate = (double)seen->tick_ns / (double)(to_ns - from_ns);
	e->sums.ns += ns_of(e->is_known ? e->rate : rate, e->until_ns, from_ns) + seen->ns;
	e->sums.tick_ns +=
		ns_of(e->is_known ? e->tick_rate : tick_rate, e->until_ns, from_ns) + seen->tick_ns;
	e->rate = rate;
	e->tick_rate = tick_rate;
	e->until_ns = to_ns;
	e->is_known = true;
}

static uint64_t no_less(uint64_t *told, uint64_t now)
{
	if (now > *told)
		*told = now;
	return *told;
}

void bpf_estimate__at(struct bpf_estimate *e, uint64_t now_ns, struct bpf_cost_sums *ret)
{
	ret->ns = no_less(&e->told.ns, e->sums.ns + ns_of(e->rate, e->until_ns, now_ns));
	ret->tick_ns = no_less(&e->told.tick_ns, e->sums.tick_ns + ns_of(e->tick_rate, e->until_ns, now_ns));
}
