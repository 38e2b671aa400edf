// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. One comparison a rule is too few for what people mean ("hot and throttled"), and an expression language is too much for what they can check at
 * a glance; a rule that means something else than it says is found out in the night.
 *
 * Idea. A condition is one line, or a section whose words say what kind it is; `any` and `all` join them, two levels deep. Both levels are kept as one list
 * of terms with the number of their group: the outer word joins groups, the other one the terms of a group.
 *
 *      {any: [a, {all: [b, c]}]}      terms a b c    groups 0 1 1    is_any: a or (b and c)
 *
 * Invariants. Every value is in its metric's base unit, written with its unit. A clear threshold is on the calm side of the one that fires, steps rise, a band is
 * not empty. Events do not join with metrics, which hold for a while: only `any` joins them.
 */
#include "user/config/condition_set.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/suggest.h"
#include "user/config/units.h"
#include "user/config/yaml.h"

#define SPAN_MIN_NS 10000000000ull
#define SPAN_MAX_NS (7 * 24 * 3600ull * 1000000000)
#define TEXT_MAX    4096
#define SAMPLES_MIN 20
#define SAMPLES_MAX 1000000

/* The words of one section, each with the node that stands there or NULL. */
struct form {
	const struct yaml_node *metric, *above, *below, *clear, *rise, *over, *ago, *min, *steps, *predict,
		*within, *of, *self, *samples;
};

/* clang-format off */
static const struct condition_field fields[] = {
	{"metric", "Its name; with one of `above`, `below`, `rise`, `steps`, `predict`."},
	{"above", "Holds above this. Together with a `below` that is less: outside of that band; with one that is more: inside of it."},
	{"below", "Holds below this."},
	{"clear", "What fires is over only on the other side of this; a tenth on the calm side of the threshold where nothing is said."},
	{"rise", "Holds where the value is this share over its usual one: the mean of the time before (`over`), or the value at a time before (`ago`)."},
	{"over", "The time whose mean is the usual value, or whose slope `predict` follows (5m); 10s to 7d."},
	{"ago", "The time before at which the usual value is taken; 10s to 7d."},
	{"min", "Of `rise`: less than this never holds."},
	{"steps", "A rising list: fires above the first, captures again above each further one."},
	{"predict", "Holds where this value is reached `within` a time, if it goes on as in the time `over`. Values come from below; `memory_available_percent` and `memory_limit_eta` from above."},
	{"within", "How long before it would be reached."},
	{"of", "`function_share`, `library_share`: the function by name, the binary or library by path or name; a pattern."},
	{"self", "… `true`: only what is in it, without what it calls (false)."},
	{"samples", "`function_share`, `library_share`, `profile_drift`: with fewer samples of the target it is not known (200)."},
	{NULL, NULL},
};
/* clang-format on */

const struct condition_field *condition_set__fields(void)
{
	return fields;
}

static int wrong_kind(const struct yaml_node *node, const char *expected, struct err *e)
{
	char scratch[YAML_DESCRIBE_MAX];

	return err__set(e, -EINVAL, "expected %s, found %s", expected, yaml__describe(node, scratch));
}

/* The host event of that name, or HOST_EVENT_N. */
static enum host_event_kind find_event(const char *name)
{
	int i = 0;

	while (i < HOST_EVENT_N && strcmp(host_event__name(i), name))
		i++;
	return i;
}

/* ---- one condition ---------------------------------------------------------------------------------------------------- */

static int take_line(const struct yaml_node *node, struct arena *arena, struct condition *ret, struct err *e)
{
	const char *text = arena__strndup(arena, node->text, strlen(node->text));
	enum host_event_kind event = find_event(node->text);

	if (!text)
		return err__set(e, -ENOMEM, "out of memory");
	if (event == HOST_EVENT_N)
		return condition__parse(text, ret, e);
	*ret = (struct condition){.kind = CONDITION_EVENT, .metric = METRIC_N, .event = event, .text = text};
	return 0;
}

