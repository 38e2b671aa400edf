// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Hundreds of targets, some rules, once a second: nearly always nothing is wrong, and when something is, it often is everywhere at once.
 *
 * Idea. A pass looks at each target when it is handed over, and only notes who could fire; when all were seen, those are sorted by how bad they are and the
 * limits let the worst through. A calm target costs a look-up and a comparison a rule; an alert exists only from the first hit to the end of its cooling.
 *
 *      sample ──> target (found or made) ──> for each rule that matches: judge ──> step ──> ready? ──> end of the pass: sort, limits, fire
 *
 * Rejected. Letting each alert fire as it is met: the first five of three hundred would be captured, not the worst five.
 *
 * Invariants. What is told to fire is told to be over, once, also where the target is gone or the rule was changed. A limit only ever delays or refuses: it never
 * changes what is counted as having held.
 *
 * Cost. About a microsecond a target and pass.
 */
#include "user/alert/rule_engine.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/rule_engine_impl.h"
#include "user/alert/rule_memory.h"
#include "user/base/buf.h"
#include "user/base/clock.h"

#define RULE_TEXT_MAX ((size_t)1 << 20)

/* ---- rules ------------------------------------------------------------------------------------------------------------ */

/* What it reads like is what it is: a rule that was not changed has the same hash after a reload and after a restart. */
static int hash_rule(const struct rule *r, uint64_t *ret)
{
	uint64_t h = 0;
	struct buf b;
	int err;

	buf__init(&b, RULE_TEXT_MAX);
	rule__format(r, &b);
	err = buf__err(&b);
	if (!err)
		h = rule_memory__checksum(b.data, b.len);
	buf__done(&b);
	*ret = h ? h : 1;
	return err;
}

static int make_states(const struct rule_list *rules, struct rule_state **ret)
{
	struct rule_state *states = calloc(rules->n + 1, sizeof(*states));
	int err = states ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < rules->n && !err; i++) {
		const struct rule *r = &rules->items[i];

		err = hash_rule(r, &states[i].hash);
		states[i].timing = (struct alert_timing){.duration_ns = r->duration_ns,
							 .hits = (uint32_t)r->hits,
							 .seconds = (uint32_t)(r->hits_in_ns / NS_PER_SEC),
							 .keep_ns = r->keep_firing_ns};
	}
	if (err)
		free(states);
	else
		*ret = states;
	return err;
}

static uint32_t find_rule(const struct rule_list *rules, const struct rule_state *states, uint64_t hash)
{
	for (uint32_t i = 0; i < rules->n; i++)
		if (states[i].hash == hash)
			return i;
	return NONE;
}

/* ---- the clock -------------------------------------------------------------------------------------------------------- */

static uint64_t at_most(uint64_t real_ns, uint64_t max_ns)
{
	return real_ns < max_ns ? real_ns : max_ns;
}

/* Others refuse an alarm that begins after it ends, and what cools would do so for as long as the clock was set back. */
void rule_engine__turn_back(struct rule_engine *e)
{
	uint64_t now = e->now.real_ns;

	for (uint32_t i = 0; i < e->n_alerts; i++) {
		struct alert *a = &e->alerts[i];

		if (!a->is_used)
			continue;
		a->fired_real_ns = at_most(a->fired_real_ns, now);
		a->since_real_ns = at_most(a->since_real_ns, now);
		a->over_real_ns = at_most(a->over_real_ns, now);
		a->cooling_until_ns =
			at_most(a->cooling_until_ns, now + e->rules.items[a->rule].limits.cooldown_ns);
	}
	for (int i = 0; i < ALERT_PROGRAMS_MAX; i++) {
		struct alert_program *p = &e->programs.items[i];
		uint32_t rule = find_rule(&e->rules, e->states, p->rule);

		p->fired_ns = at_most(p->fired_ns, now);
		/* a rule that is not there now may come back */
		p->until_ns =
			at_most(p->until_ns, now + (rule == NONE ? RULE_DURATION_MAX_NS
								 : e->rules.items[rule].limits.cooldown_ns));
	}
	alert_quota__turn_back(&e->quota, now);
}

static void set_time(struct rule_engine *e, const struct rule_time *now)
{
	bool is_back = now->real_ns < e->now.real_ns;

	e->now = *now;
	if (!is_back)
		return;
	rule_engine__turn_back(e);
	e->is_dirty = true;
}

/* ---- life ------------------------------------------------------------------------------------------------------------- */

static void take_opts(struct rule_engine *e, const struct rule_engine_opts *o)
{
	e->opts = *o;
	e->opts.max_targets = o->max_targets ? o->max_targets : RULE_TARGETS_KNOWN_MAX;
	e->opts.max_alerts = o->max_alerts ? o->max_alerts : RULE_ALERTS_MAX;
	e->opts.max_trends = o->max_trends ? o->max_trends : RULE_TRENDS_MAX;
}

