// SPDX-License-Identifier: Apache-2.0
/*
 * From "has held long enough" to an alarm and a capture, past all limits.
 *
 * Problem. One fault crosses the threshold in three hundred processes in one second. Captures of all of them would be the worse fault, and a message each the
 * worst one.
 *
 * Idea. Two kinds of limits. Those of an alert (learning, cooling, targets of the rule) keep it waiting: it is not told, it is shown with its reason, and fires when
 * the limit lets it. Those of captures (an hour, a day, room) refuse the capture alone: the alarm is told, with the reason. Cooling is broken by a value that
 * is worse by the rule's escalation than the one that was captured, and an alarm that goes on gets another capture for the same reason.
 *
 * Invariants. Of one rule no more than limits.targets fire at once, and those are the worst of the pass in which they fired. No capture begins past the limit of the
 * hour or the day. A capture that was begun is counted even if nothing came of it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/notice.h"
#include "user/alert/rule_engine_impl.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/units.h"

/* Of all CPUs, and of all memory: beyond these what is there is kept, and nothing is measured in more detail. */
#define BUSY_CPU_PERCENT 95.0
#define SHORT_PERCENT    5.0

#define ANNOTATIONS_BYTES ((size_t)64 << 10) /* of one rule, filled in */

const char *alert_wait__text(enum alert_wait wait)
{
	static const char *const texts[WAIT_N] = {
		[WAIT_NOTHING] = "",
		[WAIT_LEARNING] = "learning",
		[WAIT_COOLING] = "cooling",
		[WAIT_TARGETS] = "rate-limited: as many targets of the rule fire as may",
	};

	return texts[wait];
}

static const struct condition *term_of(const struct rule_engine *e, const struct alert *a)
{
	return &e->rules.items[a->rule].condition.terms[a->term];
}

static double severity(const struct rule_engine *e, const struct alert *a)
{
	return condition__severity(term_of(e, a), a->value, a->threshold);
}

/* That what was captured was not. */
static bool is_beyond_a_step(const struct condition *c, const struct alert *a)
{
	for (uint32_t i = 0; i < c->n_steps; i++)
		if (a->value > c->steps[i] &&
		    a->captured <= condition__severity(c, c->steps[i], a->threshold))
			return true;
	return false;
}

/* By the rule's escalation, or by a further step. */
static bool is_worse_than_captured(const struct rule_engine *e, const struct alert *a)
{
	double share = (double)e->rules.items[a->rule].limits.escalation_ppm / (100.0 * PPM_PER_PERCENT);
	const struct condition *c = term_of(e, a);

	if (isnan(a->value) || c->kind == CONDITION_EVENT)
		return false;
	if (c->kind == CONDITION_STEPS)
		return is_beyond_a_step(c, a);
	return share > 0 && severity(e, a) > a->captured * (1 + share);
}

static void note_worst(struct alert *a)
{
	a->worst = (struct alert_worst){.term = a->term, .value = a->value, .threshold = a->threshold};
}

/* ---- captures --------------------------------------------------------------------------------------------------------- */

static struct alert *alert_of(const struct alert_capture *c)
{
	struct alert *a = c->alert < c->engine->n_alerts ? &c->engine->alerts[c->alert] : NULL;

	return a && a->is_used && a->generation == c->generation ? a : NULL;
}

static uint32_t give_series(void *ctx, uint64_t from_ns, struct capture_point *ret, uint32_t max)
{
	const struct alert_capture *c = ctx;
	const struct alert *a = alert_of(c);
	uint32_t n = 0, first;

	if (!a || !a->points)
		return 0;
	first = (a->next_point + ALERT_POINTS_MAX - a->n_points) % ALERT_POINTS_MAX;
	for (uint32_t i = 0; i < a->n_points && n < max; i++) {
		const struct alert_point *p = &a->points[(first + i) % ALERT_POINTS_MAX];

		if (p->at_ns >= from_ns && p->term == c->term)
			ret[n++] = (struct capture_point){p->at_ns, p->value};
	}
	return n;
}

