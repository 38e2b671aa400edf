/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf_cost - what our BPF programs cost, from a part of the time.
 *
 * The kernel can measure each run, but the measuring itself costs some 50 ns a run, which is a third of what a switch costs that off_cpu looks at. So it
 * is on for BPF_COST_ON_NS out of every BPF_COST_EVERY_NS, and what was seen is scaled up. Where in that time it is on is another place each time: slices, which
 * are of a round length, too, would always or never have one of their ends in it. Programs that run in our own system calls are left out: the CPU time of our threads has
 * them.
 *
 * Owns: a timer. Thread: the loop's. Limit: BPF_COST_PROGRAMS programs. Errors: -errno of the timer; where the kernel refuses to measure, sums stay zero.
 */
#ifndef EVERPROF_PIPELINE_BPF_COST_H
#define EVERPROF_PIPELINE_BPF_COST_H

#include <stdint.h>

#include "user/base/clock.h"

#define BPF_COST_EVERY_NS (5 * NS_PER_SEC)
#define BPF_COST_ON_NS    (250 * NS_PER_MS)
#define BPF_COST_PROGRAMS 64

struct bpf_cost;
struct loader;
struct loop;

/* Estimates since the start. */
struct bpf_cost_sums {
	uint64_t ns;      /* of all programs */
	uint64_t tick_ns; /* of it, at ticks of the CPUs' clocks */
};

int bpf_cost__new(struct loop *loop, struct loader *loader, struct bpf_cost **ret);
void bpf_cost__free(struct bpf_cost *b);
void bpf_cost__sums(const struct bpf_cost *b, struct bpf_cost_sums *ret);

#endif
