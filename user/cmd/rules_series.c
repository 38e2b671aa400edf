// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/rules_series.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/config/metric_sample.h"
#include "user/config/suggest.h"
#include "user/config/units.h"

#define FIELDS 5

static int unknown_metric(const char *name, struct err *e)
{
	struct suggest s;

	suggest__init(&s, name);
	for (int i = 0; i < METRIC_N; i++)
		suggest__offer(&s, metric__get(i)->name);
	return err__set(e, -EINVAL, "unknown metric '%s'%s", units__quote(name).text, suggest__text(&s));
}

/* ---- lines ------------------------------------------------------------------------------------------------------------ */

struct lines {
	const struct rules_series_sink *sink;
	double second; /* that is open; < 0: none */
	struct metric_sample sample;
	char comm[64];
	bool has_sample;
};

static void end_sample(struct lines *l)
{
	if (l->has_sample)
		l->sink->take(l->sink->ctx, &l->sample);
	l->has_sample = false;
}

/* One value; values of one target in one second are one sample. */
static int take_line(struct lines *l, char *line, struct err *e)
{
	char *fields[FIELDS], *end, *rest = line;
	enum metric_id metric;
	uint32_t pid;
	double second, value;

	for (int i = 0; i < FIELDS; i++) {
		fields[i] = strsep(&rest, ",");
		if (!fields[i])
			return err__set(e, -EINVAL,
					"expected SECONDS,PID,COMM,METRIC,VALUE, found %d of these", i);
	}
	second = strtod(fields[0], &end);
	if (*end || !(second >= 0) || second > 1e9 || floor(second) < l->second)
		return err__set(e, -EINVAL,
				"expected a time not before that of the line before, found '%.40s'",
				fields[0]);
	pid = (uint32_t)strtoul(fields[1], &end, 10);
	if (*end || !*fields[1])
		return err__set(e, -EINVAL, "expected a process id, found '%.40s'", fields[1]);
	if (metric__find(fields[3], &metric))
		return unknown_metric(fields[3], e);
	value = strtod(fields[4], &end);
	if (*end || !*fields[4] || !isfinite(value))
		return err__set(e, -EINVAL, "expected a number, found '%.40s'", fields[4]);
	if (floor(second) > l->second) {
		end_sample(l);
		l->second = floor(second);
		l->sink->begin(l->sink->ctx, l->second);
	}
	if (l->has_sample && l->sample.target.pid != pid)
		end_sample(l);
	if (!l->has_sample) {
		snprintf(l->comm, sizeof(l->comm), "%s", fields[2]);
		l->sample = (struct metric_sample){.target = {.scope = pid ? SCOPE_PROCESS : SCOPE_SYSTEM,
							      .pid = pid,
							      .comm = pid ? l->comm : NULL}};
		l->has_sample = true;
	}
	l->sample.values[metric] = value;
	l->sample.known |= 1ull << metric;
	return 0;
}

static int read_lines(const struct rules_series_sink *sink, char *text, const char *path, struct err *e)
{
	struct lines l = {.sink = sink, .second = -1};
	uint32_t n = 0;
	char *line;
	int err;

	while ((line = strsep(&text, "\n"))) {
		n++;
		if (!*line || *line == '#')
			continue;
		err = take_line(&l, line, e);
		if (err)
			return err__prefix(e, err, "%s:%u", path, n);
	}
	end_sample(&l);
	return 0;
}

/* ---- meta.json of a capture ------------------------------------------------------------------------------------------- */

static int target_of(const json_t *from, struct metric_target *ret)
{
	const char *scope = json_string_value(json_object_get(from, "scope"));

	if (!scope || scope__find(scope, &ret->scope))
		return -EINVAL;
	ret->pid = (uint32_t)json_integer_value(json_object_get(from, "pid"));
	ret->comm = json_string_value(json_object_get(from, "comm"));
	ret->exe = json_string_value(json_object_get(from, "exe"));
	ret->cgroup = json_string_value(json_object_get(from, "cgroup"));
	ret->unit = json_string_value(json_object_get(from, "unit"));
	ret->container = json_string_value(json_object_get(from, "container"));
	ret->pod = json_string_value(json_object_get(from, "pod"));
	return 0;
}

/* What was measured at row i. A metric that this version does not know is not compared by any of its rules. */
static void take_row(const json_t *values, size_t i, struct metric_sample *s)
{
	const char *name;
	json_t *column;

	s->known = 0;
	json_object_foreach((json_t *)(uintptr_t)values, name, column)
	{
		const json_t *value = json_array_get(column, i);
		enum metric_id metric;

		if (!json_is_number(value) || metric__find(name, &metric))
			continue;
		s->values[metric] = json_number_value(value);
		s->known |= 1ull << metric;
	}
}

static int read_meta(const struct rules_series_sink *sink, const struct buf *text, const char *path,
		     struct err *e)
{
	json_error_t at;
	json_t *root = json_loadb((const char *)text->data, text->len, JSON_REJECT_DUPLICATES, &at);
	const json_t *metrics = json_object_get(root, "metrics"),
		     *seconds = json_object_get(metrics, "seconds");
	double first = json_number_value(json_array_get(seconds, 0)), last = -1;
	struct metric_sample s = {0};
	int err = 0;

	if (!root)
		err = err__set(e, -EINVAL, "%s:%d: expected the meta.json of a capture: %s", path, at.line,
			       at.text);
	else if (!json_is_array(seconds) || !json_is_object(json_object_get(metrics, "values")))
		err = err__set(
			e, -EINVAL,
			"%s: expected the meta.json of a capture, found no `metrics` with `seconds` and "
			"`values`",
			path);
	else if (target_of(json_object_get(root, "target"), &s.target))
		err = err__set(
			e, -EINVAL,
			"%s: this capture is of what somebody selected, and rules are not for selections",
			path);
	for (size_t i = 0; !err && i < json_array_size(seconds); i++) {
		/* a pass may come a little early or late: its second is the nearest one */
		double second = round(json_number_value(json_array_get(seconds, i)) - first);

		if (!(second > last))
			continue;
		take_row(json_object_get(metrics, "values"), i, &s);
		sink->begin(sink->ctx, second);
		sink->take(sink->ctx, &s);
		last = second;
	}
	json_decref(root);
	return err;
}

int rules_series__read(const char *path, const struct rules_series_sink *sink, struct err *e)
{
	struct buf series;
	int err;

	buf__init(&series, RULES_SERIES_MAX);
	err = io__read_at(AT_FDCWD, path, RULES_SERIES_MAX - 1, &series);
	if (err)
		err__set(e, err, "cannot read '%s': %s", path, strerror(-err));
	else if (series.len && series.data[0] == '{')
		err = read_meta(sink, &series, path, e);
	else
		err = read_lines(sink, (char *)(uintptr_t)buf__str(&series), path, e);
	buf__done(&series);
	return err;
}
