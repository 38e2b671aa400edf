/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition_set - all of what a rule compares: one condition, or some of them joined by `any` and `all`.
 *
 *      cpu_usage_percent > 80
 *      {metric: rss, above: 2GiB, clear: 1.5GiB}          over only below 1.5 GiB
 *      {metric: thread_count, below: 2, above: 500}       outside of a band; above: 2, below: 500 is inside of it
 *      {metric: alloc_rate, rise: 50%, over: 10m, min: 1MB/s}    half more than the mean of the ten minutes before; ago: 1d than a day before
 *      {metric: rss, steps: [1GiB, 2GiB, 4GiB]}           fires at the first, captures again at each further one
 *      {metric: fd_count, predict: 65536, within: 10m, over: 5m}  is there in ten minutes, if it goes on like the last five
 *      {metric: function_share, of: "json_*", above: 25%}  of the target's samples; self: true, samples: 200
 *      oom_kill                                           an event of the host; fires at once
 *      [a, b]   {all: [a, b]}   {any: [a, {all: [b, c]}]} each a condition as above
 *
 * Owns: nothing; texts live in the arena given. Thread: any. Limit: CONDITION_TERMS_MAX terms, two levels. Errors: -EINVAL, -E2BIG, -ENOMEM; the err
 * tells what was expected, not where.
 */
#ifndef EVERPROF_CONFIG_CONDITION_SET_H
#define EVERPROF_CONFIG_CONDITION_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/condition.h"

#define CONDITION_TERMS_MAX 12

struct arena;
struct yaml_node;

struct condition_set {
	const char *text; /* on one line, as it was written */
	struct condition terms[CONDITION_TERMS_MAX];
	uint8_t groups
		[CONDITION_TERMS_MAX]; /* of each term, counted from 0; terms of one group stand together */
	uint32_t n_terms, n_groups;
	bool is_any; /* one group is enough, and all terms of it; else all groups, and one term of each */
};

int condition_set__take(const struct yaml_node *node, struct arena *arena, struct condition_set *ret,
			struct err *e);
/* All terms are events. */
bool condition_set__is_event(const struct condition_set *c);

/* How a value stands to a condition that may be firing. */
enum outcome {
	OUTCOME_MISS,
	OUTCOME_BETWEEN, /* does not hold, but is not yet over */
	OUTCOME_HIT,
	OUTCOME_UNKNOWN, /* was not measured */
};
/* What all terms together say. */
enum outcome condition_set__join(const struct condition_set *c,
				 const enum outcome terms[CONDITION_TERMS_MAX]);

/* Fields of the long form of a condition, for the reference of the configuration; ends with a NULL name. */
struct condition_field {
	const char *name, *help;
};
const struct condition_field *condition_set__fields(void);

#endif
