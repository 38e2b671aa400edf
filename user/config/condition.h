/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition - METRIC OP VALUE[UNIT], parsed: `memory_growth_rate > 100MB/hour`.
 *
 * Owns: nothing, borrows its text. Thread: any. Limit: CONDITION_TEXT_MAX bytes.
 * Errors: -EINVAL, -E2BIG, -ERANGE, with what was expected.
 */
#ifndef EVERPROF_CONFIG_CONDITION_H
#define EVERPROF_CONFIG_CONDITION_H

#include <stdbool.h>

#include "user/config/metric.h"

struct err;

#define CONDITION_TEXT_MAX 256

enum compare { COMPARE_ABOVE, COMPARE_AT_LEAST, COMPARE_BELOW, COMPARE_AT_MOST };

struct condition {
	enum metric_id metric;
	enum compare compare;
	double value; /* in the metric's base unit, see enum metric_unit */
	const char *text;
};

/* Pure. ret_condition->text is the caller's text. */
int condition__parse(const char *text, struct condition *ret_condition, struct err *e);
/* Does the measured value, in the base unit, meet the condition? Where nothing was measured (NaN) it never does. */
bool condition__holds(const struct condition *c, double value);

#endif
