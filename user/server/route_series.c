/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/series: a timeline of a range, in all and by what a label says, with the largest by name and the rest as one; and the values of a label.
 *
 *      {"event","type","unit","by","state":false,"times":[start of each point],"seconds":[its length],"total":[…],
 *       "series":[{"name":…,"sum":…,"values":[…]}, …], "n":how many there are in all}
 *
 * Of states (threads, goroutines, heap: "state" is true) values are not added up over time, and "sum" is the largest of them.
 *
 * With `function` it is the timeline of what has that function in its stack.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/hashmap.h"
#include "user/base/intern.h"
#include "user/config/event.h"
#include "user/profile/saturate.h"
#include "user/query/digest.h"
#include "user/query/idle.h"
#include "user/server/ask.h"
#include "user/server/server.h"

#define POINTS_MAX     4096
#define NAMES_LIMIT    ((size_t)32 << 20)
#define SERIES_DEFAULT 20
#define SERIES_MAX     500
/* Up to here every window is a point; what is longer is told by roll-ups where there are any. */
#define WINDOWS_NS (3 * 3600 * NS_PER_SEC)

struct point {
	uint64_t start_s;
	uint32_t seconds;
	int64_t total;
};

/* What one name has at one point: many names have none at most points. */
struct cell {
	uint32_t name, point;
	int64_t value;
};

struct name_sum {
	int64_t sum;  /* of all points; of a state the largest of one */
	int64_t here; /* of point - 1 */
	uint32_t point;
};

struct timeline {
	const struct ask_for *ask;
	const char *by;
	int key;      /* of that label */
	int idle_key; /* waits that have it are left out; -1: none are */
	struct intern *names;
	bool is_state;
	struct name_sum *sums; /* [name] */
	uint32_t cap_sums;
	struct point points[POINTS_MAX];
	uint32_t n_points;
	struct cell *cells;
	uint32_t n_cells, cap_cells;
	char type[64], unit[64];
};

static int type_of(const struct timeline *t, const struct digest *d, uint32_t *ret)
{
	const char *want = t->ask->format.type;

	*ret = digest__default_type(d);
	for (uint32_t i = 0; want && i < digest__n_types(d); i++) {
		if (!strcmp(digest__type(d, i), want)) {
			*ret = i;
			return 0;
		}
	}
	return want ? -ENOENT : 0;
}

static int add_sum(struct timeline *t, uint32_t name, int64_t value)
{
	struct name_sum *of;

	if (name >= t->cap_sums) {
		uint32_t cap = name + name / 2 + 64;
		struct name_sum *sums = realloc(t->sums, cap * sizeof(*sums));

		if (!sums)
			return -ENOMEM;
		memset(sums + t->cap_sums, 0, (cap - t->cap_sums) * sizeof(*sums));
		t->sums = sums;
		t->cap_sums = cap;
	}
	of = &t->sums[name];
	if (of->point != t->n_points + 1) {
		of->here = 0;
		of->point = t->n_points + 1;
	}
	of->here = saturated_add(of->here, value);
	if (!t->is_state)
		of->sum = saturated_add(of->sum, value);
	else if (of->here > of->sum)
		of->sum = of->here;
	return 0;
}

static int add_cell(struct timeline *t, uint32_t name, int64_t value)
{
	if (t->n_cells == t->cap_cells) {
		uint32_t cap = t->cap_cells + t->cap_cells / 2 + 256;
		struct cell *cells = realloc(t->cells, cap * sizeof(*cells));

		if (!cells)
			return -ENOMEM;
		t->cells = cells;
		t->cap_cells = cap;
	}
	t->cells[t->n_cells++] = (struct cell){name, t->n_points, value};
	return add_sum(t, name, value);
}

static int add_row(struct timeline *t, const struct digest *d, const struct digest_row *row, int64_t value)
{
	const char *text = digest__text(d, row, t->key);
	char none[32];
	uint32_t name;
	int err;

	if (!text)
		snprintf(none, sizeof(none), PROFILE_NO_LABEL, t->by);
	text = text ? text : none;
	err = intern__add(t->names, text, strlen(text), &name);
	return err ? err : add_cell(t, name, value);
}

static int add_point(const struct range_point *p, void *ctx)
{
	struct timeline *t = ctx;
	const struct digest *d = p->digest;
	struct point *point = &t->points[t->n_points];
	uint32_t type;
	int err = 0;

	if (t->n_points == POINTS_MAX)
		return -E2BIG;
	if (type_of(t, d, &type))
		return 0;
	if (!t->type[0]) {
		snprintf(t->type, sizeof(t->type), "%s", digest__type(d, type));
		snprintf(t->unit, sizeof(t->unit), "%s", digest__unit(d, type));
	}
	*point = (struct point){.start_s = p->start_s, .seconds = p->seconds};
	for (uint32_t i = 0; !err && i < digest__n_rows(d); i++) {
		const struct digest_row *row = digest__row(d, i);

		if (t->idle_key >= 0 && digest__text(d, row, t->idle_key))
			continue;
		if (!selection__matches(&t->ask->selection, digest__label_text, row, d))
			continue;
		point->total = saturated_add(point->total, row->values[type]);
		err = add_row(t, d, row, row->values[type]);
	}
	t->n_points++;
	return err;
}

/* -- out -- */

