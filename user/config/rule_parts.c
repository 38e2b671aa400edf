// SPDX-License-Identifier: Apache-2.0
/* The fields of a rule that are sections or lists of their own: how long, how often, with what around it, and who is told. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/err.h"
#include "user/config/rule_impl.h"
#include "user/config/units.h"

#define HITS_MAX      600
#define FREQUENCY_MAX 1000
#define URL_MAX       1024
#define ARGUMENT_MAX  1024

static int take_count(struct rule_reader *r, const struct yaml_node *node, uint64_t max, uint64_t *ret)
{
	char expected[64];
	uint64_t n;

	snprintf(expected, sizeof(expected), "a whole number from 1 to %llu", (unsigned long long)max);
	if (node->kind != YAML_SCALAR || units__parse_count(node->text, &n, NULL) || !n || n > max)
		return rule_reader__wrong_kind(r, node, expected);
	*ret = n;
	return 0;
}

static int take_hits(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	static const char *const known[] = {"count", "in", NULL};
	const struct yaml_node *child;
	uint64_t count = 0, in_ns = 0;
	int err;

	yaml__for_each(child, node)
	{
		if (!strcmp(child->key, "count"))
			err = take_count(r, child, HITS_MAX, &count);
		else if (!strcmp(child->key, "in"))
			err = rule_reader__take_span(r, child, RULE_HITS_MAX_NS, &in_ns);
		else
			return rule_reader__unknown_below(r, child, known);
		if (err)
			return err__prefix(r->e, err, "%s", child->key);
	}
	if (!count || in_ns < count * 1000000000ull)
		return err__set(r->e, -EINVAL,
				"expected {count: N, in: DURATION} with a duration of at least N seconds");
	rule->hits = count;
	rule->hits_in_ns = in_ns;
	rule->duration_ns = 0;
	return 0;
}

int rule__take_duration(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	if (node->kind == YAML_MAP)
		return take_hits(r, node, rule);
	rule->hits = rule->hits_in_ns = 0;
	return rule_reader__take_span(r, node, RULE_DURATION_MAX_NS, &rule->duration_ns);
}

int rule__take_keep_firing(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	return rule_reader__take_span(r, node, RULE_DURATION_MAX_NS, &rule->keep_firing_ns);
}

static int take_switch(struct rule_reader *r, const struct yaml_node *node, bool *ret)
{
	if (node->kind != YAML_SCALAR || (strcmp(node->text, "true") && strcmp(node->text, "false")))
		return rule_reader__wrong_kind(r, node, "true or false");
	*ret = node->text[0] == 't';
	return 0;
}

int rule__take_capture(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	static const char *const known[] = {"before", "after", "frequency", "baseline", NULL};
	const struct yaml_node *child;
	int err;

	if (node->kind != YAML_MAP)
		return rule_reader__wrong_kind(r, node, "a section such as {before: 30s, after: 30s}");
	yaml__for_each(child, node)
	{
		if (!strcmp(child->key, "before"))
			err = rule_reader__take_span(r, child, RULE_CAPTURE_MAX_NS, &rule->before_ns);
		else if (!strcmp(child->key, "after"))
			err = rule_reader__take_span(r, child, RULE_CAPTURE_MAX_NS, &rule->after_ns);
		else if (!strcmp(child->key, "frequency"))
			err = take_count(r, child, FREQUENCY_MAX, &rule->frequency_hz);
		else if (!strcmp(child->key, "baseline"))
			err = take_switch(r, child, &rule->baseline);
		else
			return rule_reader__unknown_below(r, child, known);
		if (err)
			return err__prefix(r->e, err, "%s", child->key);
	}
	return 0;
}

static int take_share(struct rule_reader *r, const struct yaml_node *node, uint64_t *ret_ppm)
{
	if (node->kind != YAML_SCALAR)
		return rule_reader__wrong_kind(r, node, "a percentage");
	return units__parse_share(node->text, ret_ppm, r->e);
}

int rule__take_limits(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	static const char *const known[] = {"cooldown",          "escalation", "targets",
					    "captures_per_hour", "learning",   NULL};
	struct rule_limits *l = &rule->limits;
	const struct yaml_node *child;
	int err;

	if (node->kind != YAML_MAP)
		return rule_reader__wrong_kind(r, node, "a section such as {cooldown: 10m, targets: 5}");
	yaml__for_each(child, node)
	{
		if (!strcmp(child->key, "cooldown"))
			err = rule_reader__take_span(r, child, RULE_DURATION_MAX_NS, &l->cooldown_ns);
		else if (!strcmp(child->key, "escalation"))
			err = take_share(r, child, &l->escalation_ppm);
		else if (!strcmp(child->key, "targets"))
			err = take_count(r, child, RULE_TARGETS_MAX, &l->targets);
		else if (!strcmp(child->key, "captures_per_hour"))
			err = take_count(r, child, 1000, &l->captures_per_hour);
		else if (!strcmp(child->key, "learning"))
			err = rule_reader__take_span(r, child, RULE_DURATION_MAX_NS, &l->learning_ns);
		else
			return rule_reader__unknown_below(r, child, known);
		if (err)
			return err__prefix(r->e, err, "%s", child->key);
	}
	return 0;
}

/* ---- labels and annotations ------------------------------------------------------------------------------------------- */

