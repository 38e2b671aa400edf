// SPDX-License-Identifier: Apache-2.0
/*
 * All rules of a configuration: each put together from alerting.defaults, its template and itself, in this order; each writes over what it speaks of.
 *
 * Templates and defaults that no rule uses are looked at as well: what is wrong in them is found now, not when they are used. Errors say file, line, rule and
 * field, of the place where the field stands.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/err.h"
#include "user/config/rule_impl.h"
#include "user/config/suggest.h"
#include "user/config/units.h"
#include "user/config/yaml.h"

/* "alerts[3]", or "alerts[3] HighCPUUsage" once its name is known. */
static int at(struct rule_reader *r, int code, uint32_t line, uint32_t index, const struct rule *rule,
	      const char *key)
{
	return err__prefix(r->e, code, "%s:%u: alerts[%u]%s%s%s%s", r->file, line, index,
			   rule->name ? " " : "", rule->name ? rule->name : "", key ? "." : "",
			   key ? key : "");
}

/* Everything of a section but what only a rule may have; for defaults and templates. */
static int take_part(struct rule_reader *r, const struct yaml_node *part, const char *where,
		     struct rule *rule)
{
	const struct yaml_node *child;
	int err;

	if (part->kind == YAML_NOTHING)
		return 0;
	if (part->kind != YAML_MAP) {
		rule_reader__wrong_kind(r, part, "a section of a rule's fields");
		return err__prefix(r->e, -EINVAL, "%s:%u: %s", r->file, part->line, where);
	}
	yaml__for_each(child, part)
	{
		if (!strcmp(child->key, "name") || !strcmp(child->key, "template"))
			err = err__set(r->e, -EINVAL, "only a rule itself has it");
		else
			err = rule__take_field(r, child, rule);
		if (err)
			return err__prefix(r->e, err, "%s:%u: %s.%s", r->file, child->key_line, where,
					   units__quote(child->key).text);
	}
	return 0;
}

struct parts {
	const struct rule_source *defaults, *templates;
};

static const struct yaml_node *node_of(const struct rule_source *s)
{
	return s ? s->node : NULL;
}

static int take_from_template(struct rule_reader *r, const struct parts *p, const char *name,
			      struct rule *rule)
{
	const struct yaml_node *all = node_of(p->templates), *child, *found = NULL;
	struct rule_reader there = *r;
	char where[RULE_NAME_MAX + 32];
	struct suggest s;

	suggest__init(&s, name);
	if (all && all->kind == YAML_MAP) {
		yaml__for_each(child, all)
		{
			suggest__offer(&s, child->key);
			if (!strcmp(child->key, name))
				found = child;
		}
	}
	if (!found)
		return err__set(r->e, -EINVAL, "there is no '%s' in alerting.templates%s",
				units__quote(name).text, suggest__text(&s));
	there.file = p->templates->name;
	snprintf(where, sizeof(where), "alerting.templates.%s", units__quote(name).text);
	return take_part(&there, found, where, rule);
}

static int take_parts(struct rule_reader *r, const struct yaml_node *node, const struct parts *p,
		      uint32_t index, struct rule *rule)
{
	const struct yaml_node *template = yaml__child(node, "template"), *defaults = node_of(p->defaults),
			       *child;
	struct rule_reader there = *r;
	int err = 0;

	if (defaults) {
		there.file = p->defaults->name;
		err = take_part(&there, defaults, "alerting.defaults", rule);
	}
	if (err)
		return err;
	if (template && template->kind == YAML_SCALAR) {
		err = take_from_template(r, p, template->text, rule);
		if (err)
			return at(r, err, template->key_line, index, rule, "template");
	}
	yaml__for_each(child, node)
	{
		if (!strcmp(child->key, "name"))
			continue;
		err = rule__take_field(r, child, rule);
		if (err)
			return at(r, err, child->key_line, index, rule, units__quote(child->key).text);
	}
	return 0;
}

static bool is_given(const struct rule *rule, const char *field)
{
	if (!strcmp(field, "name"))
		return rule->name != NULL;
	if (!strcmp(field, "condition"))
		return rule->condition.n_terms != 0;
	if (!strcmp(field, "duration"))
		return rule->duration_ns != UINT64_MAX || condition_set__is_event(&rule->condition);
	return rule->captures || rule->capture_events != UINT32_MAX; /* action */
}

static const struct rule rule_defaults = {
	.scope = SCOPE_SYSTEM,
	.duration_ns = UINT64_MAX,    /* not given */
	.capture_events = UINT32_MAX, /* not given */
	.keep_firing_ns = 30000000000ull,
	.before_ns = 30000000000ull,
	.after_ns = 30000000000ull,
	.baseline = true,
	.limits = {.cooldown_ns = 600000000000ull,
		   .escalation_ppm = 25 * PPM_PER_PERCENT,
		   .targets = 5,
		   .captures_per_hour = 10,
		   .learning_ns = 5000000000ull},
};

