/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_stats - what the collector has done, what it costs, and what it knows: metrics and the log of costs read it.
 *
 * Owns: nothing. Thread: that of the collector's loop. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_STATS_H
#define EVERPROF_PIPELINE_COLLECTOR_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "bpf/loss.h"
#include "user/config/host_event.h"
#include "user/kernel/losses.h"
#include "user/kernel/mapping_store.h"
#include "user/kernel/run_queue.h"
#include "user/kernel/tables.h"
#include "user/object/object_cache.h"
#include "user/pipeline/alloc_prober.h"
#include "user/process/process_table.h"

/* How waits are recorded now, and sums since the start. */
struct wait_stats {
	bool on, by_hook;
	uint64_t interval_ns;
	uint64_t n_switches, n_taken, cost_ns; /* of the hook */
	uint64_t pass_ns;
	struct run_queue run_queue; /* waits for a CPU, of all threads */
};

/* How page faults are recorded now, and sums since the start. */
struct memory_stats {
	bool on, measures; /* measures: page tables tell how much a fault made resident */
	uint32_t period;   /* one fault in so many is looked at */
	uint64_t n_faults, n_fired, n_taken, n_nothing, cost_ns;
	uint64_t n_left_out;   /* of n_taken: others stand for them */
	uint64_t n_unfollowed; /* of n_taken: what they brought was not looked at, for want of room */
};

/* What it costs and what it knows; metrics read it. */
struct collector_stats {
	const char *clock;
	uint32_t frequency_hz, n_cpus; /* frequency_hz: now */
	uint64_t samples[EVENT_N], slices, windows;
	uint64_t ends[END_MAX]; /* of all events */
	struct losses lost;
	uint64_t unfinished, finished_whole, finish_ns; /* CPU time */
	uint64_t events, process_events; /* process_events: forks, execs and exits, told or not */
	uint64_t follow_ns;              /* CPU time for following processes */
	bool must_follow;                /* only what a process is tells whether it is wanted */
	uint64_t host_events[HOST_EVENT_N];
	uint64_t drain_ns, drain_max_ns; /* CPU time; the longest by the clock */
	uint64_t window_bytes, history_bytes, history_evicted, map_bytes;
	struct tables_stats tables;
	struct mapping_store_stats mappings;
	struct object_cache_stats objects;
	struct process_table_stats processes;
	struct wait_stats waits;
	struct memory_stats memory;
	struct alloc_prober_stats allocs;
};

#endif