static int set_pair(struct rule_reader *r, const struct yaml_node *node, struct rule_pairs *pairs)
{
	uint32_t i = 0;

	if (node->kind != YAML_SCALAR || strlen(node->text) > RULE_PAIR_TEXT_MAX)
		return rule_reader__wrong_kind(r, node, "a text of at most 1024 bytes");
	while (i < pairs->n && strcmp(pairs->items[i].key, node->key))
		i++;
	if (i == RULE_PAIRS_MAX)
		return err__set(r->e, -E2BIG, "more than %d", RULE_PAIRS_MAX);
	pairs->items[i].key = rule_reader__copy(r, node->key);
	pairs->items[i].value = rule_reader__copy(r, node->text);
	if (i == pairs->n)
		pairs->n++;
	return pairs->items[i].key && pairs->items[i].value ? 0 : -ENOMEM;
}

/* As Prometheus has them. */
static bool is_label_name(const char *name)
{
	static const char letters[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return *name && strlen(name) <= RULE_NAME_MAX && strspn(name, letters) == strlen(name) &&
	       !(*name >= '0' && *name <= '9');
}

static int take_pairs(struct rule_reader *r, const struct yaml_node *node, struct rule_pairs *pairs)
{
	const struct yaml_node *child;
	int err;

	if (node->kind != YAML_MAP)
		return rule_reader__wrong_kind(r, node, "a section such as {severity: page}");
	yaml__for_each(child, node)
	{
		if (!is_label_name(child->key))
			return err__set(r->e, -EINVAL,
					"expected names of letters, digits and '_', found '%s'",
					units__quote(child->key).text);
		err = set_pair(r, child, pairs);
		if (err)
			return err__prefix(r->e, err, "%s", child->key);
	}
	return 0;
}

int rule__take_labels(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	return take_pairs(r, node, &rule->labels);
}

int rule__take_annotations(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	return take_pairs(r, node, &rule->annotations);
}

/* ---- notify ----------------------------------------------------------------------------------------------------------- */

static int take_url(struct rule_reader *r, const struct yaml_node *node, struct rule_notify *n)
{
	if (node->kind != YAML_SCALAR || strlen(node->text) > URL_MAX ||
	    (strncmp(node->text, "http://", 7) && strncmp(node->text, "https://", 8)) ||
	    !strchr(node->text, ':')[3] || strpbrk(node->text, " \t\r\n"))
		return rule_reader__wrong_kind(r, node, "a URL such as http://127.0.0.1:9093");
	n->url = rule_reader__copy(r, node->text);
	return n->url ? 0 : -ENOMEM;
}

static int take_program(struct rule_reader *r, const struct yaml_node *node, struct rule_notify *n)
{
	int err = text_list__take_up_to(ARGUMENT_MAX, node, r->arena, &n->argv, r->e);

	if (err)
		return err;
	if (n->argv.n > RULE_ARGS_MAX)
		return err__set(r->e, -E2BIG, "run: more than %d texts", RULE_ARGS_MAX);
	if (!n->argv.n || n->argv.items[0][0] != '/')
		return rule_reader__wrong_kind(r, node, "an absolute path, or a list of one and arguments");
	return 0;
}

static int take_one_notify(struct rule_reader *r, const struct yaml_node *node, struct rule_notify *n)
{
	static const char *const known[] = {"webhook", "alertmanager", "run", NULL};
	const struct yaml_node *child = node->first;

	*n = (struct rule_notify){0};
	if (node->kind != YAML_MAP || node->n != 1)
		return rule_reader__wrong_kind(r, node,
					       "one of {webhook: URL}, {alertmanager: URL}, {run: PROGRAM}");
	if (!strcmp(child->key, "webhook"))
		n->kind = NOTIFY_WEBHOOK;
	else if (!strcmp(child->key, "alertmanager"))
		n->kind = NOTIFY_ALERTMANAGER;
	else if (!strcmp(child->key, "run"))
		n->kind = NOTIFY_RUN;
	else
		return rule_reader__unknown_below(r, child, known);
	return n->kind == NOTIFY_RUN ? take_program(r, child, n) : take_url(r, child, n);
}

int rule__take_notify(struct rule_reader *r, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *item;
	int err = 0;

	rule->n_notify = 0;
	if (node->kind == YAML_MAP) {
		err = take_one_notify(r, node, &rule->notify[0]);
		rule->n_notify = !err;
		return err;
	}
	if (node->kind != YAML_LIST)
		return rule_reader__wrong_kind(r, node, "a list such as [{webhook: URL}, {run: PROGRAM}]");
	if (node->n > RULE_NOTIFY_MAX)
		return err__set(r->e, -E2BIG, "more than %d", RULE_NOTIFY_MAX);
	for (item = node->first; item && !err; item = item->next) {
		err = take_one_notify(r, item, &rule->notify[rule->n_notify]);
		rule->n_notify += !err;
	}
	return err;
}
