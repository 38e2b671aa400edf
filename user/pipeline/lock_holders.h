/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock_holders - who holds the locks that threads wait for: from the tids that are written in the locks.
 *
 * A lock has its holder's tid as the process's own pid namespace gives it. Where that is another one than ours, what the threads of the process are called there has to be
 * asked of each: once, and of processes only in which somebody waits.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_LOCK_HOLDERS_H
#define EVERPROF_PIPELINE_LOCK_HOLDERS_H

#include <stdbool.h>
#include <stdint.h>

#define LOCK_HOLDERS_NOBODY UINT32_MAX

struct lock_thread {
	uint32_t tgid, tid;
	uint32_t
		holder; /* of what it waits for, as its namespace has it; 0: it waits for no lock, or nobody knows */
};

struct lock_holders_port {
	void *ctx;
	/* Of the process of threads[i]: is it in a namespace of its own? Asked once a process, for the first that waits. */
	bool (*is_apart)(void *ctx, uint32_t i);
	/* The tid of threads[i] in its own namespace, 0: it is gone. */
	uint32_t (*tid_there)(void *ctx, uint32_t i);
};

/* ret_holders[i]: the index of who holds what threads[i] waits for, or LOCK_HOLDERS_NOBODY. In a namespace of its own: among the threads of its process. */
int lock_holders__find(const struct lock_thread *threads, uint32_t n, const struct lock_holders_port *port,
		       uint32_t *ret_holders);

#endif
