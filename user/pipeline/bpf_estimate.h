/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf_estimate - what BPF programs have cost up to any moment, of whom stretches are measured now and then.
 *
 * Owns: nothing. Thread: one owner. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_BPF_ESTIMATE_H
#define EVERPROF_PIPELINE_BPF_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

/* Estimates since the start. */
struct bpf_cost_sums {
	uint64_t ns;      /* of all programs */
	uint64_t tick_ns; /* of it, at ticks of the CPUs' clocks */
};

struct bpf_estimate {
	struct bpf_cost_sums sums, told; /* up to until_ns; the most that was answered */
	uint64_t until_ns;               /* where the last stretch ended */
	double rate, tick_rate;          /* of it, ns a ns */
	bool is_known;                   /* there was one */
};

void bpf_estimate__init(struct bpf_estimate *e, uint64_t now_ns);
/* What they took in a stretch that begins after the last one. */
void bpf_estimate__add(struct bpf_estimate *e, uint64_t from_ns, uint64_t to_ns,
		       const struct bpf_cost_sums *seen);
/* Never less than it was. */
void bpf_estimate__at(struct bpf_estimate *e, uint64_t now_ns, struct bpf_cost_sums *ret);

#endif