static int fill_form(const struct yaml_node *node, struct form *f, struct err *e)
{
	const struct yaml_node **const slots[] = {&f->metric, &f->above, &f->below, &f->clear,  &f->rise,
						  &f->over,   &f->ago,   &f->min,   &f->steps,  &f->predict,
						  &f->within, &f->of,    &f->self,  &f->samples};
	const struct yaml_node *child;
	struct suggest s;
	size_t i;

	*f = (struct form){0};
	yaml__for_each(child, node)
	{
		for (i = 0; fields[i].name && strcmp(fields[i].name, child->key); i++)
			;
		if (!strcmp(child->key, "any") || !strcmp(child->key, "all"))
			return err__set(
				e, -EINVAL,
				"%s: stands alone in its section, and two levels of any and all are the most",
				child->key);
		if (!fields[i].name) {
			suggest__init(&s, child->key);
			for (i = 0; fields[i].name; i++)
				suggest__offer(&s, fields[i].name);
			return err__set(e, -EINVAL, "unknown key '%s'%s", units__quote(child->key).text,
					suggest__text(&s));
		}
		if (child->kind != YAML_SCALAR && slots[i] != &f->steps) {
			wrong_kind(child, "a value", e);
			return err__prefix(e, -EINVAL, "%s", child->key);
		}
		*slots[i] = child;
	}
	return 0;
}

static int take_metric(const struct yaml_node *node, enum metric_id *ret, struct err *e)
{
	struct suggest s;

	if (!node)
		return err__set(e, -EINVAL, "expected 'metric' in the section");
	if (!metric__find(node->text, ret))
		return 0;
	suggest__init(&s, node->text);
	for (int i = 0; i < METRIC_N; i++)
		suggest__offer(&s, metric__get(i)->name);
	return err__set(e, -EINVAL, "unknown metric '%s'%s", units__quote(node->text).text,
			suggest__text(&s));
}

static int take_span(const struct yaml_node *node, uint64_t *ret_ns, struct err *e)
{
	int err = units__parse_duration(node->text, ret_ns, e);

	if (err)
		return err__prefix(e, err, "%s", node->key);
	if (*ret_ns < SPAN_MIN_NS || *ret_ns > SPAN_MAX_NS)
		return err__set(e, -EINVAL, "%s: expected a duration from 10s to 7d, found '%s'", node->key,
				units__quote(node->text).text);
	return 0;
}

static int take_value(const struct yaml_node *node, enum metric_id metric, double *ret, struct err *e)
{
	int err = condition__parse_value(metric, node->text, ret, e);

	return err ? err__prefix(e, err, "%s", node->key) : 0;
}

static int take_clear(const struct form *f, struct condition *c, struct err *e)
{
	int err;

	c->clear = condition__default_clear(c->compare, c->value);
	if (!f->clear)
		return 0;
	err = take_value(f->clear, c->metric, &c->clear, e);
	if (err)
		return err;
	if (compare__is_below(c->compare) ? c->clear < c->value : c->clear > c->value)
		return err__set(e, -EINVAL,
				"clear: expected a value on the calm side of the threshold, found '%s'",
				units__quote(f->clear->text).text);
	return 0;
}

static int take_bounds(const struct form *f, struct condition *c, struct err *e)
{
	double above = 0, below = 0;
	int err = f->above ? take_value(f->above, c->metric, &above, e) : 0;

	if (!err && f->below)
		err = take_value(f->below, c->metric, &below, e);
	if (err)
		return err;
	if (!f->above || !f->below) {
		c->compare = f->above ? COMPARE_ABOVE : COMPARE_BELOW;
		c->value = f->above ? above : below;
		return take_clear(f, c, e);
	}
	if (f->clear)
		return err__set(e, -EINVAL, "clear: a band has none");
	if (above == below)
		return err__set(e, -EINVAL, "expected above and below to differ");
	c->kind = above > below ? CONDITION_OUTSIDE : CONDITION_INSIDE;
	c->value = fmax(above, below);
	c->low = fmin(above, below);
	return 0;
}