int rule_engine__new(const struct rule_engine_opts *opts, const struct rule_port *port,
		     const struct rule_list *rules, const struct rule_time *now, struct rule_engine **ret)
{
	struct rule_engine *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	take_opts(e, opts);
	e->port = *port;
	e->free_target = e->free_alert = NONE;
	e->started_ns = now->mono_ns;
	e->now = *now;
	e->system_cpu_percent = e->available_percent = NAN;
	/* episodes of two runs must not meet */
	e->next_episode = now->real_ns;
	e->pass = 1;
	hashmap__init(&e->by_key);
	e->rules = *rules;
	err = make_states(rules, &e->states);
	if (err)
		rule_engine__free(e);
	else
		*ret = e;
	return err;
}

void rule_engine__free(struct rule_engine *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < e->n_alerts; i++)
		if (e->alerts[i].is_used)
			rule_engine__free_alert(e, &e->alerts[i]);
	hashmap__done(&e->by_key);
	free(e->targets);
	free(e->alerts);
	free(e->ready);
	free(e->states);
	free(e->next_states);
	free(e->close_up.verdicts);
	free(e);
}

int rule_engine__prepare(struct rule_engine *e, const struct rule_list *rules)
{
	struct rule_state *states;
	int err = make_states(rules, &states);

	if (err)
		return err;
	free(e->next_states); /* of a configuration that was refused after all */
	e->next_states = states;
	e->next_rules = *rules;
	return 0;
}

void rule_engine__set_rules(struct rule_engine *e, const struct rule_engine_opts *opts,
			    const struct rule_time *now)
{
	const struct rule_list *rules = &e->next_rules;
	struct rule_state *fresh = e->next_states, *old = e->states;

	e->next_states = NULL;
	set_time(e, now);
	for (uint32_t i = 0; i < e->n_alerts; i++) {
		struct alert *a = &e->alerts[i];
		uint32_t rule = a->is_used ? find_rule(rules, fresh, old[a->rule].hash) : NONE;

		if (!a->is_used)
			continue;
		if (rule == NONE) {
			if (alert_state__is_told(&a->state))
				rule_engine__resolve(e, a);
			rule_engine__free_alert(e, a);
		} else {
			a->rule = (uint16_t)rule;
		}
	}
	for (uint32_t i = 0; i < rules->n; i++) {
		uint32_t before = find_rule(&e->rules, old, fresh[i].hash);

		if (before != NONE)
			fresh[i] = old[before];
	}
	take_opts(e, opts);
	e->rules = *rules;
	e->states = fresh;
	free(old);
	/* patterns are compared anew with the next pass */
	for (uint32_t i = 0; i < e->n_targets; i++) {
		memset(e->targets[i].matches, 0, sizeof(e->targets[i].matches));
		memset(e->targets[i].alerted, 0, sizeof(e->targets[i].alerted));
		e->targets[i].texts = 0;
	}
	for (uint32_t i = 0; i < e->n_alerts; i++)
		if (e->alerts[i].is_used)
			e->targets[e->alerts[i].target].alerted[e->alerts[i].rule / 64] |=
				1ull << e->alerts[i].rule % 64;
	e->is_dirty = true;
}

void rule_engine__wants(const struct rule_engine *e, uint64_t ret_metrics[SCOPE_N])
{
	memset(ret_metrics, 0, SCOPE_N * sizeof(*ret_metrics));
	for (uint32_t i = 0; i < e->rules.n; i++) {
		const struct rule *r = &e->rules.items[i];

		for (uint32_t j = 0; j < r->condition.n_terms; j++) {
			enum metric_id id = r->condition.terms[j].metric;

			if (id != METRIC_N)
				ret_metrics[r->scope] |= 1ull << id;
			if (id == METRIC_memory_growth_rate)
				ret_metrics[r->scope] |= 1ull << METRIC_rss;
		}
	}
	/* how busy the machine is, and how short of memory: nothing more is measured when it is */
	ret_metrics[SCOPE_SYSTEM] |=
		1ull << METRIC_cpu_usage_percent | 1ull << METRIC_memory_available_percent;
}

/* The lowest of all rules; a later threshold of the same rule is reached by the pass that is at least there. */
void rule_engine__pressures(const struct rule_engine *e, double ret_above[SCOPE_N][PRESSURE_LINES])
{
	memset(ret_above, 0, SCOPE_N * sizeof(*ret_above));
	for (uint32_t i = 0; i < e->rules.n; i++) {
		const struct rule *r = &e->rules.items[i];

		for (uint32_t j = 0; j < r->condition.n_terms; j++) {
			const struct condition *c = &r->condition.terms[j];
			int line = (int)c->metric - METRIC_psi_cpu_some_percent;
			double above = c->kind == CONDITION_STEPS ? c->steps[0] : c->value;
			double *at;

			if (line < 0 || line >= PRESSURE_LINES ||
			    (c->kind != CONDITION_STEPS &&
			     (c->kind != CONDITION_COMPARE || compare__is_below(c->compare))))
				continue;
			at = &ret_above[r->scope][line];
			if (*at <= 0 || above < *at)
				*at = above;
		}
	}
}

