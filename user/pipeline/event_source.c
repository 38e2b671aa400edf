// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/event_source.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "user/base/log.h"
#include "user/pipeline/collector_impl.h"

static const struct event_source *const sources[EVENT_N] = {
	[EVENT_CPU] = &cpu_source,
	[EVENT_OFFCPU] = &wait_source,
	[EVENT_THREADCREATE] = &create_source,
	[EVENT_THREADS] = &threads_source,
	[EVENT_HEAP] = &heap_source,
	[EVENT_GOROUTINE] = &goroutine_source,
	[EVENT_MEMORY] = &memory_source,
	[EVENT_LOCK] = &lock_source,
	[EVENT_KMEM] = &kmem_source,
	[EVENT_ALLOC] = &alloc_source,
};

const struct event_source *event_source__of(enum event ev)
{
	return (unsigned int)ev < EVENT_N ? sources[ev] : NULL;
}

bool event_source__is_state(enum event ev)
{
	const struct event_source *s = event_source__of(ev);

	return s && s->dump;
}

bool collector__can_record(enum event ev)
{
	return event_source__of(ev) != NULL;
}

int event_sources__init(struct collector *c, struct err *err)
{
	for (int ev = 0; ev < EVENT_N; ev++) {
		int ret = sources[ev] && sources[ev]->init ? sources[ev]->init(c, err) : 0;

		if (ret)
			return ret;
	}
	return 0;
}

static int start(struct collector *c, int ev)
{
	int err = sources[ev]->start ? sources[ev]->start(c) : 0;

	if (err)
		return err;
	c->is_recording[ev] = true;
	if (c->windows[ev] && sources[ev]->begin)
		sources[ev]->begin(c, c->windows[ev]);
	return 0;
}

static void stop(struct collector *c, int ev)
{
	if (!c->is_recording[ev])
		return;
	c->is_recording[ev] = false;
	if (sources[ev]->stop)
		sources[ev]->stop(c);
}

int event_sources__follow(struct collector *c)
{
	int ret = 0;

	for (int ev = 0; ev < EVENT_N; ev++) {
		int err = 0;

		if (!sources[ev])
			continue;
		if (!collector__wants_event(c, (enum event)ev))
			stop(c, ev);
		else if (!c->is_recording[ev])
			err = start(c, ev);
		if (err && !ret)
			ret = err;
	}
	return ret;
}

static int change(struct collector *c)
{
	int err = collector__choose_windows(c);

	return err || !c->started ? err : event_sources__follow(c);
}

int collector__demand(struct collector *c, enum event ev)
{
	int err = 0;

	if (!collector__can_record(ev) || (!c->opts.may_change && !c->opts.events[ev].on))
		return -EOPNOTSUPP;
	if (!c->demands[ev]++)
		err = change(c);
	if (err)
		collector__release(c, ev);
	return err;
}

void collector__release(struct collector *c, enum event ev)
{
	int err = c->demands[ev] && !--c->demands[ev] ? change(c) : 0;

	if (err)
		log_warn("collector: end what was recorded of '%s': %s, ignoring", event__name(ev),
			 strerror(-err));
}

/* Once a window. What it could not tell it has counted. */
static void tell_state(struct collector *c, enum event ev)
{
	if (c->is_told[ev])
		return;
	c->is_told[ev] = true;
	sources[ev]->dump(c, 0);
}

int event_sources__weigh(struct collector *c, const struct task_key *key, struct window_sample *s)
{
	const struct event_source *source = event_source__of(s->tag.event);

	return source && source->weigh && c->is_recording[s->tag.event] ? source->weigh(c, key, s) : 0;
}

void event_sources__look(struct collector *c, bool all)
{
	for (enum event ev = 0; ev < EVENT_N; ev++) {
		if (!c->windows[ev] || !c->is_recording[ev])
			continue;
		if (sources[ev]->look)
			sources[ev]->look(c, all || collector__window_is_over(c, ev));
		if (sources[ev]->dump)
			tell_state(c, ev);
	}
}

void event_sources__control(struct collector *c)
{
	for (int ev = 0; ev < EVENT_N; ev++)
		if (c->is_recording[ev] && sources[ev]->control)
			sources[ev]->control(c);
}

void event_sources__begin(struct collector *c, struct window *w)
{
	c->is_told[w->event] = false;
	if (c->is_recording[w->event] && sources[w->event]->begin)
		sources[w->event]->begin(c, w);
}

void event_sources__settle(struct collector *c, struct window *w)
{
	if (c->is_recording[w->event] && sources[w->event]->settle)
		sources[w->event]->settle(c, w);
}

void event_sources__settle_copy(struct collector *c, struct window *w)
{
	if (c->is_recording[w->event] && sources[w->event]->settle_copy)
		sources[w->event]->settle_copy(c, w);
}

void event_sources__done(struct collector *c)
{
	for (int ev = 0; ev < EVENT_N; ev++) {
		if (!sources[ev])
			continue;
		stop(c, ev);
		if (sources[ev]->done)
			sources[ev]->done(c);
	}
}