static int take_rise(const struct form *f, struct condition *c, struct err *e)
{
	uint64_t ppm;
	int err = units__parse_share(f->rise->text, &ppm, e);

	c->kind = CONDITION_RISE;
	if (err)
		return err__prefix(e, err, "rise");
	if (!ppm)
		return err__set(e, -EINVAL, "rise: expected a percentage above 0%%");
	c->value = (double)ppm / (100.0 * PPM_PER_PERCENT);
	if (!f->over == !f->ago)
		return err__set(e, -EINVAL,
				"rise: expected either 'over' (against the mean of that time) or 'ago' "
				"(against the value at that time before)");
	err = f->over ? take_span(f->over, &c->over_ns, e) : take_span(f->ago, &c->ago_ns, e);
	if (!err && f->min)
		err = take_value(f->min, c->metric, &c->min, e);
	return err;
}

static int take_steps(const struct form *f, struct condition *c, struct err *e)
{
	const struct yaml_node *item;
	int err;

	c->kind = CONDITION_STEPS;
	if (f->steps->kind != YAML_LIST || !f->steps->n || f->steps->n > CONDITION_STEPS_MAX)
		return err__set(e, -EINVAL, "steps: expected a list of 1 to %d values", CONDITION_STEPS_MAX);
	yaml__for_each(item, f->steps)
	{
		if (item->kind != YAML_SCALAR)
			return err__set(e, -EINVAL, "steps: expected a list of values");
		err = condition__parse_value(c->metric, item->text, &c->steps[c->n_steps], e);
		if (err)
			return err__prefix(e, err, "steps");
		if (c->n_steps && c->steps[c->n_steps] <= c->steps[c->n_steps - 1])
			return err__set(e, -EINVAL,
					"steps: expected each value above the one before, found '%s'",
					units__quote(item->text).text);
		c->n_steps++;
	}
	c->value = c->steps[0];
	return take_clear(f, c, e);
}

static int take_predict(const struct form *f, struct condition *c, struct err *e)
{
	int err = take_value(f->predict, c->metric, &c->value, e);

	c->kind = CONDITION_PREDICT;
	c->over_ns = 300000000000ull;
	if (err)
		return err;
	if (!f->within)
		return err__set(e, -EINVAL,
				"predict: expected 'within' beside it, the time before it is reached");
	err = take_span(f->within, &c->within_ns, e);
	if (!err && f->over)
		err = take_span(f->over, &c->over_ns, e);
	return err;
}

/* A word that says nothing in this kind is a mistake. */
static int refuse_idle_words(const struct form *f, const struct condition *c, struct err *e)
{
	bool rise = c->kind == CONDITION_RISE, predict = c->kind == CONDITION_PREDICT;
	const struct yaml_node *idle = NULL;

	if ((f->ago || f->min) && !rise)
		idle = f->ago ? f->ago : f->min;
	if (f->over && !rise && !predict)
		idle = f->over;
	if (f->within && !predict)
		idle = f->within;
	if (f->clear && (rise || predict))
		idle = f->clear;
	return idle ? err__set(e, -EINVAL, "%s: means nothing in this kind of condition", idle->key) : 0;
}