static int take_rule(struct rule_reader *r, const struct yaml_node *node, const struct parts *p,
		     uint32_t index, struct rule *rule)
{
	const struct yaml_node *name = yaml__child(node, "name");
	int err;

	*rule = rule_defaults;
	rule->line = node->line;
	if (node->kind != YAML_MAP) {
		rule_reader__wrong_kind(r, node, "a rule (name, condition, duration, action)");
		return at(r, -EINVAL, node->line, index, rule, NULL);
	}
	/* the name first, so that every other error can say it */
	if (name) {
		err = rule__take_name(r, name, rule);
		if (err)
			return at(r, err, name->key_line, index, rule, "name");
	}
	err = take_parts(r, node, p, index, rule);
	if (err)
		return err;
	for (const struct rule_field *f = rule__fields(); f->name; f++) {
		if (!f->fallback && !is_given(rule, f->name)) {
			err__set(r->e, -EINVAL, "expected '%s' (%s), which every rule must have", f->name,
				 f->type);
			return at(r, -EINVAL, node->line, index, rule, NULL);
		}
	}
	if (rule->duration_ns == UINT64_MAX)
		rule->duration_ns = 0;
	err = rule__check_whole(rule, r->e);
	return err ? at(r, err, node->line, index, rule, NULL) : 0;
}

static int check_templates(struct rule_reader *r, const struct parts *p)
{
	const struct yaml_node *all = node_of(p->templates), *child;
	struct rule_reader there = *r;
	struct rule *scratch;
	int err = 0;

	if (!all || all->kind == YAML_NOTHING)
		return 0;
	there.file = p->templates->name;
	if (all->kind != YAML_MAP) {
		rule_reader__wrong_kind(r, all, "a section of templates");
		return err__prefix(r->e, -EINVAL, "%s:%u: alerting.templates", there.file, all->line);
	}
	scratch = arena__alloc(r->arena, sizeof(*scratch));
	if (!scratch)
		return err__set(r->e, -ENOMEM, "out of memory");
	yaml__for_each(child, all)
	{
		*scratch = rule_defaults;
		err = take_from_template(r, p, child->key, scratch);
		if (err)
			break;
	}
	return err;
}

static int check_defaults(struct rule_reader *r, const struct parts *p)
{
	struct rule_reader there = *r;
	struct rule *scratch;

	if (!node_of(p->defaults))
		return 0;
	scratch = arena__alloc(r->arena, sizeof(*scratch));
	if (!scratch)
		return err__set(r->e, -ENOMEM, "out of memory");
	*scratch = rule_defaults;
	there.file = p->defaults->name;
	return take_part(&there, p->defaults->node, "alerting.defaults", scratch);
}

int rule__parse_list(const struct rule_source *source, const struct rule_source *defaults,
		     const struct rule_source *templates, struct arena *arena, struct rule_list *ret_rules,
		     struct err *e)
{
	struct rule_reader r = {source->name, arena, e};
	const struct parts parts = {defaults, templates};
	const struct yaml_node *node = source->node, *item;
	struct rule *rules;
	uint32_t n = 0;
	int err;

	if (node->kind != YAML_LIST && node->kind != YAML_NOTHING) {
		rule_reader__wrong_kind(&r, node, "a list of rules");
		return err__prefix(e, -EINVAL, "%s:%u: alerts", r.file, node->line);
	}
	if (node->n > RULES_MAX)
		return err__set(e, -E2BIG, "%s:%u: alerts: %u rules, at most %d are allowed", r.file,
				node->line, node->n, RULES_MAX);
	err = check_defaults(&r, &parts) ?: check_templates(&r, &parts);
	if (err)
		return err;
	rules = arena__alloc(arena, (node->n + 1) * sizeof(*rules));
	if (!rules)
		return err__set(e, -ENOMEM, "%s:%u: alerts: out of memory", r.file, node->line);
	yaml__for_each(item, node)
	{
		err = take_rule(&r, item, &parts, n, &rules[n]);
		if (err)
			return err;
		for (uint32_t i = 0; i < n; i++) {
			if (!strcmp(rules[i].name, rules[n].name))
				return err__set(
					e, -EINVAL,
					"%s:%u: alerts[%u].name: '%s' is taken by the rule in line %u",
					r.file, item->line, n, rules[n].name, rules[i].line);
		}
		n++;
	}
	*ret_rules = (struct rule_list){rules, n};
	return 0;
}
