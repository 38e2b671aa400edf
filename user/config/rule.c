// SPDX-License-Identifier: Apache-2.0
/*
 * Entries of `alerts` from the YAML tree.
 *
 * Problem. A rule is written once and trusted for months: one that can never fire (a misspelt metric, a percentage of a limit that the
 * whole system does not have, a pattern that nothing looks at) must not be accepted.
 *
 * Idea. One table says which fields a rule has, what stands there when nothing is said, and which function takes the node.
 * What concerns two fields at once (metric and scope, scope and match) is checked after all of them are in.
 *
 * Invariants. A rule in the list is whole: every field has its value, names differ, the metric exists in the scope. Errors are one line
 * with file, line, rule and field.
 */
#include "user/config/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/config/rule_impl.h"
#include "user/config/suggest.h"
#include "user/config/units.h"
#include "user/config/yaml.h"

typedef int (*take_fn)(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);

int rule_reader__wrong_kind(struct rule_reader *r, const struct yaml_node *node, const char *expected)
{
	char scratch[YAML_DESCRIBE_MAX];

	return err__set(r->e, -EINVAL, "expected %s, found %s", expected, yaml__describe(node, scratch));
}

const char *rule_reader__copy(struct rule_reader *r, const char *text)
{
	return arena__strndup(r->arena, text, strlen(text));
}

/* The name becomes a folder's. */
int rule__take_name(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(node->text);

	if (node->kind != YAML_SCALAR || len > RULE_NAME_MAX || strspn(node->text, letters) != len ||
	    strchr("._-", node->text[0]))
		return rule_reader__wrong_kind(
			r, node,
			"a name of at most 64 letters, digits, '_', '.' and '-' that begins with a "
			"letter or digit");
	rule->name = rule_reader__copy(r, node->text);
	return rule->name ? 0 : -ENOMEM;
}

static int take_condition(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	return condition_set__take(node, r->arena, &rule->condition, r->e);
}

static int take_clear(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	if (node->kind != YAML_SCALAR)
		return rule_reader__wrong_kind(r, node, "a value");
	rule->clear = rule_reader__copy(r, node->text);
	return rule->clear ? 0 : -ENOMEM;
}

int rule_reader__take_span(struct rule_reader *r, const struct yaml_node *node, uint64_t max_ns,
			   uint64_t *ret_ns)
{
	char most[UNITS_TEXT_MAX], expected[UNITS_TEXT_MAX + 64];
	uint64_t ns;
	int err;

	units__format_duration(max_ns, most);
	snprintf(expected, sizeof(expected), "a duration from 0s to %s", most);
	if (node->kind != YAML_SCALAR)
		return rule_reader__wrong_kind(r, node, expected);
	err = units__parse_duration(node->text, &ns, r->e);
	if (err)
		return err;
	if (ns > max_ns)
		return rule_reader__wrong_kind(r, node, expected);
	*ret_ns = ns;
	return 0;
}

void rule__format_action(unsigned int event, char ret_text[RULE_ACTION_MAX])
{
	snprintf(ret_text, RULE_ACTION_MAX, "capture_%s_profile", event__name(event));
}

int rule__parse_action(const char *text, uint32_t *ret_events, struct err *e)
{
	char known[EVENT_N][RULE_ACTION_MAX];
	struct suggest s;

	suggest__init(&s, text);
	for (unsigned int ev = 0; ev < EVENT_N; ev++) {
		rule__format_action(ev, known[ev]);
		if (!strcmp(known[ev], text)) {
			*ret_events |= 1u << ev;
			return 0;
		}
		suggest__offer(&s, known[ev]);
	}
	return err__set(e, -EINVAL, "unknown action '%s'%s", units__quote(text).text,
			strchr(text, ',') ? "; a list is written [a, b]" : suggest__text(&s));
}

/* `keep` is all that is recorded, `none` nothing: both stand alone. */
static int add_action(struct rule_reader *r, const struct yaml_node *node, bool is_alone, struct rule *rule)
{
	if (is_alone && (!strcmp(node->text, "keep") || !strcmp(node->text, "none"))) {
		rule->captures = node->text[0] == 'k';
		return 0;
	}
	return rule__parse_action(node->text, &rule->capture_events, r->e);
}

static int take_action(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *item;
	int err = 0;

	rule->capture_events = 0;
	rule->captures = true;
	if (node->kind == YAML_SCALAR)
		return add_action(r, node, true, rule);
	if (node->kind != YAML_LIST || !node->n)
		return rule_reader__wrong_kind(r, node,
					       "an action such as capture_cpu_profile, or a list of them");
	yaml__for_each(item, node)
	{
		if (item->kind != YAML_SCALAR)
			return rule_reader__wrong_kind(r, item, "an action such as capture_cpu_profile");
		err = add_action(r, item, node->n == 1, rule);
		if (err)
			return err;
	}
	return 0;
}

static int take_scope(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	if (node->kind != YAML_SCALAR || scope__find(node->text, &rule->scope))
		return rule_reader__wrong_kind(r, node, "one of system, cgroup, container, process");
	return 0;
}

