/* SPDX-License-Identifier: Apache-2.0 */
/* What was recorded in a range, for who asks between the windows. */
#include <errno.h>

#include "user/base/clock.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/event_source.h"
#include "user/pipeline/window_copy.h"

static int take_one(struct window *w, struct window **windows, uint32_t max, uint32_t *n)
{
	if (*n == max)
		return -E2BIG;
	windows[(*n)++] = w;
	return 0;
}

int collector__take(struct collector *c, enum event ev, uint64_t from_ns, uint64_t to_ns, bool open,
		    struct window **ret_windows, uint32_t max, uint32_t *ret_n)
{
	struct window *w;
	uint32_t n = 0;
	int err = 0;

	for (uint32_t i = 0; !err && (w = history__get(&c->history, i)); i++) {
		if (w->event != ev || w->to_ns <= from_ns || w->from_ns >= to_ns)
			continue;
		err = take_one(w, ret_windows, max, &n);
		if (!err)
			window__ref(w);
	}
	if (!err && open && c->windows[ev] && c->windows[ev]->from_ns < to_ns) {
		err = n == max ? -E2BIG : window__copy(c->windows[ev], &w);
		if (!err) {
			event_sources__settle_copy(c, w);
			err = take_one(w, ret_windows, max, &n);
		}
	}
	if (err) {
		while (n)
			window__unref(ret_windows[--n]);
		return err;
	}
	*ret_n = n;
	return 0;
}

/* The source tells into the open window: this one takes its place meanwhile. */
int collector__dump(struct collector *c, enum event ev, uint32_t pid, struct window **ret_window)
{
	struct window_opts opts = {
		.event = ev, .from_ns = clock__mono_ns(), .limit_bytes = c->orders.window_bytes};
	const struct event_source *source = event_source__of(ev);
	struct window *open = c->windows[ev], *w = NULL;
	struct losses before, lost;
	int err;

	if (!event_source__is_state(ev))
		return -EOPNOTSUPP;
	opts.real_ns = opts.from_ns + (uint64_t)clock__mono_to_real_ns();
	opts.period_ns = source->period ? source->period(c) : 0;
	err = window__new(&opts, &w);
	if (!err)
		err = window__begin_slice(w, opts.from_ns);
	if (err)
		goto out;
	collector__catch_up(c);
	before = c->lost_of[ev];
	c->windows[ev] = w;
	err = source->dump(c, pid);
	c->windows[ev] = open;
	losses__since(&c->lost_of[ev], &before, &lost);
	losses__add(&c->stats.lost, &lost);
	c->lost_of[ev] = before; /* it was not of what is recorded */
	window__end_slice(w, clock__mono_ns(), &lost);
	window__close(w, clock__mono_ns());
out:
	if (err)
		window__unref(w);
	else
		*ret_window = w;
	return err;
}

uint64_t collector__seen_ns(const struct collector *c, enum event ev)
{
	return c->windows[ev] ? c->windows[ev]->to_ns : 0;
}
