/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric_sample - what was measured of one thing (the host, a control group, a container, a process) in one pass: the rules judge it, captures and the
 * page keep series of it.
 *
 * Owns: nothing; texts are borrowed for the time of the call that hands it over. Thread: any. Limit: METRIC_N. Errors: none.
 */
#ifndef EVERPROF_CONFIG_METRIC_SAMPLE_H
#define EVERPROF_CONFIG_METRIC_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/metric.h"

/* What a rule is about. Two are the same thing where scope, pid, start_ns and cgroup_id are. */
struct metric_target {
	enum scope scope;
	uint32_t pid;      /* of a process, else 0 */
	uint64_t start_ns; /* of a process, CLOCK_BOOTTIME as the kernel has it */
	uint32_t exec_id;  /* of a process: another one after exec; 0: not known */
	uint64_t
		cgroup_id; /* of a control group or a container; of a process: the one that it is in; 0: not known */
	/* NULL: it has none, or it is not known */
	const char *comm, *exe, *cgroup, *unit, *container, *pod;
};

struct metric_sample {
	struct metric_target target;
	uint64_t at_ns; /* CLOCK_MONOTONIC, of the pass */
	double values
		[METRIC_N]; /* in the base unit of enum metric_unit; rates are of the time since the pass before */
	uint64_t known; /* bits 1 << enum metric_id: the others were not measured */
};

_Static_assert(METRIC_N <= 64, "one bit each");

static inline bool metric_sample__knows(const struct metric_sample *s, enum metric_id id)
{
	return s->known >> id & 1;
}

/* Its value; NaN where it was not measured, which no condition holds for. */
static inline double metric_sample__value(const struct metric_sample *s, enum metric_id id)
{
	return metric_sample__knows(s, id) ? s->values[id] : __builtin_nan("");
}

#endif
