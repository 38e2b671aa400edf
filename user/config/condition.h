/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition - one comparison of a metric, parsed: `memory_growth_rate > 100MB/hour`, and the forms that one line does not hold.
 *
 * Owns: nothing, borrows its text. Thread: any. Limit: CONDITION_TEXT_MAX bytes.
 * Errors: -EINVAL, -E2BIG, -ERANGE, with what was expected.
 */
#ifndef EVERPROF_CONFIG_CONDITION_H
#define EVERPROF_CONFIG_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/host_event.h"
#include "user/config/metric.h"

struct err;

#define CONDITION_TEXT_MAX  256
#define CONDITION_STEPS_MAX 8
#define CONDITION_SAMPLES   200 /* at least so many, where a condition does not say otherwise */

enum compare { COMPARE_ABOVE, COMPARE_AT_LEAST, COMPARE_BELOW, COMPARE_AT_MOST };

enum condition_kind {
	CONDITION_COMPARE, /* with `value` */
	CONDITION_OUTSIDE, /* above `value` or below `low` */
	CONDITION_INSIDE,  /* above `low` and below `value` */
	CONDITION_RISE, /* above the mean of the last over_ns, or the value ago_ns before, by a share of it */
	CONDITION_STEPS,   /* above the first of `steps`; each further one is a rise */
	CONDITION_PREDICT, /* goes on as in the last over_ns it reaches `value` within within_ns */
	CONDITION_EVENT,   /* something happened */
};

struct condition {
	enum condition_kind kind;
	enum metric_id metric; /* METRIC_N of an event */
	enum compare compare;
	double value; /* in the metric's base unit, see enum metric_unit; RISE: the share, 0.5 for 50% */
	double low;
	double clear; /* COMPARE, STEPS: what fires is over only beyond this */
	double min;   /* RISE: less than this never holds */
	double steps[CONDITION_STEPS_MAX];
	uint32_t n_steps;
	uint64_t over_ns, ago_ns, within_ns;
	enum host_event_kind event;
	const char *of;   /* function_share, library_share: a pattern of names */
	bool is_self;     /* … only what is in it, without what it calls */
	uint32_t samples; /* of a metric of profiles: fewer say nothing */
	const char *text; /* NULL where it was not one line */
};

/* Pure. ret_condition->text is the caller's text. */
int condition__parse(const char *text, struct condition *ret_condition, struct err *e);
/* A value as the metric's are written: "80%", "100MB/hour", "2GiB". */
int condition__parse_value(enum metric_id metric, const char *text, double *ret_value, struct err *e);
/* What fires by a comparison with `value` is over beyond a tenth of it where nothing else was said, so that values that hover fire once. */
double condition__default_clear(enum compare compare, double value);
/* Is less worse? */
static inline bool compare__is_below(enum compare compare)
{
	return compare == COMPARE_BELOW || compare == COMPARE_AT_MOST;
}
bool compare__holds(enum compare compare, double value, double threshold);
/* COMPARE, OUTSIDE, INSIDE, STEPS: does the measured value meet the condition? Where nothing was measured (NaN) it never does. The other kinds need
 * more than a value: never. */
bool condition__holds(const struct condition *c, double value);

#endif
