/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1: what was recorded in a range, as a profile of any format, a table, a difference; what there is. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/format.h"
#include "exporters/format/json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/idle.h"
#include "user/query/top.h"
#include "user/server/ask.h"
#include "user/server/link.h"
#include "user/server/server.h"
#include "user/store/index.h"

#define TOP_ROWS      100
#define TOP_ROWS_MAX  100000
#define SNAPSHOTS_MAX 20000

/* Words of the contract, and the formats' own names. */
static const struct format *format_of(const char *name)
{
	if (!name || !*name || !strcmp(name, "json"))
		name = "flame";
	return strcmp(name, "pprof-zstd") && strcmp(name, "pprof-bare") ? format__by_name(name) : NULL;
}

static int load(struct server *s, const struct http_request *r, const struct ask_for *a, struct profile **ret,
		struct err *e)
{
	struct range base = a->range;
	struct profile *now = NULL, *before = NULL;
	bool is_diff;
	int err = ask__range(&r->target, "diff_from", "diff_to", &base, &is_diff, e);

	if (!err)
		err = range__load(s->link, &a->range, &a->selection, &now, e);
	if (err || !is_diff) {
		if (!err)
			*ret = now;
		return err;
	}
	err = range__load(s->link, &base, &a->selection, &before, e);
	if (!err)
		err = profile__diff(before, now, NULL, ret);
	profile__free(before);
	profile__free(now);
	return err;
}

/* What is looked at shows no idle waits, and says how much they were; files keep all, and so does idle=1. */
static int hide_idle(const struct http_request *r, const struct ask_for *a, struct profile **p,
		     struct response *to)
{
	struct idle_hidden hidden;
	struct profile *shown = NULL;
	struct buf b;
	int err = request__param(&r->target, "idle") ? 0 : idle__hide(*p, a->format.type, &shown, &hidden);

	if (err || !shown)
		return err;
	buf__init(&b, sizeof(to->note) * 4);
	idle_hidden__print(&hidden, &b);
	snprintf(to->note, sizeof(to->note), "without %s", buf__str(&b));
	/* a header has ASCII only */
	for (char *c = to->note; *c; c++)
		*c = *c < 0 ? '.' : *c;
	buf__done(&b);
	profile__free(*p);
	*p = shown;
	return 0;
}

static void print_top(const struct top *t, uint64_t n_rows, struct buf *b)
{
	buf__append_str(b, "{\"type\":");
	json__string(b, t->type);
	buf__append_str(b, ",\"unit\":");
	json__string(b, t->unit);
	buf__append_str(b, ",\"by\":");
	json__string(b, t->by);
	buf__printf(b, ",\"total\":%" PRId64 ",\"in_focus\":%" PRId64 ",\"n\":%u,\"rows\":[", t->total,
		    t->in_focus, t->n);
	for (uint32_t i = 0; i < t->n && i < n_rows; i++) {
		buf__append_str(b, i ? ",{\"name\":" : "{\"name\":");
		json__string(b, top__name(t, i));
		buf__printf(b, ",\"flat\":%" PRId64 ",\"cum\":%" PRId64 "}", t->rows[i].flat, t->rows[i].cum);
	}
	buf__append_str(b, "]}\n");
}

/* format=top as JSON, format=text as `everprof top` prints it. */
static int answer_top(const struct http_request *r, const struct profile *p, bool as_text,
		      struct response *to, struct err *e)
{
	const char *sort = request__param(&r->target, "sort");
	struct top_opts opts = {.by = request__param(&r->target, "by"),
				.type = request__param(&r->target, "type"),
				.focus = request__param(&r->target, "focus"),
				.sort = sort && !strcmp(sort, "cum") ? TOP_BY_CUM : TOP_BY_FLAT};
	uint64_t n;
	struct top *t;
	int err = request__number(&r->target, "n", TOP_ROWS, TOP_ROWS_MAX, &n);

	if (err)
		return err__set(e, -EINVAL, "n: a number of rows up to %d is expected", TOP_ROWS_MAX);
	if (opts.focus && strlen(opts.focus) > 200)
		return err__set(e, -EINVAL, "focus: at most 200 characters");
	err = top__new(p, &opts, &t, e);
	if (err)
		return err;
	if (as_text) {
		top__print(t, p, &(struct top_print_opts){.n_rows = (uint32_t)n}, &to->body);
	} else {
		to->type = "application/json";
		print_top(t, n, &to->body);
	}
	top__free(t);
	return 0;
}

static void name_file(const struct ask_for *a, const struct format *f, struct response *to)
{
	char date[11], hms[7];

	clock__format_date(a->range.from_ns, date);
	clock__format_hms(a->range.from_ns, hms);
	snprintf(to->file, sizeof(to->file), "%s.%sT%sZ%s", a->range.event, date, hms, f->suffix);
}

static void answer_query(struct server *s, const struct http_request *r, struct response *to)
{
	const char *format = request__param(&r->target, "format");
	bool as_json = format && !strcmp(format, "top"), as_text = format && !strcmp(format, "text");
	const struct format *f = as_json || as_text ? NULL : format_of(format);
	struct profile *p = NULL;
	struct err e = {""};
	struct ask_for a;
	int err = ask__read(&r->target, &a, &e);

	if (!err && !f && !as_json && !as_text)
		err = err__set(&e, -EINVAL,
			       "format: one of pprof json folded speedscope svg html top text is expected");
	if (!err)
		err = load(s, r, &a, &p, &e);
	if (!err && (!f || strncmp(f->name, "pprof", 5)))
		err = hide_idle(r, &a, &p, to);
	if (!err && !f)
		err = answer_top(r, p, as_text, to, &e);
	else if (!err) {
		to->type = f->media_type;
		if (!strcmp(f->name, "pprof") || request__param(&r->target, "download"))
			name_file(&a, f, to);
		err = f->encode(p, &a.format, &to->body);
		if (err == -ENOENT)
			err__set(&e, err, "the profile has no sample type '%s'",
				 a.format.type ? a.format.type : "");
	}
	profile__free(p);
	if (err)
		response__fail_err(to, err, &e);
}

