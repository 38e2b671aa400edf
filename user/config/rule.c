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
#include "user/config/suggest.h"
#include "user/config/units.h"
#include "user/config/yaml.h"

struct reader {
	const char *file;
	struct arena *arena;
	struct err *e;
};

typedef int (*take_fn)(struct reader *r, const struct yaml_node *node, struct rule *rule);

static int wrong_kind(struct reader *r, const struct yaml_node *node, const char *expected)
{
	char scratch[YAML_DESCRIBE_MAX];

	return err__set(r->e, -EINVAL, "expected %s, found %s", expected, yaml__describe(node, scratch));
}

static const char *copy(struct reader *r, const char *text)
{
	return arena__strndup(r->arena, text, strlen(text));
}

/* The name becomes a folder's. */
static int take_name(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(node->text);

	if (node->kind != YAML_SCALAR || len > RULE_NAME_MAX || strspn(node->text, letters) != len ||
	    strchr("._-", node->text[0]))
		return wrong_kind(r, node,
				  "a name of at most 64 letters, digits, '_', '.' and '-' that begins with a "
				  "letter or digit");
	rule->name = copy(r, node->text);
	return rule->name ? 0 : -ENOMEM;
}

static int take_condition(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	const char *text;

	if (node->kind != YAML_SCALAR)
		return wrong_kind(r, node, "'METRIC > VALUE'");
	text = copy(r, node->text);
	return text ? condition__parse(text, &rule->condition, r->e) : -ENOMEM;
}

static int take_span(struct reader *r, const struct yaml_node *node, uint64_t max_ns, uint64_t *ret_ns)
{
	char most[UNITS_TEXT_MAX], expected[UNITS_TEXT_MAX + 64];
	uint64_t ns;
	int err;

	units__format_duration(max_ns, most);
	snprintf(expected, sizeof(expected), "a duration from 0s to %s", most);
	if (node->kind != YAML_SCALAR)
		return wrong_kind(r, node, expected);
	err = units__parse_duration(node->text, &ns, r->e);
	if (err)
		return err;
	if (ns > max_ns)
		return wrong_kind(r, node, expected);
	*ret_ns = ns;
	return 0;
}

static int take_duration(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	return take_span(r, node, RULE_DURATION_MAX_NS, &rule->duration_ns);
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
	return err__set(e, -EINVAL, "unknown action '%s'%s", units__quote(text).text, suggest__text(&s));
}

static int take_action(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *item;
	int err = 0;

	if (node->kind == YAML_SCALAR)
		return rule__parse_action(node->text, &rule->capture_events, r->e);
	if (node->kind != YAML_LIST || !node->n)
		return wrong_kind(r, node, "an action such as capture_cpu_profile, or a list of them");
	yaml__for_each(item, node)
	{
		if (item->kind != YAML_SCALAR)
			return wrong_kind(r, item, "an action such as capture_cpu_profile");
		err = rule__parse_action(item->text, &rule->capture_events, r->e);
		if (err)
			return err;
	}
	return 0;
}

static int take_scope(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	if (node->kind != YAML_SCALAR || scope__find(node->text, &rule->scope))
		return wrong_kind(r, node, "one of system, cgroup, container, process");
	return 0;
}

/* An unknown key below `match` or `capture`. */
static int unknown_below(struct reader *r, const struct yaml_node *node, const char *const *known)
{
	struct suggest s;

	suggest__init(&s, node->key);
	for (; *known; known++)
		suggest__offer(&s, *known);
	return err__set(r->e, -EINVAL, "unknown key '%s'%s", units__quote(node->key).text, suggest__text(&s));
}

