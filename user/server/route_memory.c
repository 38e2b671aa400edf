/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/profiling/memory: what the host, control groups and processes use now, the largest first; asked of the collector once a second at most.
 *
 *      sort=rss|growth|faults|cpu|swap  n=20  and selectors: pid comm exe cgroup unit container pod
 *
 *      as text for Prometheus at /metrics/usage: of the n largest, n being for the scrape's configuration to say
 *      series=1     the last ten minutes of the one process that pid= names, or of the host
 *
 *      {"at","system":{…},"sort","n_processes": that match,"processes":[…],"n_groups","groups":[…]}
 *
 *       with series also "series":{"times","rss_bytes","cpu_percent","major_faults_per_second","threads"}
 *
 * Growth is bytes a second, smoothed over some 15 s; faults are a second's; null: not known.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/usage_row.h"
#include "user/profile/utf8.h"
#include "user/server/ask.h"
#include "user/server/link.h"
#include "user/server/server.h"

#define FRESH_NS        NS_PER_SEC
#define N_DEFAULT       20
#define N_MAX           10000
#define PROMETHEUS_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define TEXT(field, r)            \
	if (!strcmp(key, #field)) \
	return *(r)->field ? (r)->field : NULL

static const struct {
	const char *name;
	size_t offset;
} orders[] = {
	{"rss", offsetof(struct usage_row, rss_bytes)},
	{"growth", offsetof(struct usage_row, growth_bytes)},
	{"faults", offsetof(struct usage_row, minor_faults)},
	{"cpu", offsetof(struct usage_row, cpu_percent)},
	{"swap", offsetof(struct usage_row, swap_bytes)},
};

struct listing {
	const struct usage_head *head;
	const struct usage_row **rows; /* those that match */
	const struct usage_row_point *points;
	uint32_t n_groups, n; /* groups first */
	size_t order;
	const char *sort;
	uint64_t limit;
};

/* As processes are selected by elsewhere; a group has no comm, and no pid. */
static const char *row_text(const void *row, const char *key, char number[SELECTION_TEXT_MAX],
			    const void *ctx)
{
	const struct usage_row *r = row;

	(void)ctx;
	if (!strcmp(key, "pid") && !r->is_group) {
		snprintf(number, SELECTION_TEXT_MAX, "%u", r->pid);
		return number;
	}
	if (!strcmp(key, "process"))
		key = "comm";
	TEXT(comm, r);
	TEXT(exe, r);
	TEXT(cgroup, r);
	TEXT(unit, r);
	TEXT(container, r);
	TEXT(pod, r);
	return NULL;
}

static int compare(const void *a, const void *b, void *ctx)
{
	const struct usage_row *x = *(const struct usage_row *const *)a,
			       *y = *(const struct usage_row *const *)b;
	double v, w;

	memcpy(&v, (const char *)x + *(const size_t *)ctx, sizeof(v));
	memcpy(&w, (const char *)y + *(const size_t *)ctx, sizeof(w));
	v = isnan(v) ? -INFINITY : v;
	w = isnan(w) ? -INFINITY : w;
	if (v != w)
		return v > w ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* -- out -- */

static void number(struct buf *b, const char *name, double v, bool is_first)
{
	buf__printf(b, "%s\"%s\":", is_first ? "" : ",", name);
	if (isnan(v) || isinf(v))
		buf__append_str(b, "null");
	else if (v == floor(v) && fabs(v) < 1e15)
		json__int(b, (int64_t)v);
	else
		buf__printf(b, "%.3f", v);
}

static void text(struct buf *b, const char *name, const char *s)
{
	if (!*s)
		return;
	buf__printf(b, ",\"%s\":", name);
	json__string(b, s);
}

static void print_row(struct buf *b, const struct usage_row *r)
{
	buf__append_char(b, '{');
	if (!r->is_group)
		number(b, "pid", r->pid, true);
	number(b, "rss_bytes", r->rss_bytes, r->is_group);
	number(b, "anon_bytes", r->anon_bytes, false);
	number(b, "file_bytes", r->file_bytes, false);
	number(b, "shmem_bytes", r->shmem_bytes, false);
	number(b, "swap_bytes", r->swap_bytes, false);
	number(b, "growth_bytes_per_second", r->growth_bytes, false);
	number(b, "minor_faults_per_second", r->minor_faults, false);
	number(b, "major_faults_per_second", r->major_faults, false);
	number(b, "cpu_percent", r->cpu_percent, false);
	number(b, "threads", r->threads, false);
	text(b, "comm", r->comm);
	text(b, "exe", r->exe);
	text(b, "cgroup", r->cgroup);
	text(b, "unit", r->unit);
	text(b, "container", r->container);
	text(b, "pod", r->pod);
	buf__append_char(b, '}');
}

static void print_rows(struct buf *b, const char *name, const struct usage_row **rows, uint32_t n,
		       uint64_t limit)
{
	buf__printf(b, ",\"n_%s\":%u,\"%s\":[", name, n, name);
	for (uint32_t i = 0; i < n && i < limit; i++) {
		buf__append_str(b, i ? ",\n" : "\n");
		print_row(b, rows[i]);
	}
	buf__append_char(b, ']');
}

static void print(struct buf *b, const struct listing *l)
{
	const struct usage_head *h = l->head;

	buf__printf(b, "{\"at\":%.3f,\"system\":{", (double)h->at_ns / NS_PER_SEC);
	number(b, "total_bytes", (double)h->total_bytes, true);
	number(b, "free_bytes", (double)h->free_bytes, false);
	number(b, "available_bytes", (double)h->available_bytes, false);
	number(b, "anon_bytes", (double)h->anon_bytes, false);
	number(b, "mapped_bytes", (double)h->mapped_bytes, false);
	number(b, "cached_bytes", (double)h->cached_bytes, false);
	number(b, "shmem_bytes", (double)h->shmem_bytes, false);
	number(b, "swap_total_bytes", (double)h->swap_total_bytes, false);
	number(b, "swap_free_bytes", (double)h->swap_free_bytes, false);
	number(b, "growth_bytes_per_second", h->growth_bytes, false);
	number(b, "major_faults_per_second", h->major_faults, false);
	number(b, "cpu_percent", h->cpu_percent, false);
	number(b, "pressure_some_percent", h->psi_some_percent, false);
	number(b, "pressure_full_percent", h->psi_full_percent, false);
	number(b, "processes", h->n_processes, false);
	number(b, "threads", h->n_threads, false);
	buf__append_str(b, "},\"sort\":");
	json__string(b, l->sort);
	print_rows(b, "processes", l->rows + l->n_groups, l->n - l->n_groups, l->limit);
	print_rows(b, "groups", l->rows, l->n_groups, l->limit);
	buf__append_str(b, "}\n");
}

/* -- for Prometheus -- */

/* Quoted as text format wants it: one byte that is no UTF-8, and processes choose their names, would be the end of the whole scrape. */
static void label(struct buf *b, const char *name, const char *value, bool is_first)
{
	buf__printf(b, "%s%s=\"", is_first ? "{" : ",", name);
	for (int n; *value; value += abs(n)) {
		n = utf8__step(value, 4);
		if (*value == '\\' || *value == '"')
			buf__append_char(b, '\\');
		if (n < 0)
			buf__append_str(b, "\xef\xbf\xbd");
		else if (*value == '\n')
			buf__append_str(b, "\\n");
		else
			buf__append(b, value, (size_t)n);
	}
	buf__append_char(b, '"');
}

static void print_family(struct buf *b, const struct listing *l, bool is_group, const char *name,
			 const char *help, size_t at, double scale)
{
	const struct usage_row **rows = l->rows + (is_group ? 0 : l->n_groups);
	uint32_t n = is_group ? l->n_groups : l->n - l->n_groups;
	const char *of = is_group ? "cgroup" : "process";
	char pid[16];

	buf__printf(b, "# HELP everprof_%s_%s %s\n# TYPE everprof_%s_%s gauge\n", of, name, help, of, name);
	for (uint32_t i = 0; i < n && i < l->limit; i++) {
		double v;

		memcpy(&v, (const char *)rows[i] + at, sizeof(v));
		if (isnan(v))
			continue;
		buf__printf(b, "everprof_%s_%s", of, name);
		snprintf(pid, sizeof(pid), "%u", rows[i]->pid);
		if (is_group) {
			label(b, "cgroup", rows[i]->cgroup, true);
		} else {
			label(b, "pid", pid, true);
			label(b, "comm", rows[i]->comm, false);
		}
		if (*rows[i]->container)
			label(b, "container", rows[i]->container, false);
		buf__printf(b, "} %.12g\n", v * scale);
	}
}

static void print_metrics(struct buf *b, const struct listing *l)
{
	static const struct {
		const char *name, *help;
		size_t at;
		double scale;
	} families[] = {
		{"resident_bytes", "Resident memory.", offsetof(struct usage_row, rss_bytes), 1},
		{"growth_bytes", "How much resident memory grows in a second.",
		 offsetof(struct usage_row, growth_bytes), 1},
		{"cpu_ratio", "CPU time in a second, of one CPU.", offsetof(struct usage_row, cpu_percent),
		 0.01},
		{"major_faults", "Page faults in a second that had to read from a disk.",
		 offsetof(struct usage_row, major_faults), 1},
		{"threads", "Threads.", offsetof(struct usage_row, threads), 1},
	};

	for (int is_group = 0; is_group < 2; is_group++)
		for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
			print_family(b, l, is_group, families[i].name, families[i].help, families[i].at,
				     families[i].scale);
}

static bool is_for_prometheus(const struct http_request *r)
{
	return !strncmp(r->target.path, "/metrics", strlen("/metrics"));
}

/* -- in -- */

static int read_ask(const struct request *r, struct listing *l, struct selection *s, struct err *e)
{
	const char *sort = request__param(r, "sort");

	l->sort = sort && *sort ? sort : orders[0].name;
	l->order = SIZE_MAX;
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		if (!strcmp(orders[i].name, l->sort))
			l->order = orders[i].offset;
	if (l->order == SIZE_MAX)
		return err__set(e, -EINVAL, "sort: one of rss growth faults cpu swap is expected");
	if (request__number(r, "n", N_DEFAULT, N_MAX, &l->limit))
		return err__set(e, -EINVAL, "n: a number up to %d is expected", N_MAX);
	return ask__selection(r, s, e);
}

static int pick(const struct buf *bytes, const struct selection *s, struct listing *l)
{
	const struct usage_head *head = (const void *)bytes->data;
	const struct usage_row *rows = (const void *)(head + 1);

	if (bytes->len < sizeof(*head) || head->magic != USAGE_ROWS_MAGIC ||
	    bytes->len != sizeof(*head) + head->n_rows * sizeof(*rows) + head->n_points * sizeof(*l->points))
		return -EBADMSG;
	l->points = (const void *)(rows + head->n_rows);
	l->head = head;
	l->rows = calloc((size_t)head->n_rows + 1, sizeof(*l->rows));
	if (!l->rows)
		return -ENOMEM;
	for (uint32_t i = 0; i < head->n_rows; i++) { /* groups come first */
		if (!selection__matches(s, row_text, &rows[i], NULL))
			continue;
		l->n_groups += rows[i].is_group;
		l->rows[l->n++] = &rows[i];
	}
	qsort_r(l->rows, l->n_groups, sizeof(*l->rows), compare, &l->order);
	qsort_r(l->rows + l->n_groups, l->n - l->n_groups, sizeof(*l->rows), compare, &l->order);
	return 0;
}

/* -- series -- */

static void print_column(struct buf *b, const char *name, const struct usage_row_point *p, uint32_t n,
			 size_t at)
{
	buf__printf(b, "%s\"%s\":[", at == offsetof(struct usage_row_point, rss_bytes) ? "" : ",", name);
	for (uint32_t i = 0; i < n; i++) {
		double v;

		memcpy(&v, (const char *)&p[i] + at, sizeof(v));
		buf__printf(b, v == floor(v) ? "%s%.0f" : "%s%.3f", i ? "," : "", v);
	}
	buf__append_char(b, ']');
}

static void print_series(struct buf *b, const struct usage_row_point *p, uint32_t n)
{
	buf__append_str(b, ",\"series\":{");
	print_column(b, "rss_bytes", p, n, offsetof(struct usage_row_point, rss_bytes));
	print_column(b, "cpu_percent", p, n, offsetof(struct usage_row_point, cpu_percent));
	print_column(b, "major_faults_per_second", p, n, offsetof(struct usage_row_point, major_faults));
	print_column(b, "threads", p, n, offsetof(struct usage_row_point, threads));
	buf__append_str(b, ",\"times\":[");
	for (uint32_t i = 0; i < n; i++)
		buf__printf(b, "%s%.3f", i ? "," : "", (double)p[i].at_ns / NS_PER_SEC);
	buf__append_str(b, "]}");
}

static void answer_series(struct server *s, const struct http_request *r, struct response *to)
{
	struct listing l = {.order = orders[0].offset, .sort = orders[0].name, .limit = 1};
	const struct selection all = {0};
	struct err e = {""};
	struct buf bytes;
	uint64_t pid = 0;
	int err = 0;

	buf__init(&bytes, RESPONSE_BYTES_MAX);
	if (request__number(&r->target, "pid", 0, UINT32_MAX, &pid))
		err = err__set(&e, -EINVAL, "pid: one number is expected with series");
	if (!err)
		err = link__usage_series(s->link, (uint32_t)pid, &bytes);
	if (err == -ESRCH)
		err = err__set(&e, -ENOENT, "no process %u", (uint32_t)pid);
	if (!err)
		err = pick(&bytes, &all, &l);
	if (!err) {
		to->type = "application/json";
		print(&to->body, &l);
		to->body.len -= 2; /* "}" and the line's end: one thing more */
		print_series(&to->body, l.points, l.head->n_points);
		buf__append_str(&to->body, "}\n");
	} else {
		response__fail_err(to, err, &e);
	}
	free(l.rows);
	buf__done(&bytes);
}

static void answer_memory(struct server *s, const struct http_request *r, struct response *to)
{
	struct listing l = {0};
	struct selection selection;
	uint64_t now = clock__mono_ns();
	struct err e = {""};
	int err;

	if (request__param(&r->target, "series") && !is_for_prometheus(r)) {
		answer_series(s, r, to);
		return;
	}
	err = read_ask(&r->target, &l, &selection, &e);
	pthread_mutex_lock(&s->usage_lock);
	if (!err && (!s->usage.len || now - s->usage_ns > FRESH_NS)) {
		buf__clear(&s->usage);
		err = link__usage(s->link, &s->usage);
		s->usage_ns = now;
	}
	if (!err)
		err = pick(&s->usage, &selection, &l);
	if (!err) {
		to->type = is_for_prometheus(r) ? PROMETHEUS_TEXT : "application/json";
		(is_for_prometheus(r) ? print_metrics : print)(&to->body, &l);
	}
	pthread_mutex_unlock(&s->usage_lock);
	if (err)
		response__fail_err(to, err, &e);
	free(l.rows);
}

const struct route memory_routes[] = {
	{"/metrics/usage", ROLE_VIEW, WORK_QUERY, answer_memory, NULL},
	{"/api/v1/profiling/memory", ROLE_VIEW, WORK_QUERY, answer_memory, NULL},
	{NULL, 0, 0, NULL, NULL},
};
