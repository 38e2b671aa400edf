// SPDX-License-Identifier: Apache-2.0
/*
 * /api/v1/alerts/webhook: an Alertmanager's notification, version 4, becomes a capture for each alert that fires here.
 *
 * 2xx is "taken", 5xx makes the Alertmanager send again. What cannot succeed by being sent again (another host's, one that is under way, a body that is none) is told and taken.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "user/base/err.h"
#include "user/server/alert_target.h"
#include "user/server/link.h"
#include "user/server/server.h"

#define ALERTS_MAX    16 /* of one notification that fire here: a capture each */
#define TRIGGER_BYTES 4096

/* {"alert": …, "id": …} or {"alert": …, "skipped": why} */
static json_t *capture(struct server *s, const json_t *alert, int *n_left, int *ret_err)
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
	if (!err && !*n_left)
		err = err__set(&e, -E2BIG,
			       "%d others of this notification fire, which is as many as are taken",
			       ALERTS_MAX);
	if (!err) {
		(*n_left)--;
		err = link__command(s->link, "trigger", buf__str(&text), &id, &e);
	}
	id.len -= id.len && id.data[id.len - 1] == '\n';
	json_object_set_new(o, err ? "skipped" : "id", json_string(err ? err__text(&e, err) : buf__str(&id)));
	if (err == -EPIPE || err == -EAGAIN)
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
	int n_left = ALERTS_MAX, err = 0;

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
		json_array_append_new(taken, capture(s, json_array_get(alerts, i), &n_left, &err));
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