struct alert_news rule_engine__news(const struct rule_engine *e, const struct alert *a,
				    enum alert_news_kind kind)
{
	const struct rule *r = &e->rules.items[a->rule];

	return (struct alert_news){.kind = kind,
				   .rule = r,
				   .target = &a->told,
				   .metric = r->condition.terms[a->worst.term].metric,
				   .value = a->worst.value,
				   .threshold = a->worst.threshold,
				   .since_real_ns = a->since_real_ns,
				   .fired_real_ns = a->fired_real_ns,
				   .ended_real_ns = a->over_real_ns,
				   .episode = a->episode,
				   .capture = a->capture,
				   .path = a->path ? a->path : "",
				   .refused = a->refused};
}

static void tell(struct rule_engine *e, const struct alert_news *news)
{
	if (e->port.tell)
		e->port.tell(e->port.ctx, news);
}

/* path NULL: it is under way. */
static void note_capture(struct alert *a, const char *id, const char *path)
{
	snprintf(a->capture, sizeof(a->capture), "%s", id);
	free(a->path);
	a->path = path ? strdup(path) : NULL;
}

static void on_captured(void *ctx, const struct capture_result *r)
{
	struct alert_capture *c = ctx;
	struct rule_engine *e = c->engine;
	struct alert *a = alert_of(c);
	struct alert_news news;

	alert_quota__written(&e->quota, r->bytes, e->now.real_ns);
	e->is_dirty = true;
	c->is_used = false;
	if (!a)
		return;
	a->n_under_way--;
	/* nobody is led to a folder that does not exist */
	note_capture(a, r->err ? "" : r->id, r->err ? NULL : r->path);
	if (r->err)
		snprintf(a->refused, sizeof(a->refused), "capture failed: %s", strerror(-r->err));
	news = rule_engine__news(e, a, NEWS_CAPTURED);
	tell(e, &news);
}

void rule_engine__lose_capture(struct rule_engine *e, struct alert *a)
{
	struct alert_news news;

	a->is_lost = alert_state__is_told(&a->state);
	snprintf(a->refused, sizeof(a->refused), "capture lost: the agent ended before it was written");
	e->is_dirty = true;
	news = rule_engine__news(e, a, NEWS_CAPTURED);
	tell(e, &news);
}

static bool is_refused(struct rule_engine *e, struct alert *a)
{
	const struct rule *r = &e->rules.items[a->rule];
	uint64_t hash = e->states[a->rule].hash, now = e->now.real_ns;
	char *why = a->refused;

	*why = '\0';
	if (alert_quota__captures(&e->quota, hash, now) >= r->limits.captures_per_hour)
		snprintf(why, RULE_CAUSE_MAX,
			 "rate-limited: limits.captures_per_hour (%llu) of the rule is reached",
			 (unsigned long long)r->limits.captures_per_hour);
	else if (alert_quota__captures(&e->quota, 0, now) >= e->opts.captures_per_hour)
		snprintf(why, RULE_CAUSE_MAX, "rate-limited: alerting.captures_per_hour (%llu) is reached",
			 (unsigned long long)e->opts.captures_per_hour);
	else if (alert_quota__bytes(&e->quota, now) >= e->opts.capture_bytes_per_day)
		snprintf(why, RULE_CAUSE_MAX, "rate-limited: alerting.capture_bytes_per_day is reached");
	return *why != '\0';
}

static void fill_pairs(const struct rule_pairs *from, struct capture_pair to[RULE_PAIRS_MAX])
{
	for (uint32_t i = 0; i < from->n; i++)
		to[i] = (struct capture_pair){from->items[i].key, from->items[i].value};
}

/* As they are told, but that their capture is the one that they stand in. The texts are the buf's. */
static void fill_annotations(const struct rule_engine *e, const struct alert *a, struct buf *texts,
			     struct capture_pair to[RULE_PAIRS_MAX])
{
	const struct rule_pairs *from = &e->rules.items[a->rule].annotations;
	const struct notice_opts o = {.host = e->opts.host ? e->opts.host : ""};
	struct alert_news news = rule_engine__news(e, a, NEWS_FIRING);
	size_t begins[RULE_PAIRS_MAX];

