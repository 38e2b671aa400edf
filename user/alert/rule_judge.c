// SPDX-License-Identifier: Apache-2.0
/*
 * What a condition says of a target at this moment, with how far it is from saying yes.
 *
 * Problem. Most targets are calm most of the time: they must cost a comparison, no memory. Some conditions need one: a slope, a mean, a value of before.
 *
 * Idea. Only a term that needs a memory makes an alert of a target that is calm; its trend is fed at every pass. A mean to compare with is taken before the
 * value is added to it, and is not added to while the condition holds (for at most its own length, after which the new level is the usual one): else what
 * rises would raise what it is compared with.
 *
 * Invariants. memory_growth_rate is least squares over the rule's duration, never what the sample says. What is not measured is UNKNOWN.
 */
#include <math.h>
#include <stdlib.h>

#include "user/alert/profile_value.h"
#include "user/alert/rule_engine_impl.h"

#define SPAN_MIN_NS 10000000000ull
#define CALM        1e-12

/* Naming a window takes its time. */
#define WINDOW_SLACK_NS 30000000000ull

static bool condition__needs_memory(const struct condition *c)
{
	return c->kind == CONDITION_RISE || c->kind == CONDITION_PREDICT ||
	       c->metric == METRIC_memory_growth_rate;
}

bool condition__lower_is_worse(const struct condition *c, double value)
{
	switch (c->kind) {
	case CONDITION_COMPARE:
		return compare__is_below(c->compare);
	case CONDITION_OUTSIDE:
		return value < c->low;
	case CONDITION_PREDICT:
		/* where it comes from */
		return c->metric == METRIC_memory_available_percent || c->metric == METRIC_memory_limit_eta;
	default:
		return false;
	}
}

double condition__severity(const struct condition *c, double value, double threshold)
{
	if (c->kind == CONDITION_EVENT)
		return 1;
	return condition__lower_is_worse(c, value) ? threshold / fmax(value, CALM)
						   : value / fmax(threshold, CALM);
}

static uint64_t span_of(const struct rule *r, const struct condition *c)
{
	uint64_t span = r->hits ? r->hits_in_ns : r->duration_ns;

	if (c->kind == CONDITION_RISE)
		return c->over_ns ? c->over_ns : c->ago_ns;
	if (c->kind == CONDITION_PREDICT)
		return c->over_ns;
	return span > SPAN_MIN_NS ? span : SPAN_MIN_NS;
}

static struct trend *trend_of(struct rule_engine *e, const struct rule *r, uint32_t term, struct alert *a)
{
	if (a->trends[term])
		return a->trends[term];
	if (e->n_trends >= e->opts.max_trends) {
		e->stats.no_room++;
		return NULL;
	}
	a->trends[term] = malloc(sizeof(struct trend));
	if (a->trends[term]) {
		trend__init(a->trends[term], span_of(r, &r->condition.terms[term]));
		e->n_trends++;
	}
	return a->trends[term];
}

static enum outcome compare_value(const struct condition *c, double value)
{
	enum compare compare = c->kind == CONDITION_STEPS ? COMPARE_ABOVE : c->compare;

	if (isnan(value))
		return OUTCOME_UNKNOWN;
	if (condition__holds(c, value))
		return OUTCOME_HIT;
	if (c->kind != CONDITION_COMPARE && c->kind != CONDITION_STEPS)
		return OUTCOME_MISS;
	return compare__holds(compare, value, c->clear) ? OUTCOME_BETWEEN : OUTCOME_MISS;
}

/* Has it held for longer than the time that it is compared with? Then this is the usual. */
static bool is_usual_now(const struct rule_engine *e, const struct condition *c, const struct alert *a)
{
	uint64_t since = a->state.phase == ALERT_PENDING ? a->state.since_ns : a->state.fired_ns;

	return a->state.phase != ALERT_INACTIVE && e->now.mono_ns - since > c->over_ns;
}

/* least: what it is at least, where it is an estimate. */
static struct judgement judge_rise(struct rule_engine *e, const struct condition *c, struct trend *t,
				   const struct alert *a, double value, double least)
{
	struct judgement j = {.outcome = OUTCOME_UNKNOWN, .value = value};
	uint64_t now = e->now.mono_ns;
	double usual;
	bool known = c->over_ns ? trend__mean(t, now, &usual)
				: now > c->ago_ns && trend__at(t, now - c->ago_ns, &usual);

	if (known) {
		j.threshold = fmax(usual * (1 + c->value), c->min);
		j.outcome = least > j.threshold                                ? OUTCOME_HIT
			    : value > fmax(usual * (1 + c->value / 2), c->min) ? OUTCOME_BETWEEN
									       : OUTCOME_MISS;
	}
	if (c->ago_ns || j.outcome != OUTCOME_HIT || is_usual_now(e, c, a))
		trend__add(t, now, value);
	return j;
}

static struct judgement judge_predict(const struct rule_engine *e, const struct condition *c, struct trend *t,
				      double value)
{
	struct judgement j = {.outcome = OUTCOME_UNKNOWN, .value = value, .threshold = c->value};
	double towards = condition__lower_is_worse(c, value) ? -1 : 1, left = towards * (c->value - value);
	double slope, way;

	trend__add(t, e->now.mono_ns, value);
	if (left <= 0) {
		j.outcome = OUTCOME_HIT;
	} else if (trend__slope(t, e->now.mono_ns, &slope)) {
		way = towards * slope * (double)c->within_ns / 1e9;
		j.outcome = way >= left ? OUTCOME_HIT : way >= left / 2 ? OUTCOME_BETWEEN : OUTCOME_MISS;
	}
	return j;
}

