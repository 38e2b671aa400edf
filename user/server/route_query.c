/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1: what was recorded in a range, as a profile of any format, a table, a difference; what there is. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/server/ask.h"
#include "user/server/link.h"
#include "user/server/server.h"
#include "user/server/show.h"
#include "user/store/index.h"

#define SNAPSHOTS_MAX 20000

static void answer_query(struct server *s, const struct http_request *r, struct response *to)
{
	struct range_parts parts, base_parts;
	struct range base;
	struct err e = {""};
	struct ask_for a;
	bool is_diff;
	int err = ask__read(&r->target, &a, &e);

	if (!err)
		err = show__check(&r->target, &e);
	if (!err) {
		base = a.range;
		err = ask__range(&r->target, "diff_from", "diff_to", &base, &is_diff, &e);
	}
	if (!err) {
		range_parts__init(&parts, s->link, &a.range);
		range_parts__init(&base_parts, s->link, &base);
		err = show__parts(&r->target, &a, &parts.parts, is_diff ? &base_parts.parts : NULL, to, &e);
	}
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
