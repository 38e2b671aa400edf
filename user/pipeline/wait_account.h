/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait_account - holds the samples of a window of waits against what the kernel accounts of each thread, and makes them agree.
 *
 * For each thread and window, wall = ran + what was taken of its CPU meanwhile + waited for a CPU + waited for something else; all of it is known but the last, which is
 * the rest. Samples of the two kinds of waiting are made to add up to that, each kind apart: short waits, of which chance decides which are taken, give or take what is
 * missing before long ones do, which are taken always. A thread that waited, and of which no wait was taken, gets a row whose only frame says so.
 *
 * What a hypervisor took of a CPU is in no thread's account of the kernel, nor in what ticks stand for, so the rest would have it. The hook on switches tells of each
 * thread how much it was. Without the hook, what was stolen of all CPUs is shared out by how long threads ran: too much where CPUs were idle, from which it can be stolen, too.
 *
 * How many waits there were is made to agree, too (wait_count.h): with how often the thread left its CPU, to wait for something else or for a CPU. Where more of them were short than
 * those that were taken can stand for, that row says how many.
 *
 * Owns: nothing. Thread: that of the window's writer, before it is closed. Limit: none. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_WAIT_ACCOUNT_H
#define EVERPROF_PIPELINE_WAIT_ACCOUNT_H

#include <stdbool.h>

#include "user/pipeline/window.h"
#include "user/process/thread_table.h"

struct wait_account_ports {
	/* The thread's process in the window, added where it is new; negative: it is not wanted there. */
	int (*process)(void *ctx, struct window *w, const struct thread *t, uint32_t *ret_index);
	/* What the samples of a thread's waits for futexes said, and what was made of that; NULL: nobody asks. */
	void (*futexes)(void *ctx, const struct thread *t, uint64_t sampled_ns, uint64_t settled_ns);
	void *ctx;
};

/* Is a row of that tag a wait for a lock of user space? */
bool wait_account__is_futex(const struct sample_tag *tag);

/* Sums over all threads. */
struct wait_account {
	uint32_t n_threads;
	uint64_t wall_ns, run_ns, away_ns;
	uint64_t exact_ns[2], sampled_ns[2], unsampled_ns[2]; /* waiting for something [0], for a CPU [1] */
};

/* stolen_ns: by a hypervisor of all CPUs in the window; 0 where the threads' times have it. */
int wait_account__settle(struct window *w, const struct thread_table *threads, uint64_t stolen_ns,
			 const struct wait_account_ports *ports, struct wait_account *ret);

#endif
