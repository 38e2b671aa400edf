// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a condition: METRIC OP VALUE[UNIT].
 *
 * Problem. `memory_growth_rate > 100` fires at once or never, depending on what somebody took 100 to be of; nobody notices before
 * the night in which it matters.
 *
 * Idea. The metric decides what its values look like: a percentage and a count may stand bare, sizes, rates and durations
 * need their unit, and a unit of another kind is an error that says which kind was expected. Values are kept in one base unit
 * a metric (percent, bytes, seconds, and bytes or events a second).
 *
 * Invariants. A parsed value is finite, not negative, and comparable with what is measured without another look at the text.
 * Equality is not offered: a measured value is never exactly anything.
 */
#include "user/config/condition.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "user/base/err.h"
#include "user/config/suggest.h"
#include "user/config/units.h"

static const struct {
	const char *text;
	enum compare compare;
} operators[] = {
	/* the longer ones first */
	{">=", COMPARE_AT_LEAST},
	{"<=", COMPARE_AT_MOST},
	{">", COMPARE_ABOVE},
	{"<", COMPARE_BELOW},
};

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

static int scan_metric(const char **p, enum metric_id *ret_metric, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
	char name[SUGGEST_WORD_MAX + 1];
	size_t n = strspn(*p, letters);
	struct suggest s;

	if (!n)
		return err__set(e, -EINVAL, "expected 'METRIC > VALUE', found '%s'", units__quote(*p).text);
	if (n > SUGGEST_WORD_MAX)
		return err__set(e, -EINVAL, "unknown metric '%s'", units__quote(*p).text);
	memcpy(name, *p, n);
	name[n] = '\0';
	*p += n;
	if (!metric__find(name, ret_metric))
		return 0;
	suggest__init(&s, name);
	for (int i = 0; i < METRIC_N; i++)
		suggest__offer(&s, metric__get(i)->name);
	return err__set(e, -EINVAL, "unknown metric '%s'%s", name, suggest__text(&s));
}

static int scan_operator(const char **p, enum compare *ret_compare, struct err *e)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		size_t n = strlen(operators[i].text);

		if (strncmp(*p, operators[i].text, n) == 0) {
			*p += n;
			*ret_compare = operators[i].compare;
			return 0;
		}
	}
	return err__set(e, -EINVAL, "expected one of > >= < <= after the metric, found '%s'",
			units__quote(*p).text);
}

int condition__parse_value(enum metric_id metric, const char *text, double *ret_value, struct err *e)
{
	const struct metric *m = metric__get(metric);
	uint64_t n = 0;
	int err;

	switch (m->unit) {
	case METRIC_PERCENT:
		err = units__parse_share(text, &n, e);
		*ret_value = (double)n / PPM_PER_PERCENT;
		break;
	case METRIC_BYTES:
		err = units__parse_size(text, &n, e);
		*ret_value = (double)n;
		break;
	case METRIC_COUNT:
		err = units__parse_count(text, &n, e);
		*ret_value = (double)n;
		break;
	case METRIC_DURATION:
		err = units__parse_duration(text, &n, e);
		*ret_value = (double)n / 1e9;
		break;
	case METRIC_BYTE_RATE:
		err = units__parse_size_rate(text, ret_value, e);
		break;
	case METRIC_COUNT_RATE:
		err = units__parse_count_rate(text, ret_value, e);
		break;
	default:
		err = -EINVAL;
	}
	if (err)
		return err__prefix(e, err, "value of %s", m->name);
	return 0;
}

int condition__parse(const char *text, struct condition *ret_condition, struct err *e)
{
	struct condition c = {.text = text};
	const char *p = skip_blanks(text);
	int err;

	if (strlen(text) > CONDITION_TEXT_MAX)
		return err__set(e, -E2BIG, "expected at most %d bytes, found %zu", CONDITION_TEXT_MAX,
				strlen(text));
	err = scan_metric(&p, &c.metric, e);
	if (err)
		return err;
	if (metric__needs_name(c.metric))
		return err__set(
			e, -EINVAL,
			"%s needs the name of what it is of: {metric: %s, of: \"PATTERN\", above: 30%%}",
			metric__get(c.metric)->name, metric__get(c.metric)->name);
	c.samples = CONDITION_SAMPLES;
	p = skip_blanks(p);
	err = scan_operator(&p, &c.compare, e);
	if (err)
		return err;
	err = condition__parse_value(c.metric, skip_blanks(p), &c.value, e);
	if (err)
		return err;
	c.clear = condition__default_clear(c.compare, c.value);
	*ret_condition = c;
	return 0;
}

double condition__default_clear(enum compare compare, double value)
{
	return compare__is_below(compare) ? value * 1.1 : value * 0.9;
}

bool compare__holds(enum compare compare, double value, double threshold)
{
	switch (compare) {
	case COMPARE_ABOVE:
		return value > threshold;
	case COMPARE_AT_LEAST:
		return value >= threshold;
	case COMPARE_BELOW:
		return value < threshold;
	case COMPARE_AT_MOST:
		return value <= threshold;
	}
	return false;
}

bool condition__holds(const struct condition *c, double value)
{
	if (isnan(value))
		return false;
	switch (c->kind) {
	case CONDITION_COMPARE:
		return compare__holds(c->compare, value, c->value);
	case CONDITION_OUTSIDE:
		return value > c->value || value < c->low;
	case CONDITION_INSIDE:
		return value < c->value && value > c->low;
	case CONDITION_STEPS:
		return value > c->steps[0];
	default:
		return false;
	}
}