static int take_match(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
#define MATCH_NAME(kind) #kind,
	static const char *const known[] = {TARGET_PATTERNS(MATCH_NAME) "pid", NULL};
#undef MATCH_NAME
	struct target_set *m = &rule->match;
	const struct yaml_node *child;
	struct text_list *list;
	int err;

	if (node->kind != YAML_MAP)
		return wrong_kind(r, node, "a section such as {comm: \"api-*\"}");
	yaml__for_each(child, node)
	{
		list = NULL;
#define MATCH_FIND(kind)                \
	if (!strcmp(child->key, #kind)) \
		list = &m->kind;
		TARGET_PATTERNS(MATCH_FIND)
#undef MATCH_FIND
		if (list)
			err = text_list__take(child, r->arena, list, r->e);
		else if (!strcmp(child->key, "pid"))
			err = pid_list__take(child, r->arena, &m->pid, r->e);
		else
			return unknown_below(r, child, known);
		if (err)
			return err__prefix(r->e, err, "%s", child->key);
	}
	return 0;
}

static int take_capture(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	static const char *const known[] = {"before", "after", NULL};
	const struct yaml_node *child;
	uint64_t *ns;
	int err;

	if (node->kind != YAML_MAP)
		return wrong_kind(r, node, "a section such as {before: 30s, after: 30s}");
	yaml__for_each(child, node)
	{
		if (!strcmp(child->key, "before"))
			ns = &rule->before_ns;
		else if (!strcmp(child->key, "after"))
			ns = &rule->after_ns;
		else
			return unknown_below(r, child, known);
		err = take_span(r, child, RULE_CAPTURE_MAX_NS, ns);
		if (err)
			return err__prefix(r->e, err, "%s", child->key);
	}
	if (!rule->before_ns && !rule->after_ns)
		return err__set(r->e, -EINVAL,
				"expected before or after above 0s, else there is nothing to keep");
	return 0;
}

/* clang-format off */
static const struct rule_field fields[] = {
	{"name", "name", NULL, "Unique; the folder of the rule's captures is called so."},
	{"condition", "condition", NULL, "`METRIC OP VALUE`, OP one of `>` `>=` `<` `<=`; the metrics are listed below."},
	{"duration", "duration, 0s to 1d", NULL, "How long the condition must hold without a break before the rule fires."},
	{"action", "action or list of actions", NULL, "`capture_<event>_profile`, with any event of the table above."},
	{"scope", "system, cgroup, container or process", "system", "What the metric is measured of; each cgroup, container or process has a state of its own."},
	{"match", "section", "everything", "Patterns by `comm process exe cgroup unit container pod`, and `pid`; of each kind that is given, one must match. Not in scope `system`."},
	{"capture", "section", "{before: 30s, after: 30s}", "How much is kept from before the moment it fires (at most `profiling.history`), and how much follows; each 0s to 10m."},
	{NULL},
};
/* clang-format on */

/* In the order of `fields`. */
static const take_fn takers[] = {take_name,  take_condition, take_duration, take_action,
				 take_scope, take_match,     take_capture};

const struct rule_field *rule__fields(void)
{
	return fields;
}

static int check_whole(const struct rule *rule, struct err *e)
{
	const struct metric *m = metric__get(rule->condition.metric);
	char allowed[64] = "";

	if (!(m->scopes & 1u << rule->scope)) {
		for (int s = 0; s < SCOPE_N; s++) {
			if (m->scopes & 1u << s) {
				strcat(allowed, *allowed ? ", " : "");
				strcat(allowed, scope__name(s));
			}
		}
		return err__set(e, -EINVAL, "scope: %s needs one of: %s; found '%s'", m->name, allowed,
				scope__name(rule->scope));
	}
	if (rule->scope == SCOPE_SYSTEM && !target_set__is_empty(&rule->match))
		return err__set(e, -EINVAL,
				"match: needs scope cgroup, container or process; in scope system there is "
				"one thing only");
	return 0;
}

/* "alerts[3]", or "alerts[3] HighCPUUsage" once its name is known. */
static int at(struct reader *r, int code, uint32_t line, uint32_t index, const struct rule *rule,
	      const char *key)
{
	return err__prefix(r->e, code, "%s:%u: alerts[%u]%s%s%s%s", r->file, line, index,
			   rule->name ? " " : "", rule->name ? rule->name : "", key ? "." : "",
			   key ? key : "");
}

static int take_field(struct reader *r, const struct yaml_node *node, struct rule *rule)
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

static int take_rule(struct reader *r, const struct yaml_node *node, uint32_t index, struct rule *ret_rule)
{
	struct rule rule = {
		.scope = SCOPE_SYSTEM,
		.before_ns = 30000000000ull,
		.after_ns = 30000000000ull,
		.line = node->line,
	};
	const struct yaml_node *child, *name = yaml__child(node, "name");
	int err;

	if (node->kind != YAML_MAP) {
		wrong_kind(r, node, "a rule (name, condition, duration, action)");
		return at(r, -EINVAL, node->line, index, &rule, NULL);
	}
	/* the name first, so that every other error can say it */
	if (name) {
		err = take_name(r, name, &rule);
		if (err)
			return at(r, err, name->key_line, index, &rule, "name");
	}
	yaml__for_each(child, node)
	{
		if (child == name)
			continue;
		err = take_field(r, child, &rule);
		if (err)
			return at(r, err, child->key_line, index, &rule, units__quote(child->key).text);
	}
	for (size_t i = 0; fields[i].name; i++) {
		if (!fields[i].fallback && !yaml__child(node, fields[i].name)) {
			err__set(r->e, -EINVAL, "expected '%s', which every rule must have", fields[i].name);
			return at(r, -EINVAL, node->line, index, &rule, NULL);
		}
	}
	err = check_whole(&rule, r->e);
	if (err)
		return at(r, err, node->line, index, &rule, NULL);
	*ret_rule = rule;
	return 0;
}

int rule__parse_list(const char *name, const struct yaml_node *node, struct arena *arena,
		     struct rule_list *ret_rules, struct err *e)
{
	struct reader r = {name, arena, e};
	const struct yaml_node *item;
	struct rule *rules;
	uint32_t n = 0;
	int err;

	if (node->kind != YAML_LIST && node->kind != YAML_NOTHING) {
		wrong_kind(&r, node, "a list of rules");
		return err__prefix(e, -EINVAL, "%s:%u: alerts", name, node->line);
	}
	if (node->n > RULES_MAX)
		return err__set(e, -E2BIG, "%s:%u: alerts: %u rules, at most %d are allowed", name,
				node->line, node->n, RULES_MAX);
	rules = arena__alloc(arena, (node->n + 1) * sizeof(*rules));
	if (!rules)
		return err__set(e, -ENOMEM, "%s:%u: alerts: out of memory", name, node->line);
	yaml__for_each(item, node)
	{
		err = take_rule(&r, item, n, &rules[n]);
		if (err)
			return err;
		for (uint32_t i = 0; i < n; i++) {
			if (!strcmp(rules[i].name, rules[n].name))
				return err__set(
					e, -EINVAL,
					"%s:%u: alerts[%u].name: '%s' is taken by the rule in line %u", name,
					item->line, n, rules[n].name, rules[i].line);
		}
		n++;
	}
	*ret_rules = (struct rule_list){rules, n};
	return 0;
}
