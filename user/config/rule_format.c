// SPDX-License-Identifier: Apache-2.0
/* A rule written back as YAML, whole: what came from templates and defaults stands in it as its own. */
#include <inttypes.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/config/event.h"
#include "user/config/rule.h"
#include "user/config/units.h"
#include "user/config/yaml.h"

static void format_match(const struct target_set *m, struct buf *to)
{
	const char *comma = "";

	buf__append_str(to, "    match: {");
#define FORMAT_KIND(kind)                                \
	if (m->kind.n) {                                 \
		buf__printf(to, "%s" #kind ": ", comma); \
		text_list__format(&m->kind, to);         \
		comma = ", ";                            \
	}
	TARGET_PATTERNS(FORMAT_KIND)
#undef FORMAT_KIND
	if (m->pid.n) {
		buf__printf(to, "%spid: ", comma);
		pid_list__format(&m->pid, to);
	}
	buf__append_str(to, "}\n");
}

static void span(struct buf *to, const char *before, uint64_t ns)
{
	char text[UNITS_TEXT_MAX];

	units__format_duration(ns, text);
	buf__printf(to, "%s%s", before, text);
}

static void format_action(const struct rule *r, struct buf *to)
{
	char action[RULE_ACTION_MAX];
	const char *comma = "";

	if (!r->capture_events) {
		buf__printf(to, "    action: [%s]\n", r->captures ? "keep" : "none");
		return;
	}
	buf__append_str(to, "    action: [");
	for (unsigned int ev = 0; ev < EVENT_N; ev++) {
		if (r->capture_events & 1u << ev) {
			rule__format_action(ev, action);
			buf__printf(to, "%s%s", comma, action);
			comma = ", ";
		}
	}
	buf__append_str(to, "]\n");
}

static void format_limits(const struct rule_limits *l, struct buf *to)
{
	char share[UNITS_TEXT_MAX];

	units__format_share(l->escalation_ppm, share);
	span(to, "    limits: {cooldown: ", l->cooldown_ns);
	buf__printf(to, ", escalation: %s, targets: %" PRIu64 ", captures_per_hour: %" PRIu64, share,
		    l->targets, l->captures_per_hour);
	span(to, ", learning: ", l->learning_ns);
	buf__append_str(to, "}\n");
}

static void format_pairs(const char *field, const struct rule_pairs *p, struct buf *to)
{
	if (!p->n)
		return;
	buf__printf(to, "    %s: {", field);
	for (uint32_t i = 0; i < p->n; i++) {
		buf__printf(to, "%s%s: ", i ? ", " : "", p->items[i].key);
		yaml__quote(p->items[i].value, to);
	}
	buf__append_str(to, "}\n");
}

static void format_notify(const struct rule *r, struct buf *to)
{
	if (!r->n_notify)
		return;
	buf__append_str(to, "    notify: [");
	for (uint32_t i = 0; i < r->n_notify; i++) {
		const struct rule_notify *n = &r->notify[i];

		buf__printf(to, "%s{%s: ", i ? ", " : "",
			    n->kind == NOTIFY_RUN       ? "run"
			    : n->kind == NOTIFY_WEBHOOK ? "webhook"
							: "alertmanager");
		if (n->kind == NOTIFY_RUN)
			text_list__format(&n->argv, to);
		else
			yaml__quote(n->url, to);
		buf__append_char(to, '}');
	}
	buf__append_str(to, "]\n");
}

void rule__format(const struct rule *r, struct buf *to)
{
	const char *condition = r->condition.text;

	buf__append_str(to, "\n  - name: ");
	yaml__quote(r->name, to);
	buf__append_str(to, "\n    condition: ");
	if (*condition == '{' || *condition == '[')
		buf__append_str(to, condition);
	else
		yaml__quote(condition, to);
	if (r->hits)
		buf__printf(to, "\n    duration: {count: %" PRIu64, r->hits);
	span(to, r->hits ? ", in: " : "\n    duration: ", r->hits ? r->hits_in_ns : r->duration_ns);
	buf__append_str(to, r->hits ? "}\n" : "\n");
	format_action(r, to);
	buf__printf(to, "    scope: %s\n", scope__name(r->scope));
	if (!target_set__is_empty(&r->match))
		format_match(&r->match, to);
	if (r->clear) {
		buf__append_str(to, "    clear: ");
		yaml__quote(r->clear, to);
		buf__append_char(to, '\n');
	}
	span(to, "    keep_firing: ", r->keep_firing_ns);
	buf__append_char(to, '\n');
	format_limits(&r->limits, to);
	format_pairs("labels", &r->labels, to);
	format_pairs("annotations", &r->annotations, to);
	format_notify(r, to);
	span(to, "    capture: {before: ", r->before_ns);
	span(to, ", after: ", r->after_ns);
	if (r->frequency_hz)
		buf__printf(to, ", frequency: %" PRIu64, r->frequency_hz);
	buf__printf(to, ", baseline: %s}", r->baseline ? "true" : "false");
}
