/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: who asks for the next thirty seconds, or the next hour, must get exactly those, while windows end when they end, the history forgets, and
 * naming may wait for a disk.
 *
 * Idea: an ask walks behind the clock. Four times a second it takes what has become a closed window since it last looked and has it named and added to its
 * sum; when the end of the range has been drained from the kernel, a copy of the open window gives the rest. So an hour costs the memory of one profile, not of
 * sixty windows.
 *
 *      from                             to
 *   ----|----[ window ]----[ window ]----|--[ open … now
 *        \___ added ____/ \__ added __/ \_ copied at the end
 *
 * Invariants: an ask has at most one job at the publisher; while it has, the loop's thread leaves its sum alone.
 *
 * Cost: a timer four times a second while anybody asks, none otherwise; naming as for a window.
 *
 * An event that the configuration leaves off is recorded for as long as somebody asks for it.
 *
 * A state (event_source.h) is not waited for: it is looked at once, when it is asked for, and that is the answer.
 *
 * What it does not do: select. Who asked does that in its own process, from the labels.
 */
#include "user/pipeline/live.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/loop.h"
#include "user/base/memfd.h"
#include "user/base/queue.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/event_source.h"
#include "user/pipeline/naming.h"
#include "user/pipeline/publish.h"
#include "user/pipeline/window.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"

#define TICK_NS     (250 * NS_PER_MS)
#define LATE_NS     (3 * NS_PER_SEC) /* after the end, it is taken as it is */
#define EDGES_NS    (2 * NS_PER_SEC) /* of a range: slices that lie across its ends */
#define WINDOWS_MAX 64 /* at once: what came since the last tick, and at first what the history holds */
#define BYTES_MAX   ((size_t)512 << 20)

struct ask {
	struct live *live;
	enum event event;
	uint64_t id, from_ns, to_ns;
	uint32_t rate_hz;
	live_done_fn done;
	void *ctx;
	bool is_used, is_busy, is_last, is_cancelled;
	bool has_demand;  /* the event is recorded for it */
	bool is_over;     /* the event is not recorded now, and nothing more of the range will come */
	bool is_dump;     /* of a state: what is now, whatever the range */
	uint64_t seen_ns; /* what is earlier is in the sum */
	struct window *windows[WINDOWS_MAX];
	uint32_t n_windows;
	struct profile *sum;
	int err, fd;
};

struct live {
	struct loop *loop;
	struct collector *collector;
	struct publisher *publisher;
	struct loop_source *timer, *event_source;
	int event_fd; /* rung by the publisher's thread */
	struct queue *named;
	struct ask asks[LIVE_ASKS_MAX];
	uint32_t n_asks;
};

static void ask__drop_windows(struct ask *a)
{
	while (a->n_windows)
		window__unref(a->windows[--a->n_windows]);
}

/* As many samples as the one wants who wants most. */
static void live__raise(struct live *l)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < LIVE_ASKS_MAX; i++)
		if (l->asks[i].is_used && l->asks[i].rate_hz > most)
			most = l->asks[i].rate_hz;
	collector__raise(l->collector, RAISED_BY_ASK, most);
}

static void ask__end(struct ask *a, int err, int fd)
{
	struct live *l = a->live;
	bool is_raised = a->rate_hz != 0;
	live_done_fn done = a->done;
	void *ctx = a->ctx;
	uint64_t id = a->id;

	ask__drop_windows(a);
	profile__free(a->sum);
	if (a->has_demand)
		collector__release(l->collector, a->event);
	*a = (struct ask){0};
	if (is_raised)
		live__raise(l);
	if (!--l->n_asks)
		loop__set_timer(l->timer, LOOP_TIMER_OFF, 0);
	done(ctx, id, err, fd);
}

/* -- on the publisher's thread -- */

static bool has_slice(const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
	for (uint32_t i = 0; i < w->n_slices; i++)
		if (w->slices[i].from_ns >= from_ns && w->slices[i].from_ns < to_ns &&
		    w->slices[i].to_ns > w->slices[i].from_ns)
			return true;
	return false;
}

