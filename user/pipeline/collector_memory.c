// SPDX-License-Identifier: Apache-2.0
/*
 * collector_memory - where resident memory grows: the event of page faults on each CPU, and its period, kept to the budget. See bpf/memory.bpf.c.
 *
 * What a sample stands for goes with it, so a window may see several periods; its note says which.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/intern.h"
#include "user/base/log.h"
#include "user/kernel/cpu_events.h"
#include "user/kernel/page_layout.h"
#include "user/pipeline/memory_control.h"

#define ATTACH_EVERY 5 /* slices: CPUs that came */

struct memory_state {
	struct cpu_events *events; /* NULL: they cannot be had, and nothing is recorded */
	struct memory_control control;
	struct memory_stats window;      /* sums at the begin of the window */
	uint32_t period_min, period_max; /* in it */
	uint32_t slices;
	struct ring_buffer *alarms;
	struct loop_source *alarm_source;
	bool is_alarmed;
	bool is_asked;
	bool has_tables; /* what a fault met is read from page tables */
	bool measures;   /* what it brought, too */
};

static struct memory_state *state_of(const struct collector *c)
{
	return c->source_state[EVENT_MEMORY];
}

static int read_clocks(const struct collector *c, struct memory_stats *ret)
{
	static struct fault_clock clocks[CPUS_MAX];
	int n = libbpf_num_possible_cpus();
	uint32_t zero = 0;

	*ret = (struct memory_stats){.period = memory_control__period(&state_of(c)->control),
				     .measures = state_of(c)->measures,
				     .on = state_of(c)->events != NULL};
	if (n <= 0 || n > CPUS_MAX || bpf_map_lookup_elem(c->maps->fault_clocks_fd, &zero, clocks))
		return -errno;
	for (int i = 0; i < n; i++) {
		ret->n_faults += clocks[i].n_faults;
		ret->n_fired += clocks[i].n_fired;
		ret->n_taken += clocks[i].n_taken;
		ret->n_nothing += clocks[i].n_nothing;
		ret->n_left_out += clocks[i].n_left_out;
		ret->n_unfollowed += clocks[i].n_unfollowed;
		ret->cost_ns += clocks[i].cost_ns;
	}
	return 0;
}

/* How what was met is counted. */
static const char *way_of(const struct memory_state *m)
{
	return m->measures     ? "sizes as page tables tell"
	       : m->has_tables ? "each that met no page counts as one: too few where huge pages or files are "
				 "mapped, too many where new memory is only read"
			       : "each counts as one page, of memory that was there already, too";
}

/* How page tables are read, once. */
static void ask_layout(struct collector *c, struct memory_state *m)
{
	struct fault_gate *gate = c->maps->faults;
	uint64_t began = clock__mono_ns();
	int err;

	if (m->is_asked)
		return;
	m->is_asked = true;
	err = page_layout__find(loader__hook_fd(c->loader, HOOK_page_layout), &gate->layout);
	m->has_tables = !err;
	m->measures = !err && loader__has_task_work(c->loader);
	if (err)
		log_warn("memory: page tables cannot be read here: %s; of page faults %s", strerror(-err),
			 way_of(m));
	else if (!m->measures)
		log_info(
			"memory: this kernel (before 6.18) does not tell when a page fault has been handled; "
			"%s",
			way_of(m));
	else
		log_debug("memory: page tables below bit %u, all memory at 0x%llx, found in %.1f ms",
			  gate->layout.top_shift + 9, (unsigned long long)gate->layout.offset,
			  (double)(clock__mono_ns() - began) / 1e6);
}

/* Where page faults cannot be followed the other events go on. */
static int start_memory(struct collector *c)
{
	struct memory_state *m = state_of(c);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.size = sizeof(attr),
		.disabled = 1,
	};
	struct err err;
	int code;

	ask_layout(c, m);
	memory_control__init(&m->control, collector__budget_ppm(c, EVENT_MEMORY), c->stats.n_cpus);
	attr.sample_period = memory_control__period(&m->control);
	c->maps->faults->first = (uint32_t)attr.sample_period / 2;
	c->maps->faults->slice_bits = memory_control__slice_bits(&m->control);
	code = cpu_events__new(&attr, &m->events);
	if (code)
		return code;
	c->maps->faults->on = 1;
	cpu_events__enable(m->events, true);
	code = cpu_events__attach(m->events, loader__hook_fd(c->loader, HOOK_memory), &err);
	if (code) {
		log_warn("memory: %s; nothing of page faults is recorded", err__text(&err, 0));
		cpu_events__free(m->events);
		m->events = NULL;
		c->maps->faults->on = 0;
	}
	return 0;
}

static void stop_memory(struct collector *c)
{
	struct memory_state *m = state_of(c);

	c->maps->faults->on = 0;
	cpu_events__free(m->events);
	m->events = NULL;
}

static void begin_memory(struct collector *c, struct window *w)
{
	struct memory_state *m = state_of(c);

	(void)w;
	m->period_min = m->period_max = memory_control__period(&m->control);
	read_clocks(c, &m->window); /* what cannot be read stays 0 */
}

