/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector - the station between the kernel and the windows: it learns processes, finishes stacks, drains slices.
 *
 * Everything happens on one thread in one loop. Three things wake it: an unfinished stack, the slice's timer, and the slower timer that reads process events.
 * Each event has a window of its own; one that is complete is handed to the port; what it holds needs nothing of the collector any more.
 *
 * Owns: programs, maps, clocks, the table of processes, tables of rows, the open windows, the history. Thread: that of its loop. Limit: collector_opts.
 * Errors: -errno with one clear line at the start; afterwards it counts and goes on.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_H
#define EVERPROF_PIPELINE_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/kernel/perf_event.h"
#include "user/kernel/run_queue.h"
#include "user/pipeline/collector_stats.h"
#include "user/pipeline/governor.h"
#include "user/pipeline/selector.h"
#include "user/pipeline/window.h"

struct collector;
struct host_event;
struct err;
struct process_labels;
struct loop;

#define COLLECTOR_SLICE_NS 1000000000ull

/* What is recorded of an event. */
struct collector_event {
	bool on;
	uint64_t window_ns;  /* 0: one window until collector__flush */
	uint64_t budget_ppm; /* of all CPUs (alloc: of each thread's time, too): what recording it may cost */
};

struct collector_opts {
	struct collector_event events[EVENT_N];
	bool may_change; /* events that are off now may be turned on later: everything is loaded for them */
	uint32_t frequency_hz;
	enum clock_kind clock;
	uint64_t history_ns;                /* how long closed windows are kept */
	uint64_t duty_on_ns, duty_every_ns; /* 0: always on */
	struct governor_budgets budgets;    /* who may take how much memory */
	bool kernel_stacks, perf_maps;
	bool wakers; /* waits say who ended them */
	struct selector selector;
};

/* Who may want a higher frequency for a while; the highest wins. */
enum raised_by { RAISED_BY_CAPTURE, RAISED_BY_ASK, RAISED_N };

struct collector_ports {
	/* A complete window of one event, with a reference that is the receiver's. */
	void (*window)(void *ctx, struct window *w);
	/* May be NULL. Told while events are read: nothing of the collector may be called but what only asks. */
	void (*happened)(void *ctx, const struct host_event *e);
	void *ctx;
};

/* Does this version record the event? */
bool collector__can_record(enum event ev);
int collector__new(const struct collector_opts *opts, const struct collector_ports *ports, struct loop *loop,
		   struct collector **ret, struct err *err);
void collector__free(struct collector *c);
/* Counts only this process and the children that it will have, from now on (with selector.only_tree). */
int collector__include_tree(struct collector *c, uint32_t pid);
/* Starts the clocks: until then nothing is sampled. */
int collector__start(struct collector *c, struct err *err);
/* Ends the open windows now, hands them to the port and opens the next ones. */
int collector__flush(struct collector *c);
/*
 * Somebody wants the event recorded whatever the configuration says, until as many releases. Its windows then are for who asks (collector__take) and
 * do not go to the port. -EOPNOTSUPP: not here, or not in a run whose options say that nothing may change.
 */
int collector__demand(struct collector *c, enum event ev);
void collector__release(struct collector *c, enum event ev);
/* Samples at least so often from now on, 0: as configured. What it is now: less where the maps or an order do not allow it. Begins a window where it changes. */
uint32_t collector__raise(struct collector *c, enum raised_by by, uint32_t frequency_hz);
/*
 * Changes what can change while running; what cannot (another clock, a frequency over what the maps were sized for), or fails, is an error, and the old options
 * stay, though windows may have ended. Of patterns only those of the options that are in force are used afterwards.
 */
int collector__reconfigure(struct collector *c, const struct collector_opts *opts, struct err *err);
/* What to give up, or to take back, and a text that says so for the profiles ("" for nothing). A frequency below the wanted one begins a window. */
int collector__obey(struct collector *c, const struct governor_orders *orders, const char *text);
/* For the namer, on another thread: object_cache locks itself. */
struct object_cache *collector__objects(struct collector *c);
struct loader *collector__loader(struct collector *c);
/* Waits for a CPU by control group. */
int collector__run_queues(struct collector *c, run_queue_fn fn, void *ctx);
/*
 * What was recorded of an event in [from_ns, to_ns) (CLOCK_MONOTONIC), as closed windows, the oldest first: those of the history that have a part in it and, with
 * `open`, a copy of the open one. The references are the caller's. -ENOMEM; -E2BIG: more than max.
 */
int collector__take(struct collector *c, enum event ev, uint64_t from_ns, uint64_t to_ns, bool open,
		    struct window **ret_windows, uint32_t max, uint32_t *ret_n);
/*
 * A state as it is now, of one process or (pid 0) of all that are wanted, whether it is recorded or not: a closed window, the caller's, which goes to no history and no disk.
 * -EOPNOTSUPP: the event is a flow, or not recorded by this version.
 */
int collector__dump(struct collector *c, enum event ev, uint32_t pid, struct window **ret_window);
/* How many goroutines a Go process has; of more than some thousand an estimate. 0.1 ms. -ENOENT: it is none, or gone; -EOPNOTSUPP: of a release or layout that is not known. */
int collector__goroutines(struct collector *c, const struct task_key *key, uint64_t *ret_n);
/* Bytes a second that the process allocates, a mean of some seconds (alloc_rate.h); NaN: allocations are not recorded. */
double collector__allocated(const struct collector *c, const struct task_key *key);
/* Up to when slices of the event have ended: what is later is not in any window yet. 0: it is not recorded now. */
uint64_t collector__seen_ns(const struct collector *c, enum event ev);
void collector__stats(struct collector *c, struct collector_stats *ret);
/* Who has this pid now; texts hold until the next process event is read. false: not known. */
bool collector__labels(const struct collector *c, uint32_t pid, struct process_labels *ret);
/* Samples so far, of all events, for progress. */
uint64_t collector__samples(const struct collector *c);

#endif
