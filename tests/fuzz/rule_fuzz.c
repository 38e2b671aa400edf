// SPDX-License-Identifier: Apache-2.0
/* Any text as the condition and the action of a rule, and as each kind of quantity. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/err.h"
#include "user/config/condition.h"
#include "user/config/rule.h"
#include "user/config/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A value that was taken formats to a text that is taken as the same value. */
static void quantities(const char *text)
{
	char back[UNITS_TEXT_MAX];
	uint64_t v, again;
	double rate;

	if (!units__parse_duration(text, &v, NULL)) {
		units__format_duration(v, back);
		if (units__parse_duration(back, &again, NULL) || again != v)
			abort();
	}
	if (!units__parse_size(text, &v, NULL)) {
		units__format_size(v, back);
		if (units__parse_size(back, &again, NULL) || again != v)
			abort();
	}
	if (!units__parse_share(text, &v, NULL)) {
		units__format_share(v, back);
		if (units__parse_share(back, &again, NULL) || again != v)
			abort();
	}
	if (!units__parse_size_rate(text, &rate, NULL) && !(isfinite(rate) && rate >= 0))
		abort();
	if (!units__parse_count_rate(text, &rate, NULL) && !(isfinite(rate) && rate >= 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct condition c;
	struct err e = {0};
	uint32_t events = 0;
	char *text;

	if (size > 4096)
		return 0;
	text = malloc(size + 1);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';

	if (condition__parse(text, &c, &e)) {
		if (!e.text[0] || strchr(e.text, '\n'))
			abort();
	} else if (c.metric >= METRIC_N || !isfinite(c.value) || c.value < 0 || condition__holds(&c, NAN)) {
		abort();
	}
	if (rule__parse_action(text, &events, &e) && strchr(e.text, '\n'))
		abort();
	quantities(text);
	free(text);
	return 0;
}
