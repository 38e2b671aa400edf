/* SPDX-License-Identifier: Apache-2.0 */
#include "user/profile/amount.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct step {
	double size;
	const char *unit;
};

/* Largest first; the last one is used for all that is smaller. */
static const struct step time_steps[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
static const struct step byte_steps[] = {{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}};

static const struct {
	const char *unit;
	double ns;
} time_units[] = {
	{"nanoseconds", 1},
	{"microseconds", 1e3},
	{"milliseconds", 1e6},
	{"seconds", 1e9},
};

#define TEN_HOURS_NS 36e12

static struct amount_text scale(double value, const struct step *steps, size_t n)
{
	struct amount_text t;
	size_t i = 0;

	/* what would be shown as 1000.00 of one step is 1.00 of the next */
	while (i + 1 < n && fabs(value) < steps[i].size * 0.999995)
		i++;
	if (steps[i].size == 1 || value == 0)
		snprintf(t.text, sizeof(t.text), "%.0f%s", value, value == 0 ? "" : steps[i].unit);
	else
		snprintf(t.text, sizeof(t.text), "%.2f%s", value / steps[i].size, steps[i].unit);
	return t;
}

struct amount_text amount__format(int64_t value, const char *unit)
{
	struct amount_text t;

	for (size_t i = 0; i < sizeof(time_units) / sizeof(*time_units); i++) {
		double ns = (double)value * time_units[i].ns;

		if (strcmp(unit, time_units[i].unit))
			continue;
		if (fabs(ns) < TEN_HOURS_NS)
			return scale(ns, time_steps, sizeof(time_steps) / sizeof(*time_steps));
		snprintf(t.text, sizeof(t.text), "%.2fh", ns / 3600e9);
		return t;
	}
	if (!strcmp(unit, "bytes"))
		return scale((double)value, byte_steps, sizeof(byte_steps) / sizeof(*byte_steps));
	if (!*unit || !strcmp(unit, "count"))
		snprintf(t.text, sizeof(t.text), "%" PRId64, value);
	else
		snprintf(t.text, sizeof(t.text), "%" PRId64 " %s", value, unit);
	return t;
}

struct amount_text amount__percent(int64_t value, int64_t total)
{
	struct amount_text t;

	if (total)
		snprintf(t.text, sizeof(t.text), "%.2f%%", 100.0 * (double)value / (double)total);
	else
		snprintf(t.text, sizeof(t.text), "-");
	return t;
}
