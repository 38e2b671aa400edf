// SPDX-License-Identifier: Apache-2.0
/*
 * collector_window - the open windows, one for each event that is recorded: when they begin and end, and how much each may take.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/intern.h"

/* The files tell what they lack; what was taken back in between stays told. */
void collector__note_shed(struct collector *c)
{
	for (int ev = 0; ev < EVENT_N; ev++) {
		struct window *w = c->windows[ev];

		if (w && *c->shed_text)
			intern__add(w->strings, c->shed_text, strlen(c->shed_text), &w->shed);
	}
}

bool collector__wants_event(const struct collector *c, enum event ev)
{
	if (ev == EVENT_OFFCPU && collector__wants_event(c, EVENT_LOCK))
		return true; /* locks of user space are waits */
	return c->opts.events[ev].on || c->demands[ev];
}

/* What each open window may take. */
static size_t collector__window_bytes(const struct collector *c)
{
	uint32_t n = 0;

	for (enum event ev = 0; ev < EVENT_N; ev++)
		n += collector__wants_event(c, ev);
	return c->orders.window_bytes / (n ? n : 1);
}

static int collector__open_window(struct collector *c, enum event ev, uint64_t now)
{
	const struct event_source *source = event_source__of(ev);
	const struct window_opts opts = {
		.event = ev,
		.from_ns = now,
		.real_ns = now + (uint64_t)clock__mono_to_real_ns(),
		.period_ns = source && source->period ? source->period(c) : 0,
		.limit_bytes = collector__window_bytes(c),
	};
	int err = window__new(&opts, &c->windows[ev]);

	if (err)
		return err;
	c->windows[ev]->is_private = !c->opts.events[ev].on;
	collector__note_shed(c);
	event_sources__begin(c, c->windows[ev]);
	return window__begin_slice(c->windows[ev], now);
}

/* Windows for all events that are recorded and have none. */
int collector__open_windows(struct collector *c, uint64_t now)
{
	int err = 0;

	for (enum event ev = 0; ev < EVENT_N && !err; ev++)
		if (collector__wants_event(c, ev) && !c->windows[ev])
			err = collector__open_window(c, ev, now);
	return err;
}

static void collector__close_window(struct collector *c, enum event ev, uint64_t now)
{
	struct window *w = c->windows[ev];

	c->windows[ev] = NULL;
	event_sources__settle(c, w);
	window__close(w, now);
	c->stats.windows++;
	if (c->opts.history_ns)
		history__add(&c->history, window__ref(w));
	if (w->is_private)
		window__unref(w);
	else
		c->ports.window(c->ports.ctx, w);
}

/*
 * Windows end with a slice, at round times of the wall clock, so that an hour's windows are an hour and those of many hosts fall together. A clock that
 * is set makes one window shorter, never longer than one slice over its length.
 */
bool collector__window_is_over(const struct collector *c, enum event ev)
{
	uint64_t slack = COLLECTOR_SLICE_NS / 2, length = c->opts.events[ev].window_ns;
	const struct window *w = c->windows[ev];

	if (!length)
		return false;
	if (clock__mono_ns() + slack >= w->from_ns + length + COLLECTOR_SLICE_NS)
		return true;
	return (clock__real_ns() + slack) / length != (w->real_ns + slack) / length;
}

int collector__turn_windows(struct collector *c, bool all)
{
	int err = 0;

	for (enum event ev = 0; ev < EVENT_N && err != -ENOMEM; ev++) {
		uint64_t to_ns = c->windows[ev] ? c->windows[ev]->to_ns : 0;

		if (!to_ns)
			continue;
		if (!all && !collector__window_is_over(c, ev)) {
			err = window__begin_slice(c->windows[ev], to_ns);
			continue;
		}
		collector__close_window(c, ev, to_ns);
		if (collector__wants_event(c, ev))
			err = collector__open_window(c, ev, to_ns);
	}
	return err == -ENOMEM ? err : collector__open_windows(c, clock__mono_ns());
}

void collector__limit_windows(struct collector *c)
{
	for (int ev = 0; ev < EVENT_N; ev++)
		if (c->windows[ev])
			c->windows[ev]->limit_bytes = collector__window_bytes(c);
}

/* Windows for what is recorded from now on, none for what is not any more. */
int collector__choose_windows(struct collector *c)
{
	uint64_t now = clock__mono_ns();

	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (c->windows[ev] && !collector__wants_event(c, ev))
			collector__close_window(c, ev, now);
	return collector__open_windows(c, now);
}
