/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/ask.h"

#include <errno.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/units.h"
#include "user/query/time_point.h"
#include "user/server/request.h"
#include "user/server/wire.h"
#include "user/store/name.h"

/* Of gzip. Whoever asks waits for it: half the time of the level that files are written at, for 7 % more bytes. */
#define ANSWER_LEVEL 1

static bool is_event(const char *s)
{
	size_t len = strlen(s);

	return len && len < STORE_EVENT_MAX && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == len &&
	       (*s < '0' || *s > '9');
}

/* A name where an id belongs would match nothing, and say so by an empty profile. */
static bool is_id_or_text(const char *key, const char *pattern)
{
	bool is_id = !strcmp(key, "pid") || !strcmp(key, "tid");

	return !is_id || strspn(pattern, "0123456789*?[]!^-") == strlen(pattern);
}

int ask__selection(const struct request *r, struct selection *ret, struct err *err)
{
	*ret = (struct selection){0};
	for (uint32_t i = 0; i < r->n_params; i++) {
		int code;

		if (!selection__is_key(r->params[i].name) || !*r->params[i].value)
			continue;
		if (!is_id_or_text(r->params[i].name, r->params[i].value))
			return err__set(err, -EINVAL, "%s: a number, or a pattern of digits, is expected",
					r->params[i].name);
		code = selection__add(ret, r->params[i].name, r->params[i].value);
		if (code)
			return err__set(err, -EINVAL, "at most %d selectors", SELECTION_MAX);
	}
	return 0;
}

static int read_time(const struct request *r, const char *name, uint64_t now, uint64_t *ns, struct err *err)
{
	const char *text = request__param(r, name);
	int code = text && *text ? time_point__parse(text, now, ns, err) : 0;

	return code ? err__prefix(err, -EINVAL, "%s", name) : 0;
}

int ask__range(const struct request *r, const char *from, const char *to, struct range *ret,
	       bool *ret_is_there, struct err *err)
{
	uint64_t now = clock__real_ns();
	int code;

	*ret_is_there = request__param(r, from) || request__param(r, to);
	ret->to_ns = now;
	code = read_time(r, to, now, &ret->to_ns, err);
	ret->from_ns = ret->to_ns - ASK_DEFAULT_NS;
	if (!code)
		code = read_time(r, from, now, &ret->from_ns, err);
	if (!code && ret->from_ns >= ret->to_ns)
		code = err__set(err, -EINVAL, "%s must lie before %s", from, to);
	return code;
}

int ask__rate(const struct request *r, uint32_t *ret_hz, struct err *err)
{
	uint64_t hz;

	if (request__number(r, "rate", 0, WIRE_RATE_MAX, &hz))
		return err__set(err, -EINVAL, "rate: samples a second, a number up to %d, is expected",
				WIRE_RATE_MAX);
	*ret_hz = (uint32_t)hz;
	return 0;
}

int ask__read(const struct request *r, struct ask_for *ret, struct err *err)
{
	const char *event = request__param(r, "event"), *threshold = request__param(r, "threshold");
	uint64_t ppm = 0;
	bool is_there;
	int code;

	*ret = (struct ask_for){.range = {.event = event && *event ? event : "cpu"},
				.format = {.type = request__param(r, "type"),
					   .root_label = request__param(r, "by"),
					   .level = ANSWER_LEVEL}};
	if (ret->format.type && !*ret->format.type)
		ret->format.type = NULL;
	if (ret->format.root_label && !*ret->format.root_label)
		ret->format.root_label = NULL;
	if (!is_event(ret->range.event))
		return err__set(err, -EINVAL, "event: a small word is expected, such as cpu");
	if (threshold && (units__parse_share(threshold, &ppm, err) || ppm > 1000000))
		return err__set(err, -EINVAL, "threshold: a share such as 0.1%% is expected");
	ret->format.threshold_ppm = (uint32_t)ppm;
	code = ask__range(r, "from", "to", &ret->range, &is_there, err);
	return code ? code : ask__selection(r, &ret->selection, err);
}
