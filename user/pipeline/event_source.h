/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_source - what the collector does for one event, over the life of a run: a source is a file of its own, and one line in event_source.c.
 *
 * All members may be NULL. In the order in which they are called:
 *
 *      init      maps are there, processes are not: take what is needed for as long as the collector lives
 *      start     recording begins: at the collector's start, or when a reload turned the event on; not called twice without a stop between
 *      begin     a window was opened; also right after start for the first one
 *      look      a slice ends, what the kernel counted is about to be read: tell what is known in user space alone; `all`: the window ends with it
 *      control   it was read: keep to the budget
 *      settle    the window is complete and will be handed out: scale it, add notes
 *      settle_copy   the same for a copy of the open window, which goes on (collector__take); at any time between
 *      stop      recording ends: by a reload, or before done
 *      done      give everything back; also after an init that failed
 *
 * A source whose event is a state and not a flow (every thread's stack, now) has `dump`: it tells that state into c->windows[event], of one process or of
 * all that are wanted. It is called once a window, in the first look after begin, and whenever somebody asks (collector__dump), who has it at once.
 *
 * Owns: nothing; a source keeps its state in c->source_state[event]. Thread: the collector's. Limit: each source's own. Errors: -errno from init and start.
 */
#ifndef EVERPROF_PIPELINE_EVENT_SOURCE_H
#define EVERPROF_PIPELINE_EVENT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/event.h"

struct collector;
struct err;
struct task_key;
struct window;
struct window_sample;

struct event_source {
	int (*init)(struct collector *c, struct err *err);
	int (*start)(struct collector *c);
	void (*begin)(struct collector *c, struct window *w);
	void (*look)(struct collector *c, bool all);
	void (*control)(struct collector *c);
	void (*settle)(struct collector *c, struct window *w);
	void (*settle_copy)(struct collector *c, struct window *w);
	void (*stop)(struct collector *c);
	void (*done)(struct collector *c);
	/* pid 0: of all. */
	int (*dump)(struct collector *c, uint32_t pid);
	/* A sample on its way into the window: what it stands for. -errno where it stands for nothing. */
	int (*weigh)(struct collector *c, const struct task_key *key, struct window_sample *s);
	/* What one sample stands for, for the window's header; in the unit of the event's values. */
	uint64_t (*period)(const struct collector *c);
};

/* NULL: this version does not record the event. */
const struct event_source *event_source__of(enum event ev);

/* Is it a state, that can be looked at now, and not a flow? */
bool event_source__is_state(enum event ev);

/* All events, each step in the order of their list. What fails in start leaves the others running; the first error is returned. */
int event_sources__init(struct collector *c, struct err *err);
int event_sources__weigh(struct collector *c, const struct task_key *key, struct window_sample *s);
/* Those that are wanted now and do not run yet are started; those that run and are not wanted any more are stopped. */
int event_sources__follow(struct collector *c);
void event_sources__look(struct collector *c, bool all);
void event_sources__control(struct collector *c);
void event_sources__begin(struct collector *c, struct window *w);
void event_sources__settle(struct collector *c, struct window *w);
void event_sources__settle_copy(struct collector *c, struct window *w);
void event_sources__done(struct collector *c);

/* cpu: the clocks, in collector.c */
extern const struct event_source cpu_source;
/* offcpu: collector_wait.c */
extern const struct event_source wait_source;
/* threadcreate: collector_create.c */
extern const struct event_source create_source;
/* lock: collector_lock.c */
extern const struct event_source lock_source;
/* threads: collector_threads.c */
extern const struct event_source threads_source;
/* heap: collector_heap.c */
extern const struct event_source heap_source;
/* alloc: collector_alloc.c */
extern const struct event_source alloc_source;
/* goroutine: collector_goroutine.c */
extern const struct event_source goroutine_source;
/* memory: collector_memory.c */
extern const struct event_source memory_source;
/* kmem: collector_kmem.c */
extern const struct event_source kmem_source;

#endif