int rule_reader__unknown_below(struct rule_reader *r, const struct yaml_node *node, const char *const *known)
{
	struct suggest s;

	suggest__init(&s, node->key);
	for (; *known; known++)
		suggest__offer(&s, *known);
	return err__set(r->e, -EINVAL, "unknown key '%s'%s", units__quote(node->key).text, suggest__text(&s));
}

#define KIND_NAME(kind) #kind,
static const char *const match_kinds[] = {TARGET_PATTERNS(KIND_NAME) "pid", "label", NULL};
static const char *const label_kinds[] = {TARGET_PATTERNS(KIND_NAME) "pid", NULL};
#undef KIND_NAME

/* Patterns of one kind, by the kind's name or by the label's, which is the same word; *given: bits of the names that were read. */
static int take_kind(struct rule_reader *r, const struct yaml_node *node, const char *const *known,
		     struct target_set *m, uint32_t *given)
{
	struct text_list *const lists[] = {
#define KIND_LIST(kind) &m->kind,
		TARGET_PATTERNS(KIND_LIST)
#undef KIND_LIST
	};
	const uint32_t n_lists = sizeof(lists) / sizeof(*lists);
	uint32_t i = 0;
	int err;

	while (i <= n_lists && strcmp(node->key, label_kinds[i]))
		i++;
	if (i > n_lists)
		return rule_reader__unknown_below(r, node, known);
	if (*given >> i & 1)
		return err__set(r->e, -EINVAL, "%s: given twice, by itself and as a label", node->key);
	*given |= 1u << i;
	err = i < n_lists ? text_list__take(node, r->arena, lists[i], r->e)
			  : pid_list__take(node, r->arena, &m->pid, r->e);
	return err ? err__prefix(r->e, err, "%s", node->key) : 0;
}

static int take_match(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *child, *label;
	uint32_t given = 0;
	int err = 0;

	if (node->kind != YAML_MAP)
		return rule_reader__wrong_kind(r, node, "a section such as {comm: \"api-*\"}");
	yaml__for_each(child, node)
	{
		if (strcmp(child->key, "label")) {
			err = take_kind(r, child, match_kinds, &rule->match, &given);
		} else if (child->kind != YAML_MAP) {
			rule_reader__wrong_kind(r, child, "a section such as {unit: \"api-*\"}");
			return err__prefix(r->e, -EINVAL, "label");
		} else {
			yaml__for_each(label, child)
			{
				err = take_kind(r, label, label_kinds, &rule->match, &given);
				if (err)
					return err__prefix(r->e, err, "label");
			}
		}
		if (err)
			return err;
	}
	return 0;
}

/* The template is looked up before, where rules are put together. */
static int take_template(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	(void)rule;
	return node->kind == YAML_SCALAR ? 0 : rule_reader__wrong_kind(r, node, "the name of a template");
}

/* clang-format off */
static const struct rule_field fields[] = {
	{"name", "name", NULL, "Unique; the folder of the rule's captures is called so."},
	{"condition", "condition", NULL, "`METRIC OP VALUE`, OP one of `>` `>=` `<` `<=`, or one of the forms below; the metrics are listed there."},
	{"duration", "duration, 0s to 1d, or {count: 20, in: 30s}", NULL, "How long the condition must hold without a break before the rule fires, or in how many of so many seconds (10m at most). Events happen once: rules about them need none."},
	{"action", "capture_<event>_profile, keep or none, or a list of them", NULL, "`capture_<event>_profile`, with any event of the table above; `keep`: all that is recorded; `none`: nothing is kept, it is told only."},
	{"scope", "system, cgroup, container or process", "system", "What the metric is measured of; each cgroup, container or process has a state of its own."},
	{"match", "section", "everything", "Patterns by `comm process exe cgroup unit container pod`, and `pid`; of each kind that is given, one must match. `label: {unit: \"api-*\"}` names them as the labels of a profile. Not in scope `system`."},
	{"clear", "as in the condition", "a tenth", "Of a condition of one line: what fires is over only on the other side of this value; else a tenth on the calm side of the threshold."},
	{"keep_firing", "duration, 0s to 1d", "30s", "How long what fired goes on firing after it was over; if it comes back until then, that is the same alarm."},
	{"capture", "section", "{before: 30s, after: 30s, baseline: true}", "How much is kept from before the moment it fires (at most `profiling.history`), and how much follows; each 0s to 10m. `frequency`: samples a second in what follows. `baseline`: keep beside it what normal looked like."},
	{"limits", "section", "{cooldown: 10m, escalation: 25%, targets: 5, captures_per_hour: 10, learning: 5s}", "A target that fired does so again after `cooldown`, or where the value is `escalation` worse; `targets` fire at once, the worst of those that could; captures an hour; nothing fires so soon after the start of the agent or of its process (`learning`)."},
	{"labels", "section", "{}", "Texts beside `alertname`, for whoever is told."},
	{"annotations", "section", "{}", "Texts in which `{target}`, `{value}`, `{threshold}`, `{metric}`, `{since}`, `{host}`, `{rule}` and `{capture}` are filled in."},
	{"notify", "list", "[]", "Who is told when it fires and when it is over: `{webhook: URL}` (as Alertmanager's, version 4), `{alertmanager: URL}` (its API, version 2), `{run: [PROGRAM, ARGUMENT]}`."},
	{"template", "name", "none", "Fields of that name of `alerting.templates`; what stands in the rule itself wins, and both over `alerting.defaults`."},
	{NULL},
};
/* clang-format on */

