/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_judge - what a rule's condition says of a target at this moment, and how bad that is.
 *
 * Owns: nothing; trends are the alert's. Thread: one owner. Limit: rule_engine.h. Errors: none; what is not measured is OUTCOME_UNKNOWN.
 */
#ifndef EVERPROF_ALERT_RULE_JUDGE_H
#define EVERPROF_ALERT_RULE_JUDGE_H

#include "user/alert/rule_alert.h"

struct judgement {
	enum outcome outcome;
	uint32_t term;
	double value, threshold, severity;
};

/* alert NULL: the target has none with this rule; conditions that need a memory make one. */
struct judgement rule_engine__judge(struct rule_engine *e, uint32_t rule, struct target *t, struct alert **a,
				    const struct metric_sample *s);
/* How long it takes until all of its terms can be known, where nothing was measured before. */
uint64_t rule_engine__learns_for(const struct rule_engine *e, uint32_t rule);
/* How bad: 1 at the threshold, more beyond it. It has no unit: what one term says can be compared with what another does. */
double condition__severity(const struct condition *c, double value, double threshold);
/* Is less worse, at this value? */
bool condition__lower_is_worse(const struct condition *c, double value);

#endif