/* ---- a pass ----------------------------------------------------------------------------------------------------------- */

void rule_engine__begin(struct rule_engine *e, const struct rule_time *now)
{
	set_time(e, now);
	e->pass++;
	e->n_ready = 0;
	e->cpu_begin_ns = clock__thread_cpu_ns();
	close_up__expire(e);
	for (uint32_t i = 0; i < e->rules.n; i++) {
		e->states[i].n_targets = e->states[i].n_known = 0;
		e->states[i].n_few = 0;
		e->states[i].most = 0;
		e->states[i].has_best = false;
	}
}

static void note_best(struct rule_engine *e, uint32_t rule, const struct judgement *j, const struct target *t)
{
	struct rule_state *st = &e->states[rule];

	st->n_known++;
	if (st->has_best && j->severity <= st->best_severity)
		return;
	st->has_best = true;
	st->best_severity = j->severity;
	st->best = j->value;
	st->best_threshold = j->threshold;
	st->best_term = j->term;
	st->best_pid = t->key.pid;
	memcpy(st->best_comm, t->comm, sizeof(st->best_comm));
}

static void note_ready(struct rule_engine *e, struct alert *a)
{
	if (e->n_ready == e->ready_cap) {
		uint32_t cap = e->ready_cap ? e->ready_cap * 2 : 64;
		uint32_t *more = realloc(e->ready, cap * sizeof(*more));

		if (!more) {
			e->stats.no_room++;
			return;
		}
		e->ready = more;
		e->ready_cap = cap;
	}
	e->ready[e->n_ready++] = (uint32_t)(a - e->alerts);
}

static bool is_idle(const struct rule_engine *e, const struct alert *a)
{
	if (a->state.phase != ALERT_INACTIVE || a->n_under_way || a->cooling_until_ns > e->now.real_ns)
		return false;
	for (int i = 0; i < CONDITION_TERMS_MAX; i++)
		if (a->trends[i])
			return false;
	return true;
}

static void advance(struct rule_engine *e, struct alert *a, const struct judgement *j)
{
	bool was_worse = alert_state__is_told(&a->state);
	enum alert_step step;

	a->outcome = j->outcome;
	a->term = j->term;
	a->value = j->value;
	a->threshold = j->threshold;
	a->wait = WAIT_NOTHING;
	step = alert_state__step(&a->state, &e->states[a->rule].timing, j->outcome, e->now.mono_ns);
	if (a->state.phase != ALERT_INACTIVE || was_worse)
		rule_engine__note_point(e, a);
	if (step == ALERT_READY)
		note_ready(e, a);
	else if (step == ALERT_RESOLVES)
		rule_engine__resolve(e, a);
	else if (a->state.phase == ALERT_FIRING && j->outcome == OUTCOME_HIT)
		rule_engine__rise(e, a);
	if (step == ALERT_OVER || step == ALERT_RESUMES)
		e->is_dirty = true;
	if (is_idle(e, a))
		rule_engine__free_alert(e, a);
}

/*
 * The rule does not mean this target any more: it runs another program, or moved to another group. That its names are not known for a moment looks the same, so what
 * fires goes on for as long as one may look away; events are over after their time.
 */
static void pass_by(struct rule_engine *e, uint32_t rule, struct target *t)
{
	struct alert *a = rule_engine__find_alert(e, rule, t);
	enum alert_step step;

	if (!a)
		return;
	a->outcome = OUTCOME_UNKNOWN;
	a->wait = WAIT_NOTHING;
	step = alert_state__step(&a->state, &e->states[rule].timing,
				 a->is_event ? OUTCOME_MISS : OUTCOME_UNKNOWN, e->now.mono_ns);
	if (step == ALERT_RESOLVES) {
		rule_engine__resolve(e, a);
	} else if (!a->is_event && e->now.mono_ns - a->meant_ns >= ALERT_GAP_NS) {
		if (alert_state__is_told(&a->state))
			rule_engine__resolve(e, a);
		alert_state__end(&a->state);
		rule_engine__forget_trends(e, a);
	}
	if (is_idle(e, a))
		rule_engine__free_alert(e, a);
}

