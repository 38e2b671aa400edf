/* SPDX-License-Identifier: Apache-2.0 */
/*
 * governor - decides what to give up, so that limits.memory and limits.cpu hold, and when to take it back.
 *
 * It only judges: readings in, orders out, no clock and no system call. ceiling.h takes the readings and carries the orders out.
 *
 * Owns: nothing. Thread: one owner. Limit: one step at a time: GOVERNOR_MEMORY_SETTLE_NS and GOVERNOR_CPU_SETTLE_NS lie between two of a kind at least.
 * Errors: none.
 */
#ifndef EVERPROF_PIPELINE_GOVERNOR_H
#define EVERPROF_PIPELINE_GOVERNOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/clock.h"

#define GOVERNOR_MEMORY_SETTLE_NS (10 * NS_PER_SEC) /* what was freed has to show first */
#define GOVERNOR_CPU_SETTLE_NS    (15 * NS_PER_SEC) /* at over twice the limit, else GOVERNOR_SPAN_NS */
/* CPU time is averaged over this long; the start is not judged before */
#define GOVERNOR_SPAN_NS (60 * NS_PER_SEC)
/* without a step, before the first one back; doubled at each relapse */
#define GOVERNOR_QUIET_NS  (120 * NS_PER_SEC)
#define GOVERNOR_READINGS  16 /* kept; at five seconds each, more than the span */
#define GOVERNOR_RUNGS_MAX 10
#define GOVERNOR_TEXT_MAX  512
#define GOVERNOR_SCANS     4 /* processes that are read from /proc a slice, where they are not followed */

/* Who may take how much of limits.memory. The rest is for code, maps of fixed size, tables of processes, and naming a window. */
struct governor_budgets {
	size_t history_bytes;  /* closed windows */
	size_t window_bytes;   /* the open one */
	size_t symbol_bytes;   /* symbols of files that are kept */
	size_t section_bytes;  /* of a section of a file that is read for symbols */
	size_t jit_bytes;      /* perf maps */
	size_t jit_map_bytes;  /* of them, one process's */
	size_t count_bytes;    /* words of stacks of a slice, in the kernel */
	uint32_t row_segments; /* of unwind rows, ROW_SEGMENT_BYTES each, in the kernel */
};

struct governor_opts {
	uint64_t memory_bytes; /* limits.memory; 0: no limit */
	uint64_t cpu_ppm;      /* limits.cpu, of all CPUs; 0: no limit */
	uint32_t frequency_hz; /* that is wanted */
};

struct governor_reading {
	uint64_t now_ns;
	uint64_t cpu_ns;    /* since the start, of the agent and of its BPF programs */
	uint64_t sample_ns; /* of it, what grows with the frequency */
	uint64_t finish_ns; /* of that, for stacks that are finished in user space */
	uint64_t budget_ns; /* what events with a budget take; 0: none is recorded */
	uint64_t follow_ns; /* for following processes … */
	uint64_t n_events;  /* … of which so many forks, execs and exits there were, told or not */
	uint32_t n_cpus;
	uint64_t memory_bytes; /* all of it, the most since the last reading */
	uint64_t history_bytes, symbol_bytes, row_bytes, window_bytes; /* of it */
};

struct governor_orders {
	size_t history_bytes, symbol_bytes, window_bytes;
	uint32_t row_segments;
	uint32_t defer_shift; /* stacks that may be finished in user space are the usual number >> this … */
	uint32_t budget_shift; /* … and budgets of events their configured ones >> this */
	uint32_t frequency_hz;
	bool unfollowed; /* processes are learnt from their samples, not when they begin … */
	uint32_t scans;  /* … at most so many a slice */
};

struct governor {
	struct governor_opts opts;
	struct governor_budgets budgets;
	struct governor_orders orders;
	uint32_t rungs_hz[GOVERNOR_RUNGS_MAX], n_rungs; /* frequencies, the wanted one first */
	uint32_t cpu_rung, memory_rung; /* indices; the lower frequency of the two is ordered */
	uint32_t defer_rung;
	uint32_t cpu_budget_rung, memory_budget_rung; /* likewise, of budgets */
	bool unfollowed;
	double event_ns; /* what following one fork, exec or exit cost, as last seen */
	struct governor_reading readings[GOVERNOR_READINGS]; /* since the last step for CPU; a ring */
	uint32_t first, n_readings;
	bool started;
	uint64_t cpu_step_ns, cpu_back_ns; /* when the last step was, and the last one back */
	uint64_t memory_step_ns, memory_back_ns, memory_rung_ns;
	uint32_t cpu_relapses, memory_relapses;
	uint64_t memory_bytes, cpu_ppm; /* as last read, and as last averaged */
	bool memory_stuck, cpu_stuck;   /* over the limit with nothing left to give up */
	uint64_t n_shed, n_back;
};

void governor__budgets(uint64_t memory_bytes, struct governor_budgets *ret);
void governor__init(struct governor *g, const struct governor_opts *opts);
/* New limits, or another frequency: begins anew, with nothing given up. Where they are the same nothing changes. */
void governor__set_opts(struct governor *g, const struct governor_opts *opts);
/* Every few seconds. True where the orders are others than before. */
bool governor__judge(struct governor *g, const struct governor_reading *r, struct governor_orders *ret);
/* What is given up now and for which limit, as "frequency 49 Hz of 99 (limits.cpu), …"; "" for nothing. */
void governor__text(const struct governor *g, char ret_text[GOVERNOR_TEXT_MAX]);

#endif