static struct judgement judge_growth(const struct rule_engine *e, const struct condition *c, struct trend *t,
				     const struct metric_sample *s)
{
	struct judgement j = {.outcome = OUTCOME_UNKNOWN, .value = NAN, .threshold = c->value};

	if (!metric_sample__knows(s, METRIC_rss))
		return j;
	trend__add(t, e->now.mono_ns, metric_sample__value(s, METRIC_rss));
	if (!trend__slope(t, e->now.mono_ns, &j.value))
		j.value = NAN;
	j.outcome = compare_value(c, j.value);
	return j;
}

/* Of estimates both ends have to be where the value is to be: what chance may have done neither fires nor ends anything. */
static enum outcome compare_estimate(const struct condition *c, const struct profile_value *v)
{
	enum outcome outcome = compare_value(c, v->value);

	if (outcome == OUTCOME_HIT && !(condition__holds(c, v->low) && condition__holds(c, v->high)))
		return OUTCOME_BETWEEN;
	return outcome;
}

/* What is measured of it: a value, or an estimate with its bounds. */
static bool measure(struct rule_engine *e, uint32_t rule, const struct condition *c,
		    const struct metric_sample *s, struct profile_value *ret)
{
	struct rule_state *st = &e->states[rule];

	*ret = (struct profile_value){0};
	if (metric_sample__knows(s, c->metric)) {
		ret->value = ret->low = ret->high = s->values[c->metric];
		return true;
	}
	if (!metric__is_of_profiles(c->metric) || !e->port.of_profile ||
	    !e->port.of_profile(e->port.ctx, c, &s->target, ret))
		return false;
	if (ret->n >= c->samples)
		return true;
	st->n_few++;
	if (ret->n > st->most)
		st->most = ret->n;
	return false;
}

static struct judgement judge_term(struct rule_engine *e, uint32_t rule, uint32_t term, struct alert *a,
				   const struct metric_sample *s)
{
	const struct rule *r = &e->rules.items[rule];
	const struct condition *c = &r->condition.terms[term];
	struct judgement j = {.outcome = OUTCOME_UNKNOWN, .value = NAN, .threshold = c->value};
	struct profile_value v;
	struct trend *t = NULL;

	if (c->kind == CONDITION_EVENT) {
		j.outcome = OUTCOME_MISS;
		return j;
	}
	if (condition__needs_memory(c)) {
		t = a ? trend_of(e, r, term, a) : NULL;
		if (!t)
			return j;
	}
	if (c->metric == METRIC_memory_growth_rate && c->kind != CONDITION_RISE &&
	    c->kind != CONDITION_PREDICT)
		return judge_growth(e, c, t, s);
	if (!measure(e, rule, c, s, &v) || isnan(v.value))
		return j;
	if (c->kind == CONDITION_RISE)
		return judge_rise(e, c, t, a, v.value, v.low);
	if (c->kind == CONDITION_PREDICT)
		return judge_predict(e, c, t, v.value);
	j.value = v.value;
	j.outcome = compare_estimate(c, &v);
	if (c->kind == CONDITION_OUTSIDE && v.value < c->low)
		j.threshold = c->low;
	return j;
}

static bool needs_memory(const struct condition_set *c)
{
	for (uint32_t i = 0; i < c->n_terms; i++)
		if (condition__needs_memory(&c->terms[i]))
			return true;
	return false;
}

/* A rise has lost what it is compared with, for longer than an alarm may go on that nobody sees. */
static uint64_t learns_for(const struct rule_engine *e, const struct rule *r, const struct condition *c)
{
	if (c->kind == CONDITION_RISE)
		return 0;
	if (condition__needs_memory(c))
		return trend__learns_for(span_of(r, c));
	return metric__is_of_profiles(c->metric) ? 2 * e->opts.window_ns + WINDOW_SLACK_NS : 0;
}

uint64_t rule_engine__learns_for(const struct rule_engine *e, uint32_t rule)
{
	const struct rule *r = &e->rules.items[rule];
	uint64_t most = 0, one;

	for (uint32_t i = 0; i < r->condition.n_terms; i++) {
		one = learns_for(e, r, &r->condition.terms[i]);
		most = one > most ? one : most;
	}
	return most;
}

struct judgement rule_engine__judge(struct rule_engine *e, uint32_t rule, struct target *t, struct alert **a,
				    const struct metric_sample *s)
{
	const struct rule *r = &e->rules.items[rule];
	enum outcome outcomes[CONDITION_TERMS_MAX];
	struct judgement all = {.outcome = OUTCOME_UNKNOWN, .value = NAN}, one;
	double worst = 0;

	if (!*a && needs_memory(&r->condition))
		*a = rule_engine__add_alert(e, rule, t);
	for (uint32_t i = 0; i < r->condition.n_terms; i++) {
		double severity;

		one = judge_term(e, rule, i, *a, s);
		outcomes[i] = one.outcome;
		severity = isnan(one.value)
				   ? -INFINITY
				   : condition__severity(&r->condition.terms[i], one.value, one.threshold);
		/* the term that holds speaks, of those the worst; where none holds the one that is nearest */
		severity += one.outcome == OUTCOME_HIT ? 1e9 : 0;
		if (!i || severity > worst) {
			worst = severity;
			all = (struct judgement){.term = i,
						 .value = one.value,
						 .threshold = one.threshold,
						 .severity = severity};
		}
	}
	all.outcome = condition_set__join(&r->condition, outcomes);
	return all;
}
