/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_programs - when a rule fired last for a program, so that one that dies and comes back under another pid cools like the one before it.
 *
 * Owns: nothing (flat; it is kept as it stands). Thread: one owner. Limit: ALERT_PROGRAMS_MAX, the one that cools shortest goes. Errors: none.
 */
#ifndef EVERPROF_ALERT_ALERT_PROGRAMS_H
#define EVERPROF_ALERT_ALERT_PROGRAMS_H

#include <stdint.h>

#include "user/config/metric_sample.h"

#define ALERT_PROGRAMS_MAX 256

struct alert_program {
	uint64_t rule, program;      /* hashes that are the same after a restart; 0: none */
	uint64_t fired_ns, until_ns; /* CLOCK_REALTIME */
	double captured;             /* how bad it was: condition__severity */
	uint64_t reserved;
};

struct alert_programs {
	struct alert_program items[ALERT_PROGRAMS_MAX];
};

/* The same for whatever runs the same program in the same place; 0: it has no name that outlives it. */
uint64_t alert_program__of(const struct metric_target *t);
/* Writes over what stands there of the same rule and program. */
void alert_programs__note(struct alert_programs *l, const struct alert_program *p);
/* NULL: it never fired, or is not remembered. */
const struct alert_program *alert_programs__find(const struct alert_programs *l, uint64_t rule,
						 uint64_t program);

#endif
