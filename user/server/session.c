/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/session.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/profile/profile.h"
#include "user/server/cancel.h"
#include "user/server/range.h"
#include "user/server/workers.h"

#define RESULT_BYTES_MAX ((size_t)32 << 20)
#define SELECTION_BYTES  2048

struct session {
	bool is_used, cancelled, is_over;
	struct session_view view;
	uint64_t ended_ns;
	struct sessions *all;
	struct selection selection;
	char texts[SELECTION_BYTES]; /* what the selection points to */
	struct buf result;
	int code; /* what came of it: the worker's, until it is over */
	struct err err;
};

struct sessions {
	struct link *link;
	struct workers *workers;
	pthread_mutex_t lock;
	struct session sessions[SESSIONS_MAX];
};

const char *session_status__name(enum session_status status)
{
	static const char *const names[] = {"started", "running", "done", "failed", "cancelled"};

	return names[status];
}

int sessions__new(struct link *link, struct workers *workers, struct sessions **ret)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->link = link;
	s->workers = workers;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

/* What of its time is over. */
static double session__progress(const struct session *x)
{
	uint64_t gone = clock__real_ns() - x->view.started_ns;

	return gone >= x->view.duration_ns ? 1 : (double)gone / (double)x->view.duration_ns;
}

static void session__end(void *ctx)
{
	struct session *x = ctx;
	int code = x->code;

	pthread_mutex_lock(&x->all->lock);
	x->view.progress = code ? session__progress(x) : 1;
	x->view.status = !code ? SESSION_DONE : x->cancelled ? SESSION_CANCELLED : SESSION_FAILED;
	if (code && !x->cancelled)
		snprintf(x->view.error, sizeof(x->view.error), "%.150s", err__text(&x->err, code));
	x->view.bytes = x->result.len;
	x->ended_ns = clock__mono_ns();
	x->is_over = true;
	pthread_mutex_unlock(&x->all->lock);
}

static bool session__is_cancelled(const void *of)
{
	const struct session *x = of;

	return __atomic_load_n(&x->cancelled, __ATOMIC_RELAXED);
}

static void session__run(void *ctx)
{
	struct session *x = ctx;
	const struct cancel cancel = {session__is_cancelled, x};
	const struct range range = {.event = x->view.event,
				    .from_ns = x->view.started_ns,
				    .to_ns = x->view.started_ns + x->view.duration_ns,
				    .rate_hz = x->view.rate_hz};
	struct profile *p = NULL;

	pthread_mutex_lock(&x->all->lock);
	x->view.status = SESSION_RUNNING;
	pthread_mutex_unlock(&x->all->lock);
	x->code = range__capture(x->all->link, &range, &x->selection, &cancel, &p, &x->err);
	if (!x->code)
		x->code = pprof__encode(p, NULL, &x->result);
	profile__free(p);
}

static void session__drop(struct session *x)
{
	buf__done(&x->result);
	memset(x, 0, sizeof(*x));
}

/* What is over and too old goes; and, for want of a slot or of bytes, what ended first. */
static void sessions__clean(struct sessions *s)
{
	uint64_t now = clock__mono_ns();

	for (;;) {
		struct session *oldest = NULL;
		size_t bytes = 0;
		int n = 0;

		for (int i = 0; i < SESSIONS_MAX; i++) {
			struct session *x = &s->sessions[i];

			if (!x->is_used)
				continue;
			n++;
			bytes += x->result.cap;
			if (x->is_over && (!oldest || x->ended_ns < oldest->ended_ns))
				oldest = x;
		}
		if (!oldest || (now - oldest->ended_ns < SESSION_KEPT_NS && bytes < SESSIONS_BYTES_MAX &&
				n < SESSIONS_MAX))
			return;
		session__drop(oldest);
	}
}