static int ask__add_window(struct ask *a, const struct naming *n, const struct window *w)
{
	uint64_t from_ns = a->seen_ns > a->from_ns ? a->seen_ns : a->from_ns;
	struct profile *part;
	int err;

	if (!has_slice(w, from_ns, a->to_ns))
		return 0;
	err = naming__profile(n, w, from_ns, a->to_ns, &part);
	if (err)
		return err;
	if (!a->sum)
		a->sum = profile__new(NULL);
	err = a->sum ? profile__merge(a->sum, part) : -ENOMEM;
	profile__free(part);
	return err;
}

/* Values alone do not say that some of the time is missing. */
static int ask__tell_gap(const struct ask *a)
{
	uint64_t asked_ns = a->to_ns - a->from_ns, held_ns = (uint64_t)profile__meta(a->sum)->duration_ns;

	if (asked_ns <= held_ns + EDGES_NS)
		return 0;
	return profile__comment(a->sum,
				"not covered: %.1f of %.1f s (not recorded then, or gone for want of memory)",
				(double)(asked_ns - held_ns) / NS_PER_SEC, (double)asked_ns / NS_PER_SEC);
}

static int ask__encode(struct ask *a)
{
	const struct pprof_opts opts = {.compression = COMPRESSION_NONE};
	struct buf b;
	int err;

	if (!a->sum)
		return -ENODATA;
	err = ask__tell_gap(a);
	if (!err)
		err = profile__seal(a->sum);
	if (err)
		return err;
	buf__init(&b, BYTES_MAX);
	err = pprof__encode(a->sum, &opts, &b);
	if (!err)
		err = memfd__new("everprof-profile", b.data, b.len, &a->fd);
	buf__done(&b);
	return err;
}

static void ask__name(const struct naming *n, void *ctx)
{
	struct ask *a = ctx;
	struct live *l = a->live;
	uint64_t one = 1;

	a->err = n ? 0 : -ECANCELED;
	for (uint32_t i = 0; !a->err && i < a->n_windows; i++) {
		a->err = ask__add_window(a, n, a->windows[i]);
		if (a->windows[i]->to_ns > a->seen_ns)
			a->seen_ns = a->windows[i]->to_ns;
	}
	ask__drop_windows(a);
	if (!a->err && a->is_last)
		a->err = ask__encode(a);
	queue__push(l->named, a); /* as long as the asks: never full */
	/* fails only where the counter is full, and then it is rung already */
	(void)!write(l->event_fd, &one, sizeof(one));
}

/* -- on the loop's thread -- */

/* Has the windows named, now or with the next tick. */
static void ask__hand_over(struct ask *a)
{
	int err = publisher__run_job(a->live->publisher, ask__name, a);

	if (err == -EAGAIN) /* busy: the next tick tries again, from the same place */
		ask__drop_windows(a);
	else if (err)
		ask__end(a, err, FD_CLOSED);
	else
		a->is_busy = true;
}

static void ask__dump(struct ask *a)
{
	int err = collector__dump(a->live->collector, a->event, 0, &a->windows[0]);

	if (err) {
		ask__end(a, err, FD_CLOSED);
		return;
	}
	a->n_windows = 1;
	a->is_last = true;
	a->from_ns = a->windows[0]->from_ns;
	a->to_ns = a->windows[0]->to_ns;
	ask__hand_over(a);
}

static void ask__step(struct ask *a)
{
	struct live *l = a->live;
	uint64_t seen = collector__seen_ns(l->collector, a->event);
	uint64_t from_ns = a->seen_ns > a->from_ns ? a->seen_ns : a->from_ns;
	int err;

	if (a->is_cancelled) {
		ask__end(a, -ECANCELED, FD_CLOSED);
		return;
	}
	if (a->is_dump) {
		ask__dump(a);
		return;
	}
	a->is_last = a->is_over || seen >= a->to_ns || clock__mono_ns() > a->to_ns + LATE_NS;
	err = collector__take(l->collector, a->event, from_ns, a->to_ns, a->is_last, a->windows, WINDOWS_MAX,
			      &a->n_windows);
	if (!err && a->is_over && !a->n_windows && !a->sum)
		err = -ENODATA; /* nothing to be named: nobody waits for the thread that does */
	if (err)
		ask__end(a, err, FD_CLOSED);
	else if (a->n_windows || a->is_last)
		ask__hand_over(a);
}

