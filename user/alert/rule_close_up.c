// SPDX-License-Identifier: Apache-2.0
/*
 * One rule, and what it says of each of its targets: value, threshold, state, why.
 *
 * Nothing of a calm target is kept from pass to pass, so that hundreds of them cost nothing. Who wants to see all of one rule's says so, and the next pass writes down
 * what it judges. The last rule that was asked for is the one that is looked at, for a minute.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/notice.h"
#include "user/alert/rule_engine_impl.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/query/printable.h"

#define VERDICTS_MAX 4096
#define LOOK_NS      (60 * NS_PER_SEC)

static uint32_t find_rule(const struct rule_engine *e, const char *name)
{
	for (uint32_t i = 0; i < e->rules.n; i++)
		if (!strcmp(e->rules.items[i].name, name))
			return i;
	return NONE;
}

int rule_engine__look_at(struct rule_engine *e, const char *name)
{
	uint32_t rule = find_rule(e, name);

	if (rule == NONE)
		return -ENOENT;
	if (e->close_up.rule != e->states[rule].hash) {
		e->close_up.rule = e->states[rule].hash;
		e->close_up.since_pass = e->pass;
		e->close_up.n = e->close_up.n_left_out = 0;
	}
	e->close_up.until_ns = e->now.mono_ns + LOOK_NS;
	return 0;
}

void close_up__expire(struct rule_engine *e)
{
	struct close_up *c = &e->close_up;

	if (!c->rule || e->now.mono_ns < c->until_ns)
		return;
	free(c->verdicts);
	*c = (struct close_up){0};
}

void close_up__note(struct rule_engine *e, uint32_t target, const struct metric_target *t,
		    const struct judgement *j)
{
	struct close_up *c = &e->close_up;
	struct verdict *v;

	if (c->pass != e->pass) {
		c->pass = e->pass;
		c->n = c->n_left_out = 0;
	}
	if (c->n == c->cap) {
		uint32_t cap = c->cap ? c->cap * 2 : 256;
		struct verdict *more =
			c->cap < VERDICTS_MAX ? realloc(c->verdicts, cap * sizeof(*more)) : NULL;

		if (!more) {
			c->n_left_out++;
			return;
		}
		c->verdicts = more;
		c->cap = cap;
	}
	v = &c->verdicts[c->n++];
	*v = (struct verdict){.pid = t->pid,
			      .target = target,
			      .term = j->term,
			      .outcome = j->outcome,
			      .value = j->value,
			      .threshold = j->threshold};
	notice__target(t, v->name);
}

static int by_severity(const void *x, const void *y, void *ctx)
{
	const struct condition_set *c = ctx;
	const struct verdict *a = x, *b = y;
	double sa = isnan(a->value) ? -1 : condition__severity(&c->terms[a->term], a->value, a->threshold);
	double sb = isnan(b->value) ? -1 : condition__severity(&c->terms[b->term], b->value, b->threshold);

	return sa > sb ? -1 : sa < sb;
}

static void print_verdict(struct rule_engine *e, uint32_t rule, const struct verdict *v, struct buf *to)
{
	const struct rule *r = &e->rules.items[rule];
	const struct target *t = &e->targets[v->target];
	/* it may have gone since, and its place be another's */
	const struct alert *a =
		t->is_used && t->key.pid == v->pid ? rule_engine__find_alert(e, rule, t) : NULL;
	char value[CASE_VALUE_MAX], threshold[CASE_VALUE_MAX], why[WHY_MAX] = "";

	rule__format_value(r, v->term, v->value, value);
	rule__format_value(r, v->term, v->threshold, threshold);
	if (a && a->state.phase != ALERT_INACTIVE)
		rule_engine__why(e, a, why);
	else if (isnan(v->value))
		snprintf(why, sizeof(why), "no data");
	else
		snprintf(why, sizeof(why), v->outcome == OUTCOME_HIT ? "holds" : "does not hold");
	buf__printf(to, "%-11s %12s %12s  ", alert_phase__name(a ? a->state.phase : ALERT_INACTIVE), value,
		    threshold);
	printable__append(to, v->name);
	buf__printf(to, "%s%s\n", *why ? ": " : "", why);
}

int rule_engine__print_close_up(struct rule_engine *e, const char *name, struct buf *to)
{
	uint32_t rule = find_rule(e, name);
	struct close_up *c = &e->close_up;

	if (rule == NONE)
		return -ENOENT;
	if (c->rule != e->states[rule].hash || c->since_pass == e->pass)
		return -EAGAIN;
	if (c->pass != e->pass)
		c->n = c->n_left_out = 0; /* of a pass in which there still were some */
	buf__printf(to, "%s: %s\n%-11s %12s %12s  %s\n", name, e->rules.items[rule].condition.text, "state",
		    "value", "threshold", "target");
	qsort_r(c->verdicts, c->n, sizeof(*c->verdicts), by_severity,
		(void *)(uintptr_t)&e->rules.items[rule].condition);
	for (uint32_t i = 0; i < c->n; i++)
		print_verdict(e, rule, &c->verdicts[i], to);
	if (!c->n)
		buf__append_str(to, "nothing matches\n");
	if (c->n_left_out)
		buf__printf(to, "%u more are left out\n", c->n_left_out);
	return 0;
}
