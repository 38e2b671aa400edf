/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_clocks - the CPU time of processes that allocate: in each window, and in all.
 *
 * A window meets a program at work or not, and how much of it met is the largest part of what windows differ by. How much CPU time the program had in all is
 * known exactly; so what it allocates is told by CPU time, and not by windows (alloc_estimate). In a window the kernel adds it up (bpf/alloc_cpu.bpf.c): what system
 * calls tell of another process moves with ticks only.
 *
 * Owns: its list, a link. Thread: one owner, or under its lock. Limit: ALLOC_FOLLOWED processes; a further one, or one whose places in the table are all taken by processes
 * that live, is not followed. Errors: -errno; of a process that is gone the last reading holds.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_CLOCKS_H
#define EVERPROF_PIPELINE_ALLOC_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/alloc.h"

struct alloc_clock_reading {
	uint64_t at_ns, cpu_ns;
};

struct alloc_followed {
	struct task_key key;
	struct alloc_clock_reading first, last; /* first: since alloc_clocks__restart */
	bool is_gone;
};

struct alloc_clocks {
	struct alloc_followed followed[ALLOC_FOLLOWED]; /* where the table has them */
	struct alloc_cpu_table *table;                  /* borrowed */
	int link_fd;
};

/* prog_fd: alloc_cpu; negative: CPU times in windows are not known. */
int alloc_clocks__init(struct alloc_clocks *a, int prog_fd, struct alloc_cpu_table *table);
void alloc_clocks__done(struct alloc_clocks *a);
/* From now on; true: it is new. */
bool alloc_clocks__follow(struct alloc_clocks *a, const struct task_key *key, uint64_t now_ns);
/* A window is to begin. */
void alloc_clocks__prepare(struct alloc_clocks *a);
/* It begins (0), ends (1). */
int alloc_clocks__read(struct alloc_clocks *a, uint32_t end);
/* CPU time in the last window of what is followed at this place. False: nothing is, or not since before it began. */
bool alloc_clocks__window(struct alloc_clocks *a, uint32_t place, uint64_t *ret_cpu_ns);
/* How much longer ALLOC_WINDOW_NS is than the window was to it; 1 where it is not followed. */
double alloc_clocks__part(const struct alloc_clocks *a, uint32_t place);
/* What follows is asked of from now on. */
void alloc_clocks__restart(struct alloc_clocks *a, uint64_t now_ns);
/*
 * CPU time of the process from then to then, in which it lived; what was not read of it is taken to be like the rest. whole_ns: when it began, where that is no earlier
 * than from_ns: then all that it ever used is meant; 0: only what was read. False: not known.
 */
bool alloc_clocks__total(struct alloc_clocks *a, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			 uint64_t whole_ns, double *ret_cpu_ns);

#endif
