/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/profiling/: recordings that are started, looked after, fetched and cancelled by their id. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "exporters/format/json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/config/units.h"
#include "user/server/ask.h"
#include "user/server/server.h"
#include "user/server/session.h"

#define PREFIX      "/api/v1/profiling/"
#define DEFAULT_NS  (30 * NS_PER_SEC)
#define EVENT_CHARS 16

static void print_session(const struct session_view *v, struct buf *b)
{
	time_t seconds = (time_t)(v->started_ns / NS_PER_SEC);
	char when[32], duration[UNITS_TEXT_MAX];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
	units__format_duration(v->duration_ns, duration);
	buf__printf(b,
		    "{\"session_id\":\"%s\",\"type\":\"%s\",\"duration\":\"%s\",\"started_at\":\"%s\","
		    "\"status\":\"%s\",\"progress\":%.3f",
		    v->id, v->event, duration, when, session_status__name(v->status), v->progress);
	if (v->error[0]) {
		buf__append_str(b, ",\"error\":");
		json__string(b, v->error);
	}
	if (v->status == SESSION_DONE)
		buf__printf(b, ",\"bytes\":%" PRIu64 ",\"download_url\":\"" PREFIX "%s/download/%s\"",
			    v->bytes, v->event, v->id);
	buf__append_str(b, "}");
}

/* "cpu/start" to "cpu" and "start", and for the others the id behind. */
struct place {
	char event[EVENT_CHARS], verb[16], id[SESSION_ID_MAX];
};

static bool read_place(const struct http_request *r, struct place *ret)
{
	const char *rest = r->target.path + strlen(PREFIX);
	int end = 0, n = sscanf(rest, "%15[a-z0-9]/%15[a-z]%n/%16[0-9a-f]%n", ret->event, ret->verb, &end,
				ret->id, &end);

	if (n < 2 || rest[end])
		return false;
	if (n == 2)
		ret->id[0] = '\0';
	return (n == 2) == !strcmp(ret->verb, "start");
}

/* Before anything is recorded, not when it failed; the err names those that there are. */
static int check_event(const char *name, struct err *e)
{
	enum event ev;
	struct buf names;
	int err = event__find(name, &ev);

	if (!err)
		return 0;
	buf__init(&names, ERR_TEXT_MAX);
	for (int i = 0; i < EVENT_N; i++)
		buf__printf(&names, " %s", event__name((enum event)i));
	err__set(e, err, "there is no event '%s'; there are:%s", name, buf__str(&names));
	buf__done(&names);
	return err;
}

static void start(struct server *s, const struct http_request *r, const struct place *place,
		  struct response *to)
{
	const char *text = request__param(&r->target, "duration");
	struct session_view want = {.duration_ns = DEFAULT_NS};
	struct selection selection;
	struct session_view view;
	struct err e = {""};
	int err = check_event(place->event, &e);

	if (!err && text && units__parse_duration(text, &want.duration_ns, &e))
		err = err__prefix(&e, -EINVAL, "duration");
	if (!err && (want.duration_ns < NS_PER_SEC || want.duration_ns > s->settings->max_duration_ns))
		err = err__set(&e, -EINVAL,
			       "duration: from 1s to profiling.max_duration (%" PRIu64 "s) is expected",
			       (uint64_t)(s->settings->max_duration_ns / NS_PER_SEC));
	if (!err)
		err = ask__rate(&r->target, &want.rate_hz, &e);
	if (!err)
		err = ask__selection(&r->target, &selection, &e);
	snprintf(want.event, sizeof(want.event), "%s", place->event);
	if (!err)
		err = sessions__start(s->sessions, &want, &selection, &view, &e);
	if (err) {
		response__fail_err(to, err, &e);
		return;
	}
	to->type = "application/json";
	print_session(&view, &to->body);
	buf__append_char(&to->body, '\n');
}

static void download(struct server *s, const struct place *place, struct response *to)
{
	struct session_view view;
	int err = sessions__download(s->sessions, place->id, &to->body, &view);

	if (!err) {
		to->type = "application/octet-stream";
		snprintf(to->file, sizeof(to->file), "everprof.%s.%s.pb.gz", view.event, view.id);
	} else if (err == -EAGAIN) {
		response__fail(to, 409, "the session is %s: %.0f %% are over",
			       session_status__name(view.status), 100 * view.progress);
	} else if (err == -ENODATA) {
		response__fail(to, 409, "the session failed: %s", view.error);
	} else if (err == -ECANCELED) {
		response__fail(to, 410, "the session was cancelled");
	} else {
		response__fail(to, 404, "there is no such session");
	}
}

static void answer_place(struct server *s, const struct http_request *r, struct response *to)
{
	struct session_view view;
	struct place place;

	if (!read_place(r, &place)) {
		response__fail(to, 404,
			       "there is no such page: " PREFIX
			       "<event>/start, …/status/ID, …/download/ID, …/cancel/ID");
		return;
	}
	if (r->may_be_forged && (!strcmp(place.verb, "start") || !strcmp(place.verb, "cancel"))) {
		response__fail(to, 405, "POST is expected of a browser: this changes something");
		to->allow = "POST, OPTIONS";
		return;
	}
	if (!strcmp(place.verb, "start")) {
		start(s, r, &place, to);
		return;
	}
	if (!strcmp(place.verb, "download")) {
		download(s, &place, to);
		return;
	}
	if (strcmp(place.verb, "status") && strcmp(place.verb, "cancel")) {
		response__fail(to, 404, "there is no such page");
		return;
	}
	if ((!strcmp(place.verb, "cancel") && sessions__cancel(s->sessions, place.id)) ||
	    sessions__view(s->sessions, place.id, &view)) {
		response__fail(to, 404, "there is no such session");
		return;
	}
	to->type = "application/json";
	print_session(&view, &to->body);
	buf__append_char(&to->body, '\n');
}

static void answer_list(struct server *s, const struct http_request *r, struct response *to)
{
	static __thread struct session_view views[SESSIONS_MAX];
	uint32_t n = sessions__list(s->sessions, views, SESSIONS_MAX);

	(void)r;
	to->type = "application/json";
	buf__append_char(&to->body, '[');
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			buf__append_str(&to->body, ",\n");
		print_session(&views[i], &to->body);
	}
	buf__append_str(&to->body, "]\n");
}

const struct route session_routes[] = {
	{PREFIX "sessions", ROLE_VIEW, WORK_QUICK, answer_list, NULL},
	{PREFIX "*", ROLE_CAPTURE, WORK_QUERY, answer_place, NULL, METHODS_BOTH},
	{NULL, 0, 0, NULL, NULL},
};
