// SPDX-License-Identifier: Apache-2.0
/*
 * Why it has fired, and why it has not.
 *
 * Problem. "Nothing fires and nobody can see why" is what users of all such systems complain of.
 *
 * Idea. Each rule answers for itself from what the last pass has left: how many targets it looked at, how many values it got, which came closest and how far it
 * was, what is pending and for how long, what waits for which limit. The same texts stand in JSON, in the terminal and nowhere else.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "exporters/format/json.h"
#include "user/alert/notice.h"
#include "user/alert/rule_engine_impl.h"
#include "user/base/buf.h"
#include "user/config/units.h"
#include "user/query/printable.h"

void rule__format_value(const struct rule *r, uint32_t term, double value, char ret[CASE_VALUE_MAX])
{
	enum metric_id metric = r->condition.terms[term].metric;

	if (metric == METRIC_N || isnan(value))
		snprintf(ret, CASE_VALUE_MAX, "-");
	else
		capture_value__format(metric, value, false, ret);
}

void rule_engine__why(const struct rule_engine *e, const struct alert *a, char ret[WHY_MAX])
{
	const struct alert_timing *t = &e->states[a->rule].timing;
	char held_text[UNITS_TEXT_MAX], of_text[UNITS_TEXT_MAX];
	uint64_t held, of;

	*ret = '\0';
	if (alert_state__is_told(&a->state)) {
		if (*a->refused)
			snprintf(ret, WHY_MAX, "no capture: %s", a->refused);
		else if (*a->capture)
			snprintf(ret, WHY_MAX, "capture %s", a->capture);
		return;
	}
	alert_state__held(&a->state, t, e->now.mono_ns, &held, &of);
	if (a->wait == WAIT_COOLING) {
		units__format_duration((a->cooling_until_ns - e->now.real_ns) / 1000000000 * 1000000000,
				       of_text);
		snprintf(ret, WHY_MAX, "holds, but is cooling for %s more", of_text);
	} else if (a->wait != WAIT_NOTHING) {
		snprintf(ret, WHY_MAX, "holds, but is %s", alert_wait__text(a->wait));
	} else if (t->hits) {
		snprintf(ret, WHY_MAX, "pending: held in %" PRIu64 " of %" PRIu64 " seconds", held, of);
	} else {
		units__format_duration(held / 1000000000 * 1000000000, held_text);
		units__format_duration(of, of_text);
		snprintf(ret, WHY_MAX, "pending: %s of %s", held_text, of_text);
	}
}

static const char *rule_state_name(const struct rule_state *st)
{
	return st->n_firing ? "firing" : st->n_pending ? "pending" : "inactive";
}

static void best_text(const struct rule *r, const struct rule_state *st, char ret[WHY_MAX])
{
	char value[CASE_VALUE_MAX], threshold[CASE_VALUE_MAX], who[64] = "";

	rule__format_value(r, st->best_term, st->best, value);
	rule__format_value(r, st->best_term, st->best_threshold, threshold);
	if (st->best_pid)
		snprintf(who, sizeof(who), " of pid %u (%s)", st->best_pid, st->best_comm);
	snprintf(ret, WHY_MAX, "%s is %s%s, the threshold is %s",
		 metric__get(r->condition.terms[st->best_term].metric)->name, value, who, threshold);
}

/* Why the rule as a whole is where it is. */
static void rule_why(const struct rule_engine *e, uint32_t rule, char ret[WHY_MAX])
{
	const struct rule *r = &e->rules.items[rule];
	const struct rule_state *st = &e->states[rule];

	if (st->n_firing && st->n_left)
		snprintf(ret, WHY_MAX, "%u firing, %u more hold and are left out (limits.targets)",
			 st->n_firing, st->n_left);
	else if (st->n_firing)
		snprintf(ret, WHY_MAX, "%u firing", st->n_firing);
	else if (condition_set__is_event(&r->condition))
		snprintf(ret, WHY_MAX, "it has not happened");
	else if (!e->stats.passes)
		snprintf(ret, WHY_MAX, "nothing was measured yet");
	else if (!st->n_targets)
		snprintf(ret, WHY_MAX, "nothing matches");
	else if (!st->n_known && st->n_few)
		snprintf(ret, WHY_MAX, "too few samples: %" PRIu64 " at most in the last window, of %u",
			 st->most, r->condition.terms[0].samples);
	else if (!st->n_known)
		snprintf(ret, WHY_MAX, "no data: the metric is not known of any of %u targets (yet)",
			 st->n_targets);
	else if (st->n_pending)
		snprintf(ret, WHY_MAX, "%u pending", st->n_pending);
	else if (st->has_best)
		best_text(r, st, ret);
	else
		*ret = '\0';
}