static int copy_selection(const struct selection *from, struct session *x)
{
	size_t used = 0;

	for (uint32_t i = 0; from && i < from->n; i++) {
		const char *texts[] = {from->items[i].key, from->items[i].pattern};
		const char **places[] = {&x->selection.items[i].key, &x->selection.items[i].pattern};

		for (int j = 0; j < 2; j++) {
			size_t len = strlen(texts[j]) + 1;

			if (used + len > sizeof(x->texts))
				return -E2BIG;
			*places[j] = memcpy(x->texts + used, texts[j], len);
			used += len;
		}
		x->selection.n++;
	}
	return 0;
}

static int session__fill(struct sessions *s, struct session *x, const struct session_view *want,
			 const struct selection *selection)
{
	uint64_t id;

	*x = (struct session){.is_used = true, .all = s};
	buf__init(&x->result, RESULT_BYTES_MAX);
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	snprintf(x->view.id, sizeof(x->view.id), "%016" PRIx64, id);
	memcpy(x->view.event, want->event, sizeof(x->view.event));
	x->view.started_ns = clock__real_ns();
	x->view.duration_ns = want->duration_ns;
	x->view.rate_hz = want->rate_hz;
	return copy_selection(selection, x);
}

int sessions__start(struct sessions *s, const struct session_view *want, const struct selection *selection,
		    struct session_view *ret, struct err *err)
{
	struct session *x = NULL;
	int code = -EBUSY;

	pthread_mutex_lock(&s->lock);
	sessions__clean(s);
	for (int i = 0; i < SESSIONS_MAX && !x; i++)
		if (!s->sessions[i].is_used)
			x = &s->sessions[i];
	if (x) {
		code = session__fill(s, x, want, selection);
		if (!code)
			code = workers__push(s->workers, session__run, session__end, x);
		if (code)
			session__drop(x);
		else
			*ret = x->view;
	}
	pthread_mutex_unlock(&s->lock);
	if (code == -EAGAIN || code == -EBUSY)
		code = err__set(err, -EBUSY,
				"as many profiles as may be (server.max_captures) are being recorded: wait, "
				"or cancel one");
	return code;
}

static struct session *sessions__find(struct sessions *s, const char *id)
{
	for (int i = 0; i < SESSIONS_MAX; i++)
		if (s->sessions[i].is_used && !strcmp(s->sessions[i].view.id, id))
			return &s->sessions[i];
	return NULL;
}

static void session__look(const struct session *x, struct session_view *ret)
{
	*ret = x->view;
	if (!x->is_over)
		ret->progress = session__progress(x);
}

int sessions__view(struct sessions *s, const char *id, struct session_view *ret)
{
	struct session *x;

	pthread_mutex_lock(&s->lock);
	sessions__clean(s);
	x = sessions__find(s, id);
	if (x)
		session__look(x, ret);
	pthread_mutex_unlock(&s->lock);
	return x ? 0 : -ENOENT;
}

uint32_t sessions__list(struct sessions *s, struct session_view *out, uint32_t max)
{
	uint32_t n = 0;

	pthread_mutex_lock(&s->lock);
	sessions__clean(s);
	for (int i = 0; i < SESSIONS_MAX && n < max; i++)
		if (s->sessions[i].is_used)
			session__look(&s->sessions[i], &out[n++]);
	pthread_mutex_unlock(&s->lock);
	return n;
}

int sessions__cancel(struct sessions *s, const char *id)
{
	struct session *x;

	pthread_mutex_lock(&s->lock);
	x = sessions__find(s, id);
	if (x && !x->is_over)
		__atomic_store_n(&x->cancelled, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s->lock);
	return x ? 0 : -ENOENT;
}

int sessions__download(struct sessions *s, const char *id, struct buf *to, struct session_view *ret)
{
	struct session *x;
	int err = -ENOENT;

	pthread_mutex_lock(&s->lock);
	x = sessions__find(s, id);
	if (x) {
		session__look(x, ret);
		err = !x->is_over                           ? -EAGAIN
		      : x->view.status == SESSION_CANCELLED ? -ECANCELED
		      : x->view.status == SESSION_FAILED    ? -ENODATA
							    : 0;
		if (!err)
			buf__append(to, x->result.data, x->result.len);
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}
