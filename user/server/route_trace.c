/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /debug/pprof/trace: what every thread did over the next seconds, in order, as Chrome's trace events (Go's own format is of its runtime).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "exporters/format/trace_json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/server/ask.h"
#include "user/server/link.h"
#include "user/server/server.h"

#define DEFAULT_SECONDS 1 /* as Go's */
#define SECONDS_MAX     300

static const char *text_of(const void *row, const char *key, char number[SELECTION_TEXT_MAX], const void *ctx)
{
	const struct trace_thread *t = row;
	bool is_pid = key[0] == 'p' && key[1] == 'i', is_tid = key[0] == 't' && key[1] == 'i';

	if (!is_pid && !is_tid)
		return trace__label(ctx, t, key);
	snprintf(number, SELECTION_TEXT_MAX, "%" PRIu32, is_pid ? t->tgid : t->tid);
	return number;
}

static bool keeps(const struct trace *t, const struct trace_thread *thread, void *ctx)
{
	return selection__matches(ctx, text_of, thread, t);
}

static int encode(const struct buf *bytes, struct selection *s, struct response *to)
{
	struct trace t;
	int err = trace__parse(bytes->data, bytes->len, &t);

	if (!err)
		err = trace_json__encode(&t, s->n ? keeps : NULL, s, &to->body);
	if (err)
		return err;
	to->type = "application/json";
	snprintf(to->file, sizeof(to->file), "trace.json");
	if (t.head->cut_ns)
		snprintf(to->note, sizeof(to->note), "ends after %.3f s: there was no room for more",
			 (double)(t.head->cut_ns - t.head->from_ns) / NS_PER_SEC);
	else if (t.head->lost)
		snprintf(to->note, sizeof(to->note), "%" PRIu64 " switches and wake-ups were lost",
			 t.head->lost);
	return 0;
}

static void answer_trace(struct server *s, const struct http_request *r, struct response *to)
{
	struct selection selection;
	struct err e = {""};
	uint64_t seconds;
	struct buf bytes;
	int err;

	if (request__number(&r->target, "seconds", DEFAULT_SECONDS, SECONDS_MAX, &seconds) || !seconds) {
		response__fail(to, 400, "seconds: a whole number from 1 to %d is expected", SECONDS_MAX);
		return;
	}
	buf__init(&bytes, TRACE_BYTES_MAX);
	err = ask__selection(&r->target, &selection, &e);
	if (!err)
		err = link__trace(s->link, clock__real_ns() + seconds * NS_PER_SEC, &r->cancel, &bytes);
	if (err == -EOPNOTSUPP)
		err__set(&e, err,
			 "this kernel has no tracepoints sched_switch and sched_waking for BPF programs");
	if (!err)
		err = encode(&bytes, &selection, to);
	buf__done(&bytes);
	if (err)
		response__fail_err(to, err, &e);
}

const struct route trace_routes[] = {
	{"/debug/pprof/trace", ROLE_VIEW, WORK_CAPTURE, answer_trace, NULL},
	{NULL, 0, 0, NULL, NULL},
};
