// SPDX-License-Identifier: Apache-2.0
#include "user/alert/capture_head.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/config/event.h"
#include "user/store/capture_folder.h"

#define CALM 1e-12 /* least that is divided by */

static void take(const json_t *o, const char *key, char *to, size_t size)
{
	const char *s = json_string_value(json_object_get(o, key));

	snprintf(to, size, "%s", s ? s : "");
}

static uint32_t events_of(const json_t *events)
{
	uint32_t bits = 0;

	for (int ev = 0; ev < EVENT_N; ev++) {
		const json_t *e = json_object_get(events, event__name((enum event)ev));

		if (e && !json_object_get(e, "missing"))
			bits |= 1u << ev;
	}
	return bits;
}

/* Without a unit, as condition__severity: captures of one episode may be of several metrics. */
static double severity_of(const json_t *trigger)
{
	double value = json_number_value(json_object_get(trigger, "value"));
	double threshold = json_number_value(json_object_get(trigger, "threshold"));

	return json_is_true(json_object_get(trigger, "lower_is_worse")) ? threshold / fmax(value, CALM)
									: value / fmax(threshold, CALM);
}

static void take_trigger(const json_t *trigger, struct capture_head *h)
{
	take(trigger, "condition", h->condition, sizeof(h->condition));
	take(trigger, "cause", h->cause, sizeof(h->cause));
	take(trigger, "value_text", h->value, sizeof(h->value));
	take(trigger, "metric", h->metric, sizeof(h->metric));
	h->severity = severity_of(trigger);
}

int capture_head__parse(const void *bytes, size_t len, struct capture_head *ret)
{
	json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL), *range;
	char episode[20];

	if (!json_is_string(json_object_get(root, "id")) ||
	    !json_is_object(json_object_get(root, "trigger"))) {
		json_decref(root);
		return -EBADMSG;
	}
	*ret = (struct capture_head){0};
	take(root, "id", ret->id, sizeof(ret->id));
	take(root, "rule", ret->rule, sizeof(ret->rule));
	take(root, "episode", episode, sizeof(episode));
	ret->episode = strtoull(episode, NULL, 16);
	ret->fired_ns = (uint64_t)json_integer_value(json_object_get(root, "fired_unix_ns"));
	take(json_object_get(root, "target"), "text", ret->target, sizeof(ret->target));
	take_trigger(json_object_get(root, "trigger"), ret);
	range = json_object_get(root, "range");
	ret->before_seconds = json_number_value(json_object_get(range, "before_seconds"));
	ret->after_seconds = json_number_value(json_object_get(range, "after_seconds"));
	ret->is_cut_short = json_is_true(json_object_get(range, "cut_short"));
	ret->events = events_of(json_object_get(root, "events"));
	json_decref(root);
	return 0;
}

int capture_head__read(const char *store_dir, const struct capture_folder *f, struct capture_head *ret)
{
	struct buf b;
	int fd, err = capture_folder__open(store_dir, f, CAPTURE_META, &fd);

	if (err)
		return err;
	buf__init(&b, CAPTURE_META_BYTES_MAX);
	err = io__read_fd(fd, CAPTURE_META_BYTES_MAX, &b);
	io__close(&fd);
	if (!err)
		err = capture_head__parse(b.data, b.len, ret);
	buf__done(&b);
	return err;
}