/* -- what there is -- */

static const char *level_of(const struct store_name *n)
{
	static const char *const names[] = {
		[STORE_WINDOW] = "window", [STORE_HOUR] = "hour", [STORE_DAY] = "day"};

	return names[store_name__level(n)];
}

static void answer_snapshots(struct server *s, const struct http_request *r, struct response *to)
{
	struct store_file *files = NULL;
	struct err e = {""};
	uint32_t n = 0;
	struct ask_for a;
	int err = ask__read(&r->target, &a, &e);

	if (!err)
		err = link__list(s->link, request__param(&r->target, "event") ? a.range.event : NULL,
				 a.range.from_ns, a.range.to_ns,
				 request__param(&r->target, "windows") != NULL, &files, &n);
	if (err) {
		response__fail_err(to, err, &e);
		return;
	}
	to->type = "application/json";
	buf__append_str(&to->body, "[");
	for (uint32_t i = 0; i < n && i < SNAPSHOTS_MAX; i++) {
		const struct store_name *name = &files[i].name;
		char path[STORE_PATH_MAX];

		store_name__format_path(name, path);
		buf__printf(&to->body,
			    "%s{\"path\":\"%s\",\"event\":\"%s\",\"start\":%" PRIu64
			    ",\"seconds\":%u,\"bytes\":%" PRIu64 ",\"level\":\"%s\",\"cut\":%s}",
			    i ? ",\n" : "", path, name->event, name->start_s, name->seconds, files[i].bytes,
			    level_of(name), files[i].is_cut ? "true" : "false");
	}
	buf__append_str(&to->body, "]\n");
	free(files);
}

/* "<date>/<file>": only a name that the store itself would write goes any further. */
static int parse_path(const char *path, struct store_name *ret)
{
	const char *slash = strchr(path, '/');
	char date[STORE_DATE_MAX];
	uint64_t day_s;

	if (!slash || slash - path != STORE_DATE_MAX - 1)
		return -EINVAL;
	memcpy(date, path, STORE_DATE_MAX - 1);
	date[STORE_DATE_MAX - 1] = '\0';
	return store_name__parse_date(date, &day_s) ? -EINVAL : store_name__parse(slash + 1, day_s, ret);
}

static void answer_snapshot(struct server *s, const struct http_request *r, struct response *to)
{
	const char *path = server__rest(r, "/api/v1/snapshots/*");
	struct store_name name;
	int err = parse_path(path, &name);

	if (err) {
		response__fail(to, 404, "there is no such snapshot");
		return;
	}
	err = link__read_file(s->link, &name, &to->body);
	if (err) {
		response__fail_err(to, err, NULL);
		return;
	}
	to->type = "application/octet-stream";
	store_name__format(&name, to->file);
}

struct event_span {
	char event[STORE_EVENT_MAX];
	uint64_t from_s, to_s, n;
};

static void answer_events(struct server *s, const struct http_request *r, struct response *to)
{
	struct store_file *files = NULL;
	struct event_span spans[32];
	uint32_t n = 0, n_spans = 0;
	int err = link__list(s->link, NULL, 0, clock__real_ns(), false, &files, &n);

	(void)r;
	if (err) {
		response__fail_err(to, err, NULL);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct store_name *name = &files[i].name;
		uint32_t at = 0;

		while (at < n_spans && strcmp(spans[at].event, name->event))
			at++;
		if (at == sizeof(spans) / sizeof(*spans))
			continue;
		if (at == n_spans) {
			spans[n_spans++] = (struct event_span){.from_s = name->start_s};
			strcpy(spans[at].event, name->event);
		}
		spans[at].n++;
		if (store_name__end_s(name) > spans[at].to_s)
			spans[at].to_s = store_name__end_s(name);
	}
	free(files);
	to->type = "application/json";
	buf__printf(&to->body, "{\"version\":\"%s\",\"now\":%" PRIu64 ",\"host\":", EVERPROF_VERSION,
		    (uint64_t)(clock__real_ns() / NS_PER_SEC));
	json__string(&to->body, s->settings->n_hosts ? s->settings->hosts[0] : "");
	buf__append_str(&to->body, ",\"events\":[");
	for (uint32_t i = 0; i < n_spans; i++)
		buf__printf(&to->body,
			    "%s{\"name\":\"%s\",\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"files\":%" PRIu64
			    "}",
			    i ? "," : "", spans[i].event, spans[i].from_s, spans[i].to_s, spans[i].n);
	buf__append_str(&to->body, "]}\n");
}

const struct route query_routes[] = {
	{"/api/v1/query", ROLE_VIEW, WORK_QUERY, answer_query, NULL},
	{"/api/v1/snapshots", ROLE_VIEW, WORK_QUERY, answer_snapshots, NULL},
	{"/api/v1/snapshots/*", ROLE_VIEW, WORK_QUERY, answer_snapshot, NULL},
	{"/api/v1/events", ROLE_VIEW, WORK_QUERY, answer_events, NULL},
	{NULL, 0, 0, NULL, NULL},
};