static void set_period(struct collector *c, struct memory_state *m)
{
	uint32_t period = memory_control__period(&m->control);

	/* before: a fault that fires in between is left out, and the next one stands for it, too */
	__atomic_add_fetch(&c->maps->faults->round, 1, __ATOMIC_SEQ_CST);
	cpu_events__set_period(m->events, period);
	m->period_min = period < m->period_min ? period : m->period_min;
	m->period_max = period > m->period_max ? period : m->period_max;
}

static int read_now(const struct collector *c, struct memory_reading *ret)
{
	struct memory_stats s;
	int err = read_clocks(c, &s);

	*ret = (struct memory_reading){.now_ns = clock__mono_ns(),
				       .n_faults = s.n_faults,
				       .n_fired = s.n_fired,
				       .n_taken = s.n_taken,
				       .cost_ns = s.cost_ns};
	return err;
}

static void control_memory(struct collector *c)
{
	struct memory_state *m = state_of(c);
	struct memory_reading r;
	struct err err;

	if (!m->events)
		return;
	if (++m->slices % ATTACH_EVERY == 0 &&
	    cpu_events__attach(m->events, loader__hook_fd(c->loader, HOOK_memory), &err))
		log_warn("%s, ignoring", err__text(&err, 0));
	m->control.budget_ppm = collector__budget_ppm(c, EVENT_MEMORY);
	c->maps->faults->slice_bits = memory_control__slice_bits(&m->control);
	if (!read_now(c, &r) && memory_control__judge(&m->control, &r))
		set_period(c, m);
}

static int on_alarm(void *ctx, void *data, size_t size)
{
	(void)data, (void)size;
	((struct memory_state *)ctx)->is_alarmed = true;
	return 0;
}

/* Several CPUs that cry at once are one alarm. */
static int on_alarms(int fd, uint32_t events, void *ctx)
{
	struct collector *c = ctx;
	struct memory_state *m = state_of(c);
	struct memory_reading r;

	(void)fd, (void)events;
	m->is_alarmed = false;
	ring_buffer__consume(m->alarms);
	if (m->is_alarmed && m->events && !read_now(c, &r) && memory_control__alarm(&m->control, &r))
		set_period(c, m);
	return 0;
}

static void settle_memory(struct collector *c, struct window *w)
{
	static const char missing[] =
		"memory: page faults cannot be followed here: nothing of them is recorded";
	struct memory_state *m = state_of(c);
	struct memory_stats s;
	char text[512];
	size_t len;

	if (!m->events) {
		intern__add(w->strings, missing, sizeof(missing) - 1, &w->note);
		return;
	}
	if (read_clocks(c, &s))
		return;
	len = (size_t)snprintf(
		text, sizeof(text),
		"memory: one page fault in %u to %u of all that are sampled; %llu faults, %llu with a stack, "
		"of which %llu made nothing resident; %s",
		m->period_min, m->period_max, (unsigned long long)(s.n_faults - m->window.n_faults),
		(unsigned long long)(s.n_taken - s.n_left_out - m->window.n_taken + m->window.n_left_out),
		(unsigned long long)(s.n_nothing - m->window.n_nothing), way_of(m));
	if (m->measures && s.n_unfollowed > m->window.n_unfollowed)
		snprintf(text + len, sizeof(text) - len,
			 "; %llu counted as a page because too many others were under way",
			 (unsigned long long)(s.n_unfollowed - m->window.n_unfollowed));
	intern__add(w->strings, text, strlen(text), &w->note);
}

void collector__memory_stats(const struct collector *c, struct memory_stats *ret)
{
	if (state_of(c))
		read_clocks(c, ret);
	else
		*ret = (struct memory_stats){};
}

static void free_memory(struct collector *c)
{
	struct memory_state *m = state_of(c);

	if (!m)
		return;
	if (m->alarm_source)
		loop__remove(c->loop, m->alarm_source);
	ring_buffer__free(m->alarms);
	free(m);
	c->source_state[EVENT_MEMORY] = NULL;
}

static int init_memory(struct collector *c, struct err *err)
{
	struct memory_state *m = calloc(1, sizeof(*m));
	int code;

	if (!m)
		return -ENOMEM;
	c->source_state[EVENT_MEMORY] = m;
	m->alarms = ring_buffer__new(c->maps->fault_alarms_fd, on_alarm, m, NULL);
	if (!m->alarms)
		return err__set(err, -errno, "kernel: cannot map the ring of page faults: %s",
				strerror(errno));
	code = loop__add_fd(c->loop, ring_buffer__epoll_fd(m->alarms), EPOLLIN, on_alarms, c,
			    &m->alarm_source);
	return code ? err__set(err, code, "kernel: cannot watch the ring of page faults: %s", strerror(-code))
		    : 0;
}

static uint64_t memory_period(const struct collector *c)
{
	return memory_control__period(&state_of(c)->control);
}

const struct event_source memory_source = {
	.init = init_memory,
	.start = start_memory,
	.begin = begin_memory,
	.control = control_memory,
	.settle = settle_memory,
	.settle_copy = settle_memory, /* a note, and no more */
	.stop = stop_memory,
	.done = free_memory,
	.period = memory_period,
};
