// SPDX-License-Identifier: Apache-2.0
/*
 * /api/v1/alerts/webhook: an Alertmanager's notification, version 4, becomes a capture for each alert that fires here.
 *
 * 2xx is "taken", 5xx makes the Alertmanager send again, all of it. What cannot succeed by being sent again (another host's, one that is under way, a body that is none) is told and taken, and
 * so is what finds no room beside others of the same notification: these would be captured again.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "user/base/err.h"
#include "user/server/alert_target.h"
#include "user/server/link.h"
#include "user/server/server.h"

#define ALERTS_MAX \
	8 /* of one notification that fire here: a capture each, as many as may be under way (CAPTURES_MAX) */
#define TRIGGER_BYTES 4096

/* Of one notification, on its way. */
struct notification {
	int n_begun;
	bool is_full; /* as many captures are under way as may be */
};

/* 0, or why there is none: in *e, where it is not what the error says. */
static int begin(struct server *s, const char *target, struct notification *n, struct buf *ret_id,
		 struct err *e)
{
	int err;

	if (n->n_begun == ALERTS_MAX)
		return err__set(e, -E2BIG,
				"%d others of this notification fire, which is as many as are taken",
				ALERTS_MAX);
	if (n->is_full)
		return err__set(e, -EBUSY, "as many captures are under way as may be");
	err = link__command(s->link, "trigger", target, ret_id, e);
	n->n_begun += !err;
	n->is_full = err == -EAGAIN;
	return err;
}

/* {"alert": …, "id": …} or {"alert": …, "skipped": why} */
static json_t *capture(struct server *s, const json_t *alert, struct notification *n, int *ret_err)
{
	const char *status = json_string_value(json_object_get(alert, "status"));
	const char *name = json_string_value(json_object_get(json_object_get(alert, "labels"), "alertname"));
	json_t *o = json_pack("{s:s}", "alert", name ? name : "");
	struct err e = {""};
	struct buf text, id;
	int err;

	*ret_err = 0;
	buf__init(&text, TRIGGER_BYTES);
	buf__init(&id, 256);
	err = status && !strcmp(status, "firing")
		      ? alert_target__map(alert, s->settings->hosts, s->settings->n_hosts, &text)
		      : err__set(&e, -ECANCELED, "it does not fire");
	if (err == -EXDEV)
		err__set(&e, err, "it is of another host");
	if (!err)
		err = begin(s, buf__str(&text), n, &id, &e);
	id.len -= id.len && id.data[id.len - 1] == '\n';
	json_object_set_new(o, err ? "skipped" : "id", json_string(err ? err__text(&e, err) : buf__str(&id)));
	if (err == -EPIPE || (err == -EAGAIN && !n->n_begun))
		*ret_err = err;
	buf__done(&text);
	buf__done(&id);
	return o;
}

static int dump(const char *bytes, size_t len, void *to)
{
	buf__append(to, bytes, len);
	return buf__err(to) ? -1 : 0;
}

static void answer_webhook(struct server *s, const struct http_request *r, struct response *to)
{
	json_t *root, *alerts, *taken;
	struct notification n = {0};
	int err = 0;

	root = json_loadb((const char *)r->body.data, r->body.len, JSON_REJECT_DUPLICATES, NULL);
	alerts = json_object_get(root, "alerts");
	if (!json_is_array(alerts)) {
		json_decref(root);
		response__fail(to, 400,
			       "the body of an Alertmanager's webhook is expected: JSON with `alerts`");
		return;
	}
	taken = json_array();
	for (size_t i = 0; !err && i < json_array_size(alerts); i++)
		json_array_append_new(taken, capture(s, json_array_get(alerts, i), &n, &err));
	if (err) {
		response__fail(to, 503, "not now: %s",
			       err == -EAGAIN ? "as many captures are under way as may be"
					      : "the collector is gone");
	} else {
		json_t *answer = json_pack("{s:O}", "captures", taken);

		to->type = "application/json";
		json_dump_callback(answer, dump, &to->body, JSON_COMPACT);
		buf__append_char(&to->body, '\n');
		json_decref(answer);
	}
	json_decref(taken);
	json_decref(root);
}

const struct route webhook_routes[] = {
	{"/api/v1/alerts/webhook", ROLE_CAPTURE, WORK_QUERY, answer_webhook, NULL, METHODS_CHANGE},
	{NULL, 0, 0, NULL, NULL},
};