	news.capture = "this capture";
	news.path = "";
	for (uint32_t i = 0; i < from->n; i++) {
		begins[i] = texts->len;
		notice__fill(from->items[i].value, &news, &o, texts);
		buf__append_char(texts, '\0');
	}
	for (uint32_t i = 0; i < from->n; i++)
		to[i] = (struct capture_pair){from->items[i].key,
					      buf__err(texts) ? from->items[i].value
							      : (const char *)texts->data + begins[i]};
}

static void format_cause(const struct rule_engine *e, const struct alert *a, char ret[RULE_CAUSE_MAX])
{
	const struct rule *r = &e->rules.items[a->rule];
	char text[UNITS_TEXT_MAX];

	if (a->is_event) {
		snprintf(ret, RULE_CAUSE_MAX, "%s", host_event__name(term_of(e, a)->event));
	} else if (r->hits) {
		units__format_duration(r->hits_in_ns, text);
		snprintf(ret, RULE_CAUSE_MAX, "held in %llu of the last %s", (unsigned long long)r->hits,
			 text);
	} else {
		units__format_duration(r->duration_ns, text);
		snprintf(ret, RULE_CAUSE_MAX, "held for %s", text);
	}
}

static bool is_host_in_need(const struct rule_engine *e)
{
	return e->system_cpu_percent > BUSY_CPU_PERCENT || e->available_percent < SHORT_PERCENT;
}

static struct alert_capture *free_slot(struct rule_engine *e)
{
	for (int i = 0; i < ALERT_CAPTURES; i++)
		if (!e->captures[i].is_used)
			return &e->captures[i];
	return NULL;
}

/* It may be there already. */
static void note_begun(struct rule_engine *e, struct alert *a, const char *id)
{
	if (strcmp(a->capture, id))
		note_capture(a, id, NULL);
	a->busy_until_ns = e->now.mono_ns + e->rules.items[a->rule].after_ns;
	alert_quota__begun(&e->quota, e->states[a->rule].hash, e->now.real_ns);
	e->states[a->rule].captures++;
	e->stats.captures++;
}

static void begin_capture(struct rule_engine *e, struct alert *a, uint64_t held_ns, const char *cause)
{
	const struct rule *r = &e->rules.items[a->rule];
	struct capture_pair labels[RULE_PAIRS_MAX], annotations[RULE_PAIRS_MAX];
	struct alert_capture *slot = free_slot(e);
	char id[CAPTURE_ID_MAX] = "";
	struct err err = {0};
	struct buf texts;
	int code = -EAGAIN;

	buf__init(&texts, ANNOTATIONS_BYTES);
	fill_pairs(&r->labels, labels);
	fill_annotations(e, a, &texts, annotations);
	if (slot) {
		const struct capture_request request = {
			.rule = r->name,
			.condition = r->condition.text,
			.cause = cause,
			.target = a->told,
			.metric = term_of(e, a)->metric,
			.value = isnan(a->value) ? 0 : a->value,
			.threshold = a->threshold,
			.lower_is_worse = condition__lower_is_worse(term_of(e, a), a->value),
			.episode = a->episode,
			.fired_real_ns = e->now.real_ns,
			.fired_mono_ns = e->now.mono_ns,
			.held_ns = held_ns,
			.before_ns = r->before_ns,
			.after_ns = r->after_ns,
			.events = r->capture_events,
			.frequency_hz = is_host_in_need(e) ? 0 : (uint32_t)r->frequency_hz,
			.only_recorded = is_host_in_need(e),
			.baseline = r->baseline,
			.labels = labels,
			.annotations = annotations,
			.n_labels = r->labels.n,
			.n_annotations = r->annotations.n,
			.series = give_series,
			.done = on_captured,
			.ctx = slot,
		};

		*slot = (struct alert_capture){.engine = e,
					       .alert = (uint32_t)(a - e->alerts),
					       .generation = a->generation,
					       .term = a->term,
					       .is_used = true};
		a->n_under_way++;
		code = e->port.capture(e->port.ctx, &request, id, &err);
		if (code) {
			a->n_under_way--;
			slot->is_used = false;
		}
	}
	buf__done(&texts);
	if (code) {
		snprintf(a->refused, sizeof(a->refused), "%s", err__text(&err, code));
		return;
	}
	note_begun(e, a, id);
}

