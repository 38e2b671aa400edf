/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_clocks - the CPU time of processes that allocate: in each window, and in all.
 *
 * A window meets a program at work or not, and how much of it met is the largest part of what windows differ by. How much CPU time the program had in all is
 * known exactly; so what it allocates is told by CPU time, and not by windows (alloc_estimate).
 *
 * Owns: its list. Thread: one owner, or under its lock. Limit: ALLOC_CLOCKS_MAX processes; a further one takes the place of one that is gone, or has none.
 * Errors: none; of a process that is gone the last reading holds.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_CLOCKS_H
#define EVERPROF_PIPELINE_ALLOC_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"

#define ALLOC_CLOCKS_MAX 64

struct alloc_clock_reading {
	uint64_t at_ns, cpu_ns;
};

struct alloc_followed {
	struct task_key key;
	struct alloc_clock_reading first, last; /* first: since alloc_clocks__restart */
	struct alloc_clock_reading
		window; /* the last one's length, CPU time in it; where it was read twice */
	bool is_read, is_gone;
};

struct alloc_clocks {
	struct alloc_followed followed[ALLOC_CLOCKS_MAX];
	uint32_t n;
};

/* True: it is new. born_ns: when the program began; from when on its CPU time counts where that is later than from_ns. */
bool alloc_clocks__follow(struct alloc_clocks *a, const struct task_key *key, uint64_t born_ns,
			  uint64_t from_ns, uint64_t now_ns);
/* A window begins, ends. */
void alloc_clocks__begin(struct alloc_clocks *a);
void alloc_clocks__end(struct alloc_clocks *a);
/* What follows is asked of from now on. */
void alloc_clocks__restart(struct alloc_clocks *a, uint64_t now_ns);
/* CPU time of the process from then to then, in which it lived; what was not read of it is taken to be like the rest. False: not known. */
bool alloc_clocks__total(struct alloc_clocks *a, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			 uint64_t now_ns, double *ret_cpu_ns);

#endif