/* In the order of `fields`. */
static const take_fn takers[] = {
	rule__take_name,    take_condition,    rule__take_duration, take_action,
	take_scope,         take_match,        take_clear,          rule__take_keep_firing,
	rule__take_capture, rule__take_limits, rule__take_labels,   rule__take_annotations,
	rule__take_notify,  take_template};

_Static_assert(sizeof(takers) / sizeof(*takers) + 1 == sizeof(fields) / sizeof(*fields), "one taker a field");

const struct rule_field *rule__fields(void)
{
	return fields;
}

static int check_scope(const struct rule *rule, const struct condition *c, struct err *e)
{
	const char *by_default = rule->scope == SCOPE_SYSTEM ? ", which is the default" : "";
	const struct metric *m;
	char allowed[64] = "";

	if (c->kind == CONDITION_EVENT) {
		if (rule->scope != SCOPE_PROCESS)
			return err__set(e, -EINVAL, "scope: %s happens to a process; found '%s'%s",
					host_event__name(c->event), scope__name(rule->scope), by_default);
		return 0;
	}
	m = metric__get(c->metric);
	if (m->scopes & 1u << rule->scope)
		return 0;
	for (int s = 0; s < SCOPE_N; s++) {
		if (m->scopes & 1u << s) {
			strcat(allowed, *allowed ? ", " : "");
			strcat(allowed, scope__name(s));
		}
	}
	return err__set(e, -EINVAL, "scope: %s needs one of: %s; found '%s'%s", m->name, allowed,
			scope__name(rule->scope), by_default);
}

/* A threshold that no value gets beyond. */
static int check_reach(const struct rule *rule, const struct condition *c, struct err *e)
{
	double most = c->kind == CONDITION_EVENT ? 0 : metric__most(c->metric, rule->scope);
	bool has_upper = c->kind == CONDITION_STEPS || c->kind == CONDITION_PREDICT ||
			 (c->kind == CONDITION_COMPARE && !compare__is_below(c->compare));

	if (most <= 0 || !has_upper)
		return 0;
	if (c->value < most || (c->value <= most && c->compare == COMPARE_AT_LEAST))
		return 0;
	return err__set(e, -EINVAL, "condition: %s is %g%% at most%s, so it never holds",
			metric__get(c->metric)->name, most,
			c->metric == METRIC_cpu_usage_percent ? " in scope system (it is of all CPUs)" : "");
}

static int apply_clear(struct rule *rule, struct err *e)
{
	struct condition *c = &rule->condition.terms[0];
	int err;

	if (!rule->clear)
		return 0;
	if (rule->condition.n_terms != 1 || c->kind != CONDITION_COMPARE)
		return err__set(
			e, -EINVAL,
			"clear: needs a condition of one comparison; in the others it stands beside the "
			"threshold, {metric: rss, above: 2GiB, clear: 1GiB}");
	err = condition__parse_value(c->metric, rule->clear, &c->clear, e);
	if (err)
		return err__prefix(e, err, "clear");
	if (compare__is_below(c->compare) ? c->clear < c->value : c->clear > c->value)
		return err__set(e, -EINVAL,
				"clear: expected a value on the calm side of the threshold, found '%s'",
				units__quote(rule->clear).text);
	return 0;
}

int rule__check_whole(struct rule *rule, struct err *e)
{
	for (uint32_t i = 0; i < rule->condition.n_terms; i++) {
		const struct condition *c = &rule->condition.terms[i];
		int err = check_scope(rule, c, e) ?: check_reach(rule, c, e);

		if (err)
			return err;
	}
	if (rule->scope == SCOPE_SYSTEM && !target_set__is_empty(&rule->match))
		return err__set(e, -EINVAL,
				"match: needs scope cgroup, container or process; in scope system there is "
				"one thing only");
	if (!rule->before_ns && !rule->after_ns && rule->captures)
		return err__set(e, -EINVAL,
				"capture: expected before or after above 0s, else there is nothing to keep");
	return apply_clear(rule, e);
}

int rule__take_field(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	struct suggest s;
	int err;

	for (size_t i = 0; fields[i].name; i++) {
		if (strcmp(fields[i].name, node->key))
			continue;
		err = takers[i](r, node, rule);
		return err == -ENOMEM ? err__set(r->e, err, "out of memory") : err;
	}
	suggest__init(&s, node->key);
	for (size_t i = 0; fields[i].name; i++)
		suggest__offer(&s, fields[i].name);
	return err__set(r->e, -EINVAL, "unknown key%s", suggest__text(&s));
}
