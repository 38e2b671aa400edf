/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_clocks - the CPU time of processes that allocate, and how often they sleep: in each window, and in all.
 *
 * A window meets a program at work or not, and how much of it met is the largest part of what windows differ by. How much CPU time the program had in all is
 * known exactly; so what it allocates is told by CPU time, and not by windows (alloc_estimate). In a window the kernel adds it up (bpf/alloc_cpu.bpf.c): what system
 * calls tell of another process moves with ticks only. How often a process slept in all is known as of the last window.
 *
 * Owns: its list, a link. Thread: one owner, or under its lock. Limit: ALLOC_FOLLOWED processes; a further one, or one whose places in the table are all taken by processes
 * that live, is not followed. Errors: -errno; of a process that is gone the last reading holds.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_CLOCKS_H
#define EVERPROF_PIPELINE_ALLOC_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "bpf/alloc_cpu.h"

/* What a total may be told by: of each it is known how much a process had in a window, and in all. */
enum alloc_aid { ALLOC_BY_CPU, ALLOC_BY_SLEEPS, ALLOC_N_AIDS };

struct alloc_aids {
	double by[ALLOC_N_AIDS]; /* ns, probes included; times that its threads went to sleep or woke up */
};

struct alloc_clock_reading {
	uint64_t at_ns, cpu_ns;
};

struct alloc_sleep_reading {
	uint64_t at_ns, n; /* at_ns 0: none yet */
};

/* CLOCK_MONOTONIC; born_ns 0: not known, died_ns 0: not yet. An exec is a birth; started_ns: of the process, since when its clocks run. */
struct alloc_life {
	uint64_t started_ns, born_ns, died_ns;
};

struct alloc_followed {
	struct task_key key;
	struct alloc_clock_reading first, last; /* first: since alloc_clocks__restart */
	struct alloc_sleep_reading first_sleeps, last_sleeps;
	struct alloc_life life;
	bool is_gone;
	uint64_t files; /* whose allocators it was seen to use (probed_files__bit) */
};

struct alloc_clocks {
	struct alloc_followed followed[ALLOC_FOLLOWED]; /* where the table has them */
	struct alloc_cpu_table *table;                  /* borrowed */
	int link_fd;
};

/* prog_fd: alloc_cpu; negative: CPU times in windows are not known. */
int alloc_clocks__init(struct alloc_clocks *a, int prog_fd, struct alloc_cpu_table *table);
void alloc_clocks__done(struct alloc_clocks *a);
/* From now on; true: it is new. files: that it has used just now. */
bool alloc_clocks__follow(struct alloc_clocks *a, const struct task_key *key, uint64_t files,
			  uint64_t now_ns);
/* A window is to begin. */
void alloc_clocks__prepare(struct alloc_clocks *a);
/* It begins (0), ends (1). */
int alloc_clocks__read(struct alloc_clocks *a, uint32_t end);
/* What is followed at this place had in the last window. False: nothing is, or not since before it began. */
bool alloc_clocks__window(struct alloc_clocks *a, uint32_t place, struct alloc_aids *ret);
/* How much longer ALLOC_WINDOW_NS is than the window was to it; 1 where it is not followed. */
double alloc_clocks__part(const struct alloc_clocks *a, uint32_t place);
/* What follows is asked of from now on. */
void alloc_clocks__restart(struct alloc_clocks *a, uint64_t now_ns);
/* When those that are followed lived, to be asked often enough that nobody is forgotten who ended. False: not known. */
typedef bool (*alloc_life_fn)(void *ctx, const struct task_key *key, struct alloc_life *ret);
void alloc_clocks__note_lives(struct alloc_clocks *a, alloc_life_fn life, void *ctx);
/* What the process had of that time; what was not read of it is taken to be like the rest. False: not known. */
bool alloc_clocks__total(struct alloc_clocks *a, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			 struct alloc_aids *ret);

#endif