void rule_engine__take(struct rule_engine *e, const struct metric_sample *s)
{
	struct target *t = rule_engine__see(e, &s->target);

	if (s->target.scope == SCOPE_SYSTEM) {
		e->system_cpu_percent = metric_sample__value(s, METRIC_cpu_usage_percent);
		e->available_percent = metric_sample__value(s, METRIC_memory_available_percent);
	}
	if (!t)
		return;
	for (uint32_t i = 0; i < e->rules.n; i++) {
		struct judgement j;
		struct alert *a;

		if (!(t->matches[i / 64] >> i % 64 & 1)) {
			pass_by(e, i, t);
			continue;
		}
		e->states[i].n_targets++;
		a = rule_engine__find_alert(e, i, t);
		j = rule_engine__judge(e, i, t, &a, s);
		if (!isnan(j.value))
			note_best(e, i, &j, t);
		if (e->close_up.rule == e->states[i].hash)
			close_up__note(e, (uint32_t)(t - e->targets), &s->target, &j);
		if (!a && j.outcome == OUTCOME_HIT)
			a = rule_engine__add_alert(e, i, t);
		if (!a)
			continue;
		a->meant_ns = e->now.mono_ns;
		/* under the names of now, until it is told of */
		if (!alert_state__is_told(&a->state) && j.outcome == OUTCOME_HIT &&
		    alert__name(a, &s->target))
			continue;
		advance(e, a, &j);
	}
}

static bool has_captures(const struct rule_engine *e, const struct target *t)
{
	for (uint32_t i = t->first_alert; i != NONE; i = e->alerts[i].next)
		if (e->alerts[i].n_under_way)
			return true;
	return false;
}

/* A target that is gone: what fired is over, but for events, which are over after their time. Does anything of it stay? */
static bool end_alerts(struct rule_engine *e, struct target *t)
{
	bool stays = has_captures(e, t);
	uint32_t next;

	for (uint32_t i = t->first_alert; i != NONE; i = next) {
		struct alert *a = &e->alerts[i];

		next = a->next;
		if (!alert_state__is_told(&a->state))
			continue;
		if (a->is_event && alert_state__step(&a->state, &e->states[a->rule].timing, OUTCOME_MISS,
						     e->now.mono_ns) != ALERT_RESOLVES) {
			stays = true;
			continue;
		}
		rule_engine__resolve(e, a);
		alert_state__end(&a->state);
	}
	return stays;
}

static void sweep(struct rule_engine *e)
{
	for (uint32_t i = 0; i < e->n_targets; i++) {
		struct target *t = &e->targets[i];

		if (t->is_used && t->pass != e->pass && !end_alerts(e, t))
			rule_engine__drop_target(e, i);
	}
}

static void count_phases(struct rule_engine *e)
{
	for (uint32_t i = 0; i < e->rules.n; i++)
		e->states[i].n_firing = e->states[i].n_pending = 0;
	e->stats.n_firing = e->stats.n_pending = 0;
	for (uint32_t i = 0; i < e->n_alerts; i++) {
		const struct alert *a = &e->alerts[i];

		if (!a->is_used)
			continue;
		if (alert_state__is_told(&a->state)) {
			e->states[a->rule].n_firing++;
			e->stats.n_firing++;
		} else if (a->state.phase == ALERT_PENDING) {
			e->states[a->rule].n_pending++;
			e->stats.n_pending++;
		}
	}
}

void rule_engine__end(struct rule_engine *e)
{
	sweep(e);
	count_phases(e);
	rule_engine__fire_ready(e);
	count_phases(e);
	e->stats.passes++;
	e->stats.judge_ns += clock__thread_cpu_ns() - e->cpu_begin_ns;
}

void rule_engine__event(struct rule_engine *e, const struct host_event *event, const struct rule_time *now)
{
	struct target *t;

	set_time(e, now);
	for (uint32_t i = 0; i < e->rules.n; i++) {
		const struct rule *r = &e->rules.items[i];
		bool fits = condition_set__is_event(&r->condition) && rule__matches(r, &event->target);
		struct alert *a;

		for (uint32_t j = 0; fits && j < r->condition.n_terms; j++) {
			if (r->condition.terms[j].event != event->kind)
				continue;
			t = rule_engine__see(e, &event->target);
			a = t ? rule_engine__find_alert(e, i, t) : NULL;
			if (t && !a)
				a = rule_engine__add_alert(e, i, t);
			if (!a || alert_state__is_told(&a->state) || alert__name(a, &event->target))
				continue;
			a->is_event = true;
			a->term = j;
			rule_engine__fire_event(e, a, (double)event->rss_bytes);
		}
	}
}

void rule_engine__stats(const struct rule_engine *e, struct rule_engine_stats *ret)
{
	*ret = e->stats;
	ret->n_rules = e->rules.n;
}

bool rule_engine__is_dirty(const struct rule_engine *e)
{
	return e->is_dirty;
}
