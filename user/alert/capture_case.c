// SPDX-License-Identifier: Apache-2.0
#include "user/alert/capture_case.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "user/base/io.h"

/* NULL stays NULL; past the limit a text is lost, the capture is not. */
static const char *copy_text(struct arena *a, const char *s)
{
	return s ? arena__strndup(a, s, strlen(s)) : NULL;
}

static const struct capture_pair *copy_pairs(struct arena *a, const struct capture_pair *from, uint32_t *n)
{
	struct capture_pair *to;

	if (*n > CAPTURE_PAIRS_MAX)
		*n = CAPTURE_PAIRS_MAX;
	to = *n ? arena__alloc(a, *n * sizeof(*to)) : NULL;
	if (!to)
		*n = 0;
	for (uint32_t i = 0; i < *n; i++) {
		const char *key = copy_text(a, from[i].key), *value = copy_text(a, from[i].value);

		to[i] = (struct capture_pair){key ? key : "", value ? value : ""};
	}
	return to;
}

static void copy_target(struct arena *a, struct metric_target *t)
{
	t->comm = copy_text(a, t->comm);
	t->exe = copy_text(a, t->exe);
	t->cgroup = copy_text(a, t->cgroup);
	t->unit = copy_text(a, t->unit);
	t->container = copy_text(a, t->container);
	t->pod = copy_text(a, t->pod);
}

static void copy_request(struct capture_case *c, const struct capture_request *r)
{
	struct capture_request *to = &c->request;

	*to = *r;
	to->rule = copy_text(&c->arena, r->rule);
	to->condition = copy_text(&c->arena, r->condition);
	to->cause = copy_text(&c->arena, r->cause);
	copy_target(&c->arena, &to->target);
	to->labels = copy_pairs(&c->arena, r->labels, &to->n_labels);
	to->annotations = copy_pairs(&c->arena, r->annotations, &to->n_annotations);
	if (!r->selection)
		return;
	c->selection = *r->selection;
	for (uint32_t i = 0; i < c->selection.n; i++) {
		c->selection.items[i].key = copy_text(&c->arena, r->selection->items[i].key);
		c->selection.items[i].pattern = copy_text(&c->arena, r->selection->items[i].pattern);
	}
	to->selection = &c->selection;
}

static int name_it(struct capture_case *c)
{
	const struct capture_request *r = &c->request;
	char target[CAPTURE_FIELD_MAX], value[CASE_VALUE_MAX] = "";
	struct utsname u = {0};

	uname(&u);
	snprintf(c->host, sizeof(c->host), "%s", u.nodename);
	snprintf(c->kernel, sizeof(c->kernel), "%s %s", u.sysname, u.release);
	capture_target__name(&r->target, r->selection, target, sizeof(target));
	if (r->metric < METRIC_N)
		capture_value__format(r->metric, r->value, true, value);
	return capture_name__init(&c->name, r->fired_real_ns, c->host, target, value, c->id);
}

int capture_case__new(const struct capture_request *r, const char *id, struct capture_case **ret)
{
	static const struct metric_target host = {.scope = SCOPE_SYSTEM};
	struct capture_case *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	arena__init(&c->arena, CASE_BYTES_MAX);
	snprintf(c->id, sizeof(c->id), "%s", id);
	for (uint32_t i = 0; i < EVENT_N; i++)
		for (int w = 0; w < WHEN_N; w++)
			c->parts[i].of[w].fd = FD_CLOSED;
	copy_request(c, r);
	c->points = arena__alloc(&c->arena, CAPTURE_POINTS_MAX * sizeof(*c->points));
	c->processes = arena__alloc(&c->arena, CASE_PROCESSES_MAX * sizeof(*c->processes));
	err = c->request.rule && c->points && c->processes ? name_it(c) : -ENOMEM;
	if (!err)
		err = capture_track__init(&c->track, r->selection ? &host : &r->target, r->metric,
					  r->fired_mono_ns, r->fired_real_ns);
	if (err) {
		capture_case__free(c);
		return err;
	}
	capture_case__read_series(c);
	*ret = c;
	return 0;
}

void capture_case__free(struct capture_case *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < EVENT_N; i++)
		for (int w = 0; w < WHEN_N; w++)
			io__close(&c->parts[i].of[w].fd);
	capture_track__done(&c->track);
	arena__done(&c->arena);
	free(c);
}

void capture_case__add_process(struct capture_case *c, const struct capture_process *p)
{
	const char *const texts[] = {p->comm, p->exe, p->cgroup, p->command_line};
	const char *copies[4];
	struct capture_process *to;

	if (c->n_processes == CASE_PROCESSES_MAX)
		return;
	for (size_t i = 0; i < 4; i++) {
		copies[i] = copy_text(&c->arena, texts[i]);
		if (!copies[i])
			copies[i] = "";
	}
	to = &c->processes[c->n_processes++];
	*to = *p;
	to->comm = copies[0];
	to->exe = copies[1];
	to->cgroup = copies[2];
	to->command_line = copies[3];
}

void capture_case__read_series(struct capture_case *c)
{
	const struct capture_request *r = &c->request;
	uint64_t from = r->fired_mono_ns > CASE_POINTS_NS ? r->fired_mono_ns - CASE_POINTS_NS : 0;
	uint32_t n = r->series ? r->series(r->ctx, from, c->points, CAPTURE_POINTS_MAX) : 0;

	if (n)
		c->n_points = n;
	for (uint32_t i = 0; i < c->n_points; i++)
		capture_track__put(&c->track, r->metric, c->points[i].at_ns, c->points[i].value);
}

/* -- values -- */

static void scaled(double v, double step, const char *const units[], int n, char ret_text[CASE_VALUE_MAX])
{
	int i = 0;

	while (fabs(v) >= step && i < n - 1) {
		v /= step;
		i++;
	}
	snprintf(ret_text, CASE_VALUE_MAX, "%.4g%s", v, units[i]);
}

static void format_duration(double seconds, char ret_text[CASE_VALUE_MAX])
{
	const struct {
		double above, is;
		const char *unit;
	} steps[] = {{3600, 3600, "h"}, {60, 60, "m"}, {1, 1, "s"}, {1e-3, 1e-3, "ms"}, {0, 1e-6, "us"}};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (fabs(seconds) < steps[i].above)
			continue;
		snprintf(ret_text, CASE_VALUE_MAX, "%.4g%s", seconds / steps[i].is, steps[i].unit);
		return;
	}
}

void capture_value__format(enum metric_id metric, double value, bool bare_name, char ret_text[CASE_VALUE_MAX])
{
	static const char *const bytes[] = {"B", "kB", "MB", "GB", "TB"};
	static const char *const rates[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
	static const char *const bare_rates[] = {"B-s", "kB-s", "MB-s", "GB-s", "TB-s"};

	switch (metric__get(metric)->unit) {
	case METRIC_PERCENT:
		snprintf(ret_text, CASE_VALUE_MAX, "%.4g%s", value, bare_name ? "pct" : "%");
		break;
	case METRIC_BYTES:
		scaled(value, 1000, bytes, 5, ret_text);
		break;
	case METRIC_BYTE_RATE:
		scaled(value, 1000, bare_name ? bare_rates : rates, 5, ret_text);
		break;
	case METRIC_COUNT_RATE:
		snprintf(ret_text, CASE_VALUE_MAX, "%.6g%s", value, bare_name ? "-s" : "/s");
		break;
	case METRIC_DURATION:
		format_duration(value, ret_text);
		break;
	default:
		snprintf(ret_text, CASE_VALUE_MAX, "%.15g", value);
	}
}