static int on_tick(uint64_t n_expired, void *ctx)
{
	struct live *l = ctx;

	(void)n_expired;
	for (uint32_t i = 0; i < LIVE_ASKS_MAX; i++)
		if (l->asks[i].is_used && !l->asks[i].is_busy)
			ask__step(&l->asks[i]);
	return 0;
}

static void live__take_named(struct live *l)
{
	void *item;

	while (!queue__try_pop(l->named, &item)) {
		struct ask *a = item;

		a->is_busy = false;
		if (a->is_cancelled && !a->err && a->is_last)
			io__close(&a->fd);
		if (a->is_cancelled)
			ask__end(a, -ECANCELED, FD_CLOSED);
		else if (a->err || a->is_last)
			ask__end(a, a->err, a->err ? FD_CLOSED : a->fd);
	}
}

static int on_named(int fd, uint32_t events, void *ctx)
{
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		live__take_named(ctx);
	return 0;
}

int live__new(struct loop *loop, struct collector *collector, struct publisher *publisher, struct live **ret)
{
	struct live *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	*l = (struct live){.loop = loop, .collector = collector, .publisher = publisher};
	l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->named = queue__new(LIVE_ASKS_MAX);
	err = l->event_fd < 0 ? -errno : l->named ? 0 : -ENOMEM;
	if (!err)
		err = loop__add_fd(loop, l->event_fd, EPOLLIN, on_named, l, &l->event_source);
	if (!err)
		err = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_tick, l, &l->timer);
	if (err)
		live__free(l);
	else
		*ret = l;
	return err;
}

void live__free(struct live *l)
{
	if (!l)
		return;
	if (l->named)
		live__take_named(l);
	for (uint32_t i = 0; i < LIVE_ASKS_MAX; i++)
		if (l->asks[i].is_used)
			ask__end(&l->asks[i], -ECANCELED, FD_CLOSED);
	if (l->event_source)
		loop__remove(l->loop, l->event_source);
	if (l->timer)
		loop__remove(l->loop, l->timer);
	queue__free(l->named);
	io__close(&l->event_fd);
	free(l);
}

int live__ask(struct live *l, uint64_t id, const struct live_want *want, live_done_fn done, void *ctx)
{
	struct ask *a = NULL;
	bool is_to_come = want->to_ns > clock__mono_ns();

	for (uint32_t i = 0; i < LIVE_ASKS_MAX && !a; i++)
		if (!l->asks[i].is_used)
			a = &l->asks[i];
	if (!a)
		return -EAGAIN;
	*a = (struct ask){.live = l,
			  .id = id,
			  .event = want->event,
			  .from_ns = want->from_ns,
			  .to_ns = want->to_ns,
			  .rate_hz = is_to_come ? want->rate_hz : 0,
			  .done = done,
			  .ctx = ctx,
			  .is_used = true,
			  .is_over = !is_to_come && !collector__seen_ns(l->collector, want->event),
			  .is_dump = event_source__is_state(want->event) && is_to_come,
			  .fd = FD_CLOSED};
	if (!l->n_asks++)
		loop__set_timer(l->timer, 1, TICK_NS);
	/* where it cannot, what there is of the past still answers */
	a->has_demand = !a->is_dump && is_to_come && !collector__demand(l->collector, a->event);
	if (a->rate_hz)
		live__raise(l);
	return 0;
}

void live__cancel(struct live *l, uint64_t id)
{
	for (uint32_t i = 0; i < LIVE_ASKS_MAX; i++)
		if (l->asks[i].is_used && l->asks[i].id == id)
			l->asks[i].is_cancelled = true;
}
