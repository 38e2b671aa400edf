/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ceiling - keeps an agent below limits.memory and limits.cpu: reads what it takes, asks the governor, and has the parts obey.
 *
 * What counts: memory is the resident set (with its peak while a window was named) and the BPF maps and programs, mapped pages once; CPU time is that of
 * all our threads and the run time of our BPF programs, of all CPUs. The interrupts that tick are the kernel's and not in it.
 *
 * Owns: a timer of the loop, a governor. Thread: that of its loop. Limit: one reading every CEILING_EVERY_NS. Errors: -errno at the start.
 */
#ifndef EVERPROF_PIPELINE_CEILING_H
#define EVERPROF_PIPELINE_CEILING_H

#include <stdint.h>

#include "user/base/clock.h"
#include "user/pipeline/bpf_cost.h"
#include "user/pipeline/governor.h"

#define CEILING_EVERY_NS (5 * NS_PER_SEC)

struct ceiling;
struct collector;
struct loop;
struct publisher;

struct ceiling_stats {
	uint64_t n_readings;
	uint64_t memory_bytes, memory_max_bytes, memory_limit_bytes;
	uint64_t cpu_ppm, cpu_limit_ppm; /* the average that is judged */
	uint64_t n_shed, n_back;
	struct bpf_cost_sums bpf;
	char text[GOVERNOR_TEXT_MAX]; /* what is given up now */
};

/* All are borrowed and must outlive it. */
int ceiling__new(const struct governor_opts *opts, struct loop *loop, struct collector *collector,
		 struct publisher *publisher, struct ceiling **ret);
void ceiling__free(struct ceiling *c);
/* After a reload. */
void ceiling__set_opts(struct ceiling *c, const struct governor_opts *opts);
void ceiling__stats(const struct ceiling *c, struct ceiling_stats *ret);

#endif