static int compare_names(const void *a, const void *b, void *ctx)
{
	const struct timeline *t = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (t->sums[x].sum != t->sums[y].sum)
		return t->sums[x].sum > t->sums[y].sum ? -1 : 1;
	return strcmp(intern__str(t->names, x, NULL), intern__str(t->names, y, NULL));
}

static void print_numbers(struct buf *b, const char *name, const struct timeline *t, int which)
{
	buf__printf(b, ",\"%s\":[", name);
	for (uint32_t i = 0; i < t->n_points; i++) {
		if (i)
			buf__append_char(b, ',');
		json__int(b, which == 0   ? (int64_t)t->points[i].start_s
			     : which == 1 ? t->points[i].seconds
					  : t->points[i].total);
	}
	buf__append_char(b, ']');
}

/* Rows of the `n` largest names; rank[name] is the place + 1. */
static int print_series(struct buf *b, const struct timeline *t, const uint32_t *order, const uint32_t *rank,
			uint32_t n)
{
	size_t width = t->n_points;
	int64_t *values = calloc((size_t)n * width + 1, sizeof(*values));

	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n_cells; i++) {
		const struct cell *c = &t->cells[i];
		uint32_t place = rank[c->name];

		if (place)
			values[(place - 1) * width + c->point] =
				saturated_add(values[(place - 1) * width + c->point], c->value);
	}
	buf__append_str(b, ",\"series\":[");
	for (uint32_t i = 0; i < n; i++) {
		buf__append_str(b, i ? ",\n{\"name\":" : "\n{\"name\":");
		json__string(b, intern__str(t->names, order[i], NULL));
		buf__printf(b, ",\"sum\":%" PRId64 ",\"values\":[", t->sums[order[i]].sum);
		for (size_t j = 0; j < width; j++) {
			if (j)
				buf__append_char(b, ',');
			json__int(b, values[i * width + j]);
		}
		buf__append_str(b, "]}");
	}
	buf__append_str(b, "]");
	free(values);
	return 0;
}

static int print(const struct timeline *t, uint64_t limit, struct buf *b)
{
	uint32_t n_all = intern__count(t->names), n = 0;
	uint32_t *order = calloc((size_t)n_all + 1, sizeof(*order)),
		 *rank = calloc((size_t)n_all + 1, sizeof(*rank));
	int err = order && rank ? 0 : -ENOMEM;

	for (uint32_t i = 1; !err && i < n_all; i++)
		if (i < t->cap_sums && t->sums[i].sum)
			order[n++] = i;
	if (!err && n)
		qsort_r(order, n, sizeof(*order), compare_names, (void *)t);
	for (uint32_t i = 0; !err && i < n && i < limit; i++)
		rank[order[i]] = i + 1;
	if (!err) {
		buf__append_str(b, "{\"event\":");
		json__string(b, t->ask->range.event);
		buf__append_str(b, ",\"type\":");
		json__string(b, t->type);
		buf__append_str(b, ",\"unit\":");
		json__string(b, t->unit);
		buf__append_str(b, ",\"by\":");
		json__string(b, t->by);
		buf__printf(b, ",\"state\":%s", t->is_state ? "true" : "false");
		buf__printf(b, ",\"n\":%u,\"from\":%" PRIu64 ",\"to\":%" PRIu64, n,
			    (uint64_t)(t->ask->range.from_ns / NS_PER_SEC),
			    (uint64_t)(t->ask->range.to_ns / NS_PER_SEC));
		print_numbers(b, "times", t, 0);
		print_numbers(b, "seconds", t, 1);
		print_numbers(b, "total", t, 2);
		err = print_series(b, t, order, rank, n < limit ? n : (uint32_t)limit);
		buf__append_str(b, "}\n");
	}
	free(order);
	free(rank);
	return err;
}

static void answer_series(struct server *s, const struct http_request *r, struct response *to)
{
	struct timeline *t = calloc(1, sizeof(*t));
	struct err e = {""};
	struct ask_for a;
	const char *function = request__param(&r->target, "function");
	uint64_t limit = 0;
	int err = t ? ask__read(&r->target, &a, &e) : -ENOMEM;

	if (!err && request__number(&r->target, "n", SERIES_DEFAULT, SERIES_MAX, &limit))
		err = err__set(&e, -EINVAL, "n: a number up to %d is expected", SERIES_MAX);
	if (!err) {
		t->by = a.format.root_label ? a.format.root_label : "process";
		t->ask = &a;
		t->is_state = event__is_state(a.range.event);
		t->key = digest__key(t->by);
		t->idle_key = request__param(&r->target, "idle") ? -1 : digest__key(IDLE_LABEL);
		if (t->key < 0)
			err = err__set(&e, -EINVAL,
				       "by: one of process pid comm exe unit container pod cgroup state is "
				       "expected");
		t->names = intern__new(NAMES_LIMIT);
		if (!t->names)
			err = -ENOMEM;
	}
	if (!err)
		err = range__points(s->link, s->digests, &a.range,
				    a.range.to_ns - a.range.from_ns <= WINDOWS_NS,
				    function && *function ? function : NULL, add_point, t, &e);
	if (!err) {
		to->type = "application/json";
		err = print(t, limit, &to->body);
	}
	if (err)
		response__fail_err(to, err, &e);
	if (t) {
		intern__free(t->names);
		free(t->sums);
		free(t->cells);
	}
	free(t);
}

const struct route series_routes[] = {
	{"/api/v1/series", ROLE_VIEW, WORK_QUERY, answer_series, NULL},
	{NULL, 0, 0, NULL, NULL},
};