static void try_capture(struct rule_engine *e, struct alert *a, uint64_t held_ns, const char *cause)
{
	a->is_lost = false;
	a->captured = severity(e, a);
	e->is_dirty = true;
	if (!e->rules.items[a->rule].captures || !e->port.capture) {
		*a->refused = '\0';
		return;
	}
	if (!is_refused(e, a))
		begin_capture(e, a, held_ns, cause);
	if (*a->refused) {
		e->states[a->rule].refused++;
		e->stats.refused++;
	}
}

/* ---- alarms ----------------------------------------------------------------------------------------------------------- */

static void note_program(struct rule_engine *e, const struct alert *a)
{
	const struct alert_program p = {.rule = e->states[a->rule].hash,
					.program = alert_program__of(&a->told),
					.fired_ns = e->now.real_ns,
					.until_ns = a->cooling_until_ns,
					.captured = a->captured};

	if (p.program)
		alert_programs__note(&e->programs, &p);
}

/* What began after its program's last alarm cools like the one that the alarm was of; others of that program have their own. */
static void inherit_cooling(const struct rule_engine *e, struct alert *a)
{
	const struct alert_program *p =
		alert_programs__find(&e->programs, e->states[a->rule].hash, alert_program__of(&a->told));
	uint64_t age = a->told.start_ns && e->now.boot_ns > a->told.start_ns
			       ? e->now.boot_ns - a->told.start_ns
			       : e->now.mono_ns - e->targets[a->target].first_ns;

	if (!p || a->fired_real_ns || p->until_ns <= e->now.real_ns || e->now.real_ns - age <= p->fired_ns)
		return;
	a->cooling_until_ns = p->until_ns;
	a->captured = p->captured;
}

static void fire(struct rule_engine *e, struct alert *a, uint32_t n_left)
{
	const struct rule *r = &e->rules.items[a->rule];
	uint64_t held_ns = a->state.phase == ALERT_PENDING ? e->now.mono_ns - a->state.since_ns : 0;
	char cause[RULE_CAUSE_MAX];
	struct alert_news news;

	alert_state__fire(&a->state, e->now.mono_ns);
	a->fired_real_ns = e->now.real_ns;
	a->over_real_ns = 0;
	a->since_real_ns = e->now.real_ns - held_ns;
	a->cooling_until_ns = e->now.real_ns + r->limits.cooldown_ns;
	note_worst(a);
	a->episode = ++e->next_episode;
	a->wait = WAIT_NOTHING;
	note_capture(a, "", NULL);
	format_cause(e, a, cause);
	try_capture(e, a, held_ns, cause);
	note_program(e, a);
	e->states[a->rule].fired++;
	e->stats.fired++;
	news = rule_engine__news(e, a, NEWS_FIRING);
	news.n_left = n_left;
	tell(e, &news);
}

void rule_engine__fire_event(struct rule_engine *e, struct alert *a, double value)
{
	const struct rule *r = &e->rules.items[a->rule];

	a->value = value;
	a->threshold = 0;
	inherit_cooling(e, a);
	if (a->cooling_until_ns > e->now.real_ns) {
		a->wait = WAIT_COOLING;
		return;
	}
	if (e->states[a->rule].n_firing >= r->limits.targets) {
		a->wait = WAIT_TARGETS;
		e->stats.left++;
		return;
	}
	e->states[a->rule].n_firing++;
	fire(e, a, 0);
}

