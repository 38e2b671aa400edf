// SPDX-License-Identifier: Apache-2.0
/*
 * Idea: what was before the moment is asked of those who remember it (the four values that are kept of everybody), what follows is taken out of the passes
 * that are made anyway. So the rule's own metric, whatever it is, is known from the moment on, and CPU, memory, faults and threads from five minutes
 * before it.
 *
 * Invariants: rows are in the order of time; those of one pass are one row.
 *
 * Cost: 56 bytes a second and target, while a capture and its five minutes last.
 */
#include "user/alert/capture_track.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/capture_case.h"
#include "user/base/clock.h"

/* Those that usage keeps of every target; see usage__points. */
static const enum metric_id always[] = {METRIC_cpu_usage_percent, METRIC_rss, METRIC_thread_count,
					METRIC_major_fault_rate};

static int column_of(const struct capture_track *t, enum metric_id metric)
{
	for (uint32_t i = 0; i < t->n_metrics; i++)
		if (t->metrics[i] == metric)
			return (int)i;
	return -1;
}

static void add_metric(struct capture_track *t, enum metric_id metric)
{
	if (metric < METRIC_N && column_of(t, metric) < 0 && t->n_metrics < TRACK_METRICS_MAX)
		t->metrics[t->n_metrics++] = metric;
}

int capture_track__init(struct capture_track *t, const struct metric_target *target, enum metric_id metric,
			uint64_t fired_mono_ns, uint64_t fired_real_ns)
{
	*t = (struct capture_track){
		.target = *target, .fired_mono_ns = fired_mono_ns, .fired_real_ns = fired_real_ns};
	add_metric(t, metric);
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		add_metric(t, always[i]);
	t->rows = malloc(TRACK_ROWS_MAX * sizeof(*t->rows));
	return t->rows ? 0 : -ENOMEM;
}

void capture_track__done(struct capture_track *t)
{
	free(t->rows);
	*t = (struct capture_track){0};
}

/* The row of that moment, made where it belongs; NULL: it is none of ours, or there is no room. */
static struct track_row *row_at(struct capture_track *t, uint64_t at_ns)
{
	uint32_t i = t->n_rows;

	if (at_ns + TRACK_SIDE_NS < t->fired_mono_ns || capture_track__is_over(t, at_ns) || !t->rows)
		return NULL;
	while (i && t->rows[i - 1].at_ns > at_ns)
		i--;
	if (i && t->rows[i - 1].at_ns == at_ns)
		return &t->rows[i - 1];
	if (t->n_rows == TRACK_ROWS_MAX)
		return NULL;
	memmove(&t->rows[i + 1], &t->rows[i], (t->n_rows - i) * sizeof(*t->rows));
	t->n_rows++;
	t->rows[i].at_ns = at_ns;
	for (uint32_t m = 0; m < TRACK_METRICS_MAX; m++)
		t->rows[i].values[m] = NAN;
	return &t->rows[i];
}

void capture_track__put(struct capture_track *t, enum metric_id metric, uint64_t at_ns, double value)
{
	int column = column_of(t, metric);
	struct track_row *row = column < 0 || isnan(value) ? NULL : row_at(t, at_ns);

	if (row)
		row->values[column] = (float)value;
}

void capture_track__take(struct capture_track *t, const struct metric_sample *s)
{
	struct track_row *row;

	if (!t->rows || !capture_target__is_same(&t->target, &s->target))
		return;
	for (enum metric_id id = 0; !t->has_seen && id < METRIC_N; id++)
		if (metric_sample__knows(s, id))
			add_metric(t, id);
	t->has_seen = true;
	row = row_at(t, s->at_ns);
	for (uint32_t i = 0; row && i < t->n_metrics; i++)
		if (metric_sample__knows(s, t->metrics[i]))
			row->values[i] = (float)s->values[t->metrics[i]];
}

bool capture_track__is_over(const struct capture_track *t, uint64_t mono_ns)
{
	return mono_ns > t->fired_mono_ns + TRACK_SIDE_NS;
}

double capture_track__mean(const struct capture_track *t, enum metric_id metric, uint64_t from_ns,
			   uint64_t to_ns)
{
	int column = column_of(t, metric);
	double sum = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; column >= 0 && i < t->n_rows; i++) {
		if (t->rows[i].at_ns < from_ns || t->rows[i].at_ns >= to_ns ||
		    isnan(t->rows[i].values[column]))
			continue;
		sum += (double)t->rows[i].values[column];
		n++;
	}
	return n ? sum / n : NAN;
}

/* -- as JSON -- */

/* As many digits as the float has, not those of the double that it becomes. */
static json_t *number(float v)
{
	double rounded;
	char text[32];

	if (isnan(v))
		return json_null();
	snprintf(text, sizeof(text), "%.7g", (double)v);
	rounded = strtod(text, NULL);
	return rounded == floor(rounded) && fabs(rounded) < 1e15 ? json_integer((json_int_t)rounded)
								 : json_real(rounded);
}

static json_t *column_json(const struct capture_track *t, uint32_t column)
{
	json_t *values = json_array();

	for (uint32_t i = 0; i < t->n_rows; i++)
		json_array_append_new(values, number(t->rows[i].values[column]));
	return values;
}

static bool is_empty(const struct capture_track *t, uint32_t column)
{
	for (uint32_t i = 0; i < t->n_rows; i++)
		if (!isnan(t->rows[i].values[column]))
			return false;
	return true;
}

json_t *capture_track__json(const struct capture_track *t)
{
	json_t *seconds = json_array(), *values = json_object(), *units = json_object();

	for (uint32_t i = 0; i < t->n_rows; i++) {
		int64_t ms = ((int64_t)t->rows[i].at_ns - (int64_t)t->fired_mono_ns) / (int64_t)NS_PER_MS;

		json_array_append_new(seconds, json_real((double)ms / 1000));
	}
	for (uint32_t i = 0; i < t->n_metrics; i++) {
		const struct metric *m = metric__get(t->metrics[i]);

		if (is_empty(t, i))
			continue;
		json_object_set_new(values, m->name, column_json(t, i));
		json_object_set_new(units, m->name, json_string(metric__unit_name(m->unit)));
	}
	return json_pack("{s:I,s:o,s:o,s:o}", "fired_unix_ns", (json_int_t)t->fired_real_ns, "seconds",
			 seconds, "units", units, "values", values);
}
