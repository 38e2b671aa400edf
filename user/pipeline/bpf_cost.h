/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf_cost - what our BPF programs cost, from a part of the time.
 *
 * The kernel can measure each run, but the measuring itself costs some 50 ns a run, which is a third of what a switch costs that off_cpu looks at. So it
 * is on for BPF_COST_ON_NS out of every BPF_COST_EVERY_NS, and what was seen holds until the next time (bpf_estimate.h). Where in that time it is on is another place each time: slices, which
 * are of a round length, too, would always or never have one of their ends in it. Programs that run in our own system calls are left out: the CPU time of our threads has
 * them.
 *
 * Owns: a timer. Thread: the loop's. Limit: BPF_COST_PROGRAMS programs. Errors: -errno of the timer; where the kernel refuses to measure, sums stay zero.
 */
#ifndef EVERPROF_PIPELINE_BPF_COST_H
#define EVERPROF_PIPELINE_BPF_COST_H

#include <stdint.h>

#include "user/base/clock.h"
#include "user/pipeline/bpf_estimate.h"

#define BPF_COST_EVERY_NS (5 * NS_PER_SEC)
#define BPF_COST_ON_NS    (250 * NS_PER_MS)
#define BPF_COST_ANEW_NS  (500 * NS_PER_MS) /* after a change */
#define BPF_COST_PROGRAMS 64

struct bpf_cost;
struct loader;
struct loop;

int bpf_cost__new(struct loop *loop, struct loader *loader, struct bpf_cost **ret);
void bpf_cost__free(struct bpf_cost *b);
/* As of now. */
void bpf_cost__sums(struct bpf_cost *b, struct bpf_cost_sums *ret);
/* What they do is other than before: it is measured as soon as that shows. */
void bpf_cost__look_anew(struct bpf_cost *b);

#endif