/* Which part of a profile it is about, and how many samples that takes. */
static int take_part(const struct form *f, struct arena *arena, struct condition *c, struct err *e)
{
	const struct yaml_node *idle = NULL;
	uint64_t n = CONDITION_SAMPLES;

	if (!metric__needs_name(c->metric))
		idle = f->of ? f->of : f->self;
	if (!metric__is_of_profiles(c->metric) && f->samples)
		idle = f->samples;
	if (idle)
		return err__set(e, -EINVAL, "%s: means nothing for %s", idle->key,
				metric__get(c->metric)->name);
	if (metric__needs_name(c->metric) && (!f->of || !*f->of->text))
		return err__set(e, -EINVAL, "expected 'of' beside it, the name of what %s is of",
				metric__get(c->metric)->name);
	if (f->self && strcmp(f->self->text, "true") && strcmp(f->self->text, "false"))
		return err__set(e, -EINVAL, "self: expected true or false, found '%s'",
				units__quote(f->self->text).text);
	if (f->samples &&
	    (units__parse_count(f->samples->text, &n, NULL) || n < SAMPLES_MIN || n > SAMPLES_MAX))
		return err__set(e, -EINVAL, "samples: expected a number from %d to %d, found '%s'",
				SAMPLES_MIN, SAMPLES_MAX, units__quote(f->samples->text).text);
	c->samples = (uint32_t)n;
	c->is_self = f->self && f->self->text[0] == 't';
	c->of = f->of ? arena__strndup(arena, f->of->text, strlen(f->of->text)) : NULL;
	return f->of && !c->of ? err__set(e, -ENOMEM, "out of memory") : 0;
}

static int take_form(const struct yaml_node *node, struct arena *arena, struct condition *ret, struct err *e)
{
	struct condition c = {.compare = COMPARE_ABOVE};
	struct form f;
	int err = fill_form(node, &f, e), n;

	if (!err)
		err = take_metric(f.metric, &c.metric, e);
	if (!err)
		err = take_part(&f, arena, &c, e);
	if (err)
		return err;
	n = (f.above || f.below) + !!f.rise + !!f.steps + !!f.predict;
	if (n != 1)
		return err__set(e, -EINVAL, "expected one of: above, below, rise, steps, predict; found %s",
				n ? "more" : "none");
	if (f.rise)
		err = take_rise(&f, &c, e);
	else if (f.steps)
		err = take_steps(&f, &c, e);
	else if (f.predict)
		err = take_predict(&f, &c, e);
	else
		err = take_bounds(&f, &c, e);
	if (!err)
		err = refuse_idle_words(&f, &c, e);
	if (!err)
		*ret = c;
	return err;
}

/* ---- some of them ----------------------------------------------------------------------------------------------------- */

/* The list below `any` or `all`, or a bare list, which is `all`; NULL for what is one condition. */
static const struct yaml_node *joined(const struct yaml_node *node, bool *ret_is_any)
{
	const struct yaml_node *any, *all;

	*ret_is_any = false;
	if (node->kind == YAML_LIST)
		return node;
	if (node->kind != YAML_MAP || node->n != 1)
		return NULL;
	any = yaml__child(node, "any");
	all = yaml__child(node, "all");
	*ret_is_any = any != NULL;
	return any ? any : all;
}

static int add_term(const struct yaml_node *node, struct arena *arena, struct condition_set *c, struct err *e)
{
	struct condition *t = &c->terms[c->n_terms];
	int err;

	if (c->n_terms == CONDITION_TERMS_MAX)
		return err__set(e, -E2BIG, "more than %d conditions", CONDITION_TERMS_MAX);
	if (node->kind == YAML_SCALAR)
		err = take_line(node, arena, t, e);
	else if (node->kind == YAML_MAP)
		err = take_form(node, arena, t, e);
	else
		err = wrong_kind(node, "'METRIC > VALUE', or a section such as {metric: rss, above: 2GiB}",
				 e);
	if (!err)
		c->groups[c->n_terms++] = (uint8_t)c->n_groups;
	return err;
}

static int check_list(const struct yaml_node *list, struct err *e)
{
	if (list->kind != YAML_LIST || !list->n)
		return wrong_kind(list, "a list of conditions", e);
	return 0;
}

static int add_group(const struct yaml_node *node, struct arena *arena, struct condition_set *c,
		     struct err *e)
{
	const struct yaml_node *inner, *item;
	bool is_any;
	int err = 0;