static bool is_shown(const struct alert *a)
{
	return a->is_used && a->names && a->state.phase != ALERT_INACTIVE;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------- */

/* A time, or null for none. */
static void write_time(const char *key, uint64_t real_ns, struct buf *to)
{
	char when[NOTICE_TIME_MAX];

	notice__time(real_ns, when);
	buf__printf(to, real_ns ? ",\"%s\":\"%s\"" : ",\"%s\":null", key, when);
}

static void write_number(const char *key, double value, struct buf *to)
{
	buf__printf(to, isnan(value) ? ",\"%s\":null" : ",\"%s\":%.10g", key, value);
}

/* Each term of a rule has its own. */
static void write_metric(const char *key, const struct rule_engine *e, const struct alert *a, uint32_t term,
			 struct buf *to)
{
	const struct condition *c = &e->rules.items[a->rule].condition.terms[term];

	buf__printf(to, ",\"%s\":", key);
	json__string(to, c->metric == METRIC_N ? host_event__name(c->event) : metric__get(c->metric)->name);
}

/* Beside what Prometheus has. */
static void write_alert_numbers(const struct rule_engine *e, const struct alert *a, struct buf *to)
{
	bool told = alert_state__is_told(&a->state);

	write_metric("metric", e, a, a->term, to);
	write_metric("worstMetric", e, a, told ? a->worst.term : a->term, to);
	write_number("threshold", a->threshold, to);
	write_number("worst", told ? a->worst.value : a->value, to);
	buf__printf(to, ",\"episode\":\"%" PRIx64 "\",\"capture\":", told ? a->episode : 0);
	json__string(to, a->capture);
	write_time("firedAt", told ? a->fired_real_ns : 0, to);
	write_time("coolingUntil", a->cooling_until_ns > e->now.real_ns ? a->cooling_until_ns : 0, to);
}

/* When the limits of the rule and of the host let a capture begin: 0: now. */
static uint64_t next_capture_ns(const struct rule_engine *e, uint32_t rule)
{
	uint64_t at = 0, one[3] = {alert_quota__captures_from_ns(
					   &e->quota, e->states[rule].hash,
					   e->rules.items[rule].limits.captures_per_hour, e->now.real_ns),
				   alert_quota__captures_from_ns(&e->quota, 0, e->opts.captures_per_hour,
								 e->now.real_ns),
				   alert_quota__bytes_from_ns(&e->quota, e->opts.capture_bytes_per_day,
							      e->now.real_ns)};

	for (int i = 0; i < 3; i++)
		at = one[i] > at ? one[i] : at;
	return at;
}

/* The value that is nearest, of whom, and what the limits leave. */
static void write_rule_numbers(const struct rule_engine *e, uint32_t rule, struct buf *to)
{
	const struct rule *r = &e->rules.items[rule];
	const struct rule_state *st = &e->states[rule];
	const struct condition *c = &r->condition.terms[st->has_best ? st->best_term : 0];

	buf__append_str(to, ",\"metric\":");
	json__string(to, c->metric == METRIC_N ? host_event__name(c->event) : metric__get(c->metric)->name);
	write_number("value", st->has_best ? st->best : NAN, to);
	write_number("threshold", st->has_best ? st->best_threshold : NAN, to);
	buf__append_str(to, ",\"nearest\":");
	json__string(to, st->has_best ? st->best_comm : "");
	buf__printf(to, ",\"nearestPid\":%u", st->has_best ? st->best_pid : 0);
	buf__printf(to,
		    ",\"limits\":{\"targets\":%" PRIu64 ",\"capturesPerHour\":%" PRIu64
		    ",\"capturesInHour\":%u,\"cooldown\":%.10g}",
		    r->limits.targets, r->limits.captures_per_hour,
		    alert_quota__captures(&e->quota, st->hash, e->now.real_ns),
		    (double)r->limits.cooldown_ns / 1e9);
	write_time("nextCapture", next_capture_ns(e, rule), to);
}

static void write_alert(const struct rule_engine *e, const struct alert *a, const char *host, struct buf *to)
{
	const struct notice_opts o = {.host = host, .url = "", .real_ns = e->now.real_ns};
	struct alert_news n = rule_engine__news(e, a, NEWS_FIRING);
	char when[NOTICE_TIME_MAX], why[WHY_MAX];

	n.metric = e->rules.items[a->rule].condition.terms[a->term].metric;
	n.value = a->value;
	n.threshold = a->threshold;
	if (!alert_state__is_told(&a->state))
		n.since_real_ns = e->now.real_ns - (e->now.mono_ns - a->state.since_ns);
	buf__append_str(to, "{\"labels\":");
	notice__write_labels(&n, &o, to);
	buf__append_str(to, ",\"annotations\":");
	notice__write_annotations(&n, &o, to);
	notice__time(n.since_real_ns, when);
	/* Prometheus knows no "keep-firing" state: it fires */
	buf__printf(to,
		    ",\"state\":\"%s\",\"keepFiring\":%s,\"activeAt\":\"%s\",\"value\":\"%.10g\",\"why\":",
		    alert_state__is_told(&a->state) ? "firing" : "pending",
		    a->state.phase == ALERT_KEPT ? "true" : "false", when, isnan(a->value) ? 0 : a->value);
	rule_engine__why(e, a, why);
	json__string(to, why);
	write_alert_numbers(e, a, to);
	buf__append_char(to, '}');
}

static void write_alerts(const struct rule_engine *e, uint32_t rule, const char *host, struct buf *to)
{
	const char *comma = "";

	for (uint32_t i = 0; i < e->n_alerts; i++) {
		if (!is_shown(&e->alerts[i]) || (rule != NONE && e->alerts[i].rule != rule))
			continue;
		buf__append_str(to, comma);
		write_alert(e, &e->alerts[i], host, to);
		comma = ",";
	}
}

static void write_pairs(const struct rule_pairs *p, struct buf *to)
{
	buf__append_char(to, '{');
	for (uint32_t i = 0; i < p->n; i++) {
		buf__append_str(to, i ? "," : "");
		json__string(to, p->items[i].key);
		buf__append_char(to, ':');
		json__string(to, p->items[i].value);
	}
	buf__append_char(to, '}');
}

static void write_rule(const struct rule_engine *e, uint32_t rule, const char *host, struct buf *to)
{
	const struct rule *r = &e->rules.items[rule];
	const struct rule_state *st = &e->states[rule];
	char why[WHY_MAX], when[NOTICE_TIME_MAX];

	buf__append_str(to, "{\"type\":\"alerting\",\"name\":");
	json__string(to, r->name);
	buf__append_str(to, ",\"query\":");
	json__string(to, r->condition.text);
	buf__printf(to,
		    ",\"duration\":%.10g,\"keepFiringFor\":%.10g,\"labels\":", (double)r->duration_ns / 1e9,
		    (double)r->keep_firing_ns / 1e9);
	write_pairs(&r->labels, to);
	buf__append_str(to, ",\"annotations\":");
	write_pairs(&r->annotations, to);
	buf__append_str(to, ",\"alerts\":[");
	write_alerts(e, rule, host, to);
	notice__time(e->now.real_ns, when);
	buf__printf(to,
		    "],\"health\":\"ok\",\"state\":\"%s\",\"lastEvaluation\":\"%s\",\"scope\":\"%s\","
		    "\"targets\":%u,",
		    rule_state_name(st), when, scope__name(r->scope), st->n_targets);
	buf__printf(to,
		    "\"measured\":%u,\"pending\":%u,\"firing\":%u,\"leftOut\":%u,\"fired\":%" PRIu64
		    ",\"captures\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"why\":",
		    st->n_known, st->n_pending, st->n_firing, st->n_left, st->fired, st->captures,
		    st->refused);
	rule_why(e, rule, why);
	json__string(to, why);
	write_rule_numbers(e, rule, to);
	buf__append_char(to, '}');
}

void rule_engine__report_rules(const struct rule_engine *e, const char *host, struct buf *to)
{
	buf__append_str(to, "{\"status\":\"success\",\"data\":{\"groups\":[{\"name\":\"alerts\",\"file\":"
			    "\"\",\"interval\":1,"
			    "\"rules\":[");
	for (uint32_t i = 0; i < e->rules.n; i++) {
		buf__append_str(to, i ? "," : "");
		write_rule(e, i, host, to);
	}
	buf__append_str(to, "]}]}}\n");
}

void rule_engine__report_alerts(const struct rule_engine *e, const char *host, struct buf *to)
{
	buf__append_str(to, "{\"status\":\"success\",\"data\":{\"alerts\":[");
	write_alerts(e, NONE, host, to);
	buf__append_str(to, "],\"resolved\":");
	alert_past__write(&e->past, to);
	buf__append_str(to, "}}\n");
}

/* ---- for people ------------------------------------------------------------------------------------------------------- */

void rule_engine__print(const struct rule_engine *e, struct buf *to)
{
	char why[WHY_MAX], who[NOTICE_TEXT_MAX], value[CASE_VALUE_MAX];

	if (!e->rules.n)
		buf__append_str(to, "no rules: `alerts` in the configuration is empty\n");
	for (uint32_t i = 0; i < e->rules.n; i++) {
		const struct rule *r = &e->rules.items[i];
		const struct rule_state *st = &e->states[i];

		rule_why(e, i, why);
		buf__printf(to, "%-9s %s: %s\n", rule_state_name(st), r->name, r->condition.text);
		buf__printf(to,
			    "          %s %u of %u measured; fired %" PRIu64 ", captured %" PRIu64
			    ", refused %" PRIu64 "; ",
			    scope__name(r->scope), st->n_known, st->n_targets, st->fired, st->captures,
			    st->refused);
		printable__append(to, why);
		buf__append_char(to, '\n');
		for (uint32_t j = 0; j < e->n_alerts; j++) {
			const struct alert *a = &e->alerts[j];

			if (!is_shown(a) || a->rule != i)
				continue;
			notice__target(&a->told, who);
			rule__format_value(r, a->term, a->value, value);
			rule_engine__why(e, a, why);
			buf__printf(to, "          %-11s ", alert_phase__name(a->state.phase));
			printable__append(to, who);
			buf__printf(to, ", %s%s%s\n", value, *why ? ", " : "", why);
		}
	}
}

/* ---- /metrics --------------------------------------------------------------------------------------------------------- */

static void family(struct buf *to, const char *name, const char *type, const char *help)
{
	buf__printf(to, "# HELP everprof_%s %s\n# TYPE everprof_%s %s\n", name, help, name, type);
}

static void per_rule(const struct rule_engine *e, const char *name, size_t offset, bool is_wide,
		     struct buf *to)
{
	for (uint32_t i = 0; i < e->rules.n; i++) {
		const char *field = (const char *)&e->states[i] + offset;
		uint64_t v = is_wide ? *(const uint64_t *)(const void *)field
				     : *(const uint32_t *)(const void *)field;

		buf__printf(to, "everprof_%s{rule=\"%s\"} %" PRIu64 "\n", name, e->rules.items[i].name, v);
	}
}

/* Rule names are letters, digits and "._-": nothing to escape. */
void rule_engine__print_metrics(const struct rule_engine *e, struct buf *to)
{
	family(to, "rule_firing", "gauge", "Targets for which the rule fires now.");
	per_rule(e, "rule_firing", offsetof(struct rule_state, n_firing), false, to);
	family(to, "rule_pending", "gauge",
	       "Targets for which its condition holds, not yet long enough or not let by a limit.");
	per_rule(e, "rule_pending", offsetof(struct rule_state, n_pending), false, to);
	family(to, "rule_targets", "gauge", "Targets that the rule looks at.");
	per_rule(e, "rule_targets", offsetof(struct rule_state, n_targets), false, to);
	family(to, "rule_fired_total", "counter", "Times that it fired.");
	per_rule(e, "rule_fired_total", offsetof(struct rule_state, fired), true, to);
	family(to, "rule_captures_total", "counter", "Captures that it began.");
	per_rule(e, "rule_captures_total", offsetof(struct rule_state, captures), true, to);
	family(to, "rule_captures_refused_total", "counter", "Captures that a limit, or a failure, refused.");
	per_rule(e, "rule_captures_refused_total", offsetof(struct rule_state, refused), true, to);
	family(to, "rule_no_room_total", "counter",
	       "Targets and alerts that there was no room for, once a pass.");
	buf__printf(to, "everprof_rule_no_room_total %" PRIu64 "\n", e->stats.no_room);
	family(to, "rule_judging_seconds_total", "counter",
	       "CPU time of passes, from the first target handed over to the last verdict.");
	buf__printf(to, "everprof_rule_judging_seconds_total %.6f\n", (double)e->stats.judge_ns / 1e9);
}