void rule_engine__rise(struct rule_engine *e, struct alert *a)
{
	const struct condition *worst = &e->rules.items[a->rule].condition.terms[a->worst.term];

	if (severity(e, a) > condition__severity(worst, a->worst.value, a->worst.threshold))
		note_worst(a);
	if (a->busy_until_ns >= e->now.mono_ns || a->n_under_way ||
	    !(a->is_lost || is_worse_than_captured(e, a)))
		return;
	try_capture(e, a, 0, a->is_lost ? "fires on, and its capture was lost" : "fires on, and is worse");
	a->cooling_until_ns = e->now.real_ns + e->rules.items[a->rule].limits.cooldown_ns;
	note_program(e, a);
}

void rule_engine__resolve(struct rule_engine *e, struct alert *a)
{
	struct alert_news news;
	char worst[CASE_VALUE_MAX];

	a->over_real_ns = e->now.real_ns;
	news = rule_engine__news(e, a, NEWS_RESOLVED);
	rule__format_value(&e->rules.items[a->rule], a->worst.term, a->worst.value, worst);
	e->stats.resolved++;
	e->is_dirty = true;
	alert_past__add(&e->past, &news, worst);
	tell(e, &news);
}

static bool is_learning(const struct rule_engine *e, const struct alert *a)
{
	uint64_t learning = e->rules.items[a->rule].limits.learning_ns;
	uint64_t start = a->told.pid ? a->told.start_ns : 0, exec_ns = e->targets[a->target].exec_ns;

	if (e->now.mono_ns - e->started_ns < learning || (exec_ns && e->now.mono_ns - exec_ns < learning))
		return true;
	return start && e->now.boot_ns > start && e->now.boot_ns - start < learning;
}

static enum alert_wait wait_of(const struct rule_engine *e, struct alert *a)
{
	if (is_learning(e, a))
		return WAIT_LEARNING;
	inherit_cooling(e, a);
	if (a->cooling_until_ns > e->now.real_ns && !is_worse_than_captured(e, a))
		return WAIT_COOLING;
	return WAIT_NOTHING;
}

static int by_severity(const void *x, const void *y, void *ctx)
{
	const struct rule_engine *e = ctx;
	const struct alert *a = &e->alerts[*(const uint32_t *)x], *b = &e->alerts[*(const uint32_t *)y];
	double sa = severity(e, a), sb = severity(e, b);

	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	return sa > sb ? -1 : sa < sb ? 1 : 0;
}

void rule_engine__fire_ready(struct rule_engine *e)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < e->rules.n; i++)
		e->states[i].n_left = 0;
	for (uint32_t i = 0; i < e->n_ready; i++) {
		struct alert *a = &e->alerts[e->ready[i]];

		/* its target may have gone in this very pass */
		if (!a->is_used || a->state.phase != ALERT_PENDING)
			continue;
		a->wait = wait_of(e, a);
		if (a->wait == WAIT_NOTHING) {
			e->ready[n++] = e->ready[i];
			e->states[a->rule].n_left++;
		}
	}
	if (n)
		qsort_r(e->ready, n, sizeof(*e->ready), by_severity, e);
	for (uint32_t i = 0; i < n; i++) {
		struct alert *a = &e->alerts[e->ready[i]];
		struct rule_state *st = &e->states[a->rule];
		uint64_t room = e->rules.items[a->rule].limits.targets - st->n_firing;

		if (st->n_firing >= e->rules.items[a->rule].limits.targets) {
			a->wait = WAIT_TARGETS;
			e->stats.left++;
			continue;
		}
		/* those behind it that will find no room */
		fire(e, a, st->n_left > room ? (uint32_t)(st->n_left - room) : 0);
		st->n_firing++;
		st->n_left--;
	}
	e->n_ready = 0;
}

void rule_engine__each_firing(struct rule_engine *e, void (*fn)(void *ctx, const struct alert_news *news),
			      void *ctx)
{
	for (uint32_t i = 0; i < e->n_alerts; i++) {
		struct alert_news news;

		if (!e->alerts[i].is_used || !alert_state__is_told(&e->alerts[i].state))
			continue;
		news = rule_engine__news(e, &e->alerts[i], NEWS_FIRING);
		fn(ctx, &news);
	}
}