	inner = joined(node, &is_any);
	if (!inner) {
		err = add_term(node, arena, c, e);
	} else if (is_any == c->is_any) {
		err = err__set(e, -EINVAL, "expected '%s' inside of '%s', the same word twice is one list",
			       c->is_any ? "all" : "any", c->is_any ? "any" : "all");
	} else {
		err = check_list(inner, e);
		for (item = inner->first; item && !err; item = item->next)
			err = add_term(item, arena, c, e);
	}
	c->n_groups++;
	return err;
}

static int check_events(const struct condition_set *c, struct err *e)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_terms; i++)
		n += c->terms[i].kind == CONDITION_EVENT;
	if (n && n != c->n_terms)
		return err__set(e, -EINVAL,
				"an event happens once and does not join with a metric: write two rules");
	if (n > 1 && !(c->is_any && c->n_groups == n))
		return err__set(e, -EINVAL, "events join by 'any' only");
	return 0;
}

static int write_text(const struct yaml_node *node, struct arena *arena, const char **ret, struct err *e)
{
	struct buf b;
	int err;

	buf__init(&b, TEXT_MAX);
	if (node->kind == YAML_SCALAR)
		buf__append_str(&b, node->text);
	else
		yaml__write_flow(node, &b);
	err = buf__err(&b);
	*ret = err ? NULL : arena__strndup(arena, buf__str(&b), b.len);
	buf__done(&b);
	if (err == -E2BIG)
		return err__set(e, err, "expected at most %d bytes", TEXT_MAX);
	return *ret ? 0 : err__set(e, -ENOMEM, "out of memory");
}

int condition_set__take(const struct yaml_node *node, struct arena *arena, struct condition_set *ret,
			struct err *e)
{
	struct condition_set c = {0};
	const struct yaml_node *list, *item;
	int err;

	if (node->kind == YAML_NOTHING)
		return wrong_kind(node, "'METRIC > VALUE'", e);
	err = write_text(node, arena, &c.text, e);
	if (err)
		return err;
	list = joined(node, &c.is_any);
	if (!list) {
		err = add_group(node, arena, &c, e);
	} else {
		err = check_list(list, e);
		for (item = list->first; item && !err; item = item->next)
			err = add_group(item, arena, &c, e);
	}
	if (!err)
		err = check_events(&c, e);
	if (!err)
		*ret = c;
	return err;
}

bool condition_set__is_event(const struct condition_set *c)
{
	return c->n_terms && c->terms[0].kind == CONDITION_EVENT;
}

/* `any`: the strongest, where not knowing is weaker than a miss; `all`: the weakest, where one miss is enough to say no. */
static enum outcome join(bool is_any, enum outcome a, enum outcome b)
{
	static const int any_rank[] = {
		[OUTCOME_UNKNOWN] = 0, [OUTCOME_MISS] = 1, [OUTCOME_BETWEEN] = 2, [OUTCOME_HIT] = 3};
	static const int all_rank[] = {
		[OUTCOME_MISS] = 0, [OUTCOME_UNKNOWN] = 1, [OUTCOME_BETWEEN] = 2, [OUTCOME_HIT] = 3};

	if (is_any)
		return any_rank[a] >= any_rank[b] ? a : b;
	return all_rank[a] <= all_rank[b] ? a : b;
}

enum outcome condition_set__join(const struct condition_set *c, const enum outcome terms[CONDITION_TERMS_MAX])
{
	enum outcome all = OUTCOME_UNKNOWN, group = OUTCOME_UNKNOWN;

	for (uint32_t i = 0; i < c->n_terms; i++) {
		bool begins = !i || c->groups[i] != c->groups[i - 1];
		bool ends = i + 1 == c->n_terms || c->groups[i] != c->groups[i + 1];

		group = begins ? terms[i] : join(!c->is_any, group, terms[i]);
		if (ends)
			all = c->groups[i] ? join(c->is_any, all, group) : group;
	}
	return all;
}
