/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread_table - what the kernel accounts of every thread: how long it ran, and how long it waited for a CPU, in this window.
 *
 * Fed by records (bpf/abi.h, struct thread_record) that tell sums since a thread's start; a window's part is the difference to the sums at its
 * beginning. Threads that began in it count from their start, those that ended to their end; a tid that is used again in the same process goes on in
 * the same entry.
 *
 * Owns: its entries, some 150 bytes a thread. Thread: one owner. Limit: THREADS_MAX; further threads are not in it (-E2BIG). Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_PROCESS_THREAD_TABLE_H
#define EVERPROF_PROCESS_THREAD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "user/base/hashmap.h"
#include "user/process/false_queue.h"

#define THREADS_MAX 131072

/* Sums since the thread's start, and when they were read. */
struct thread_sums {
	uint64_t at_ns, run_ns, run_delay_ns, away_ns;
	uint32_t switches, blocked; /* low halves */
};

/*
 * A stretch of its life: how long that was, and what of it. The rest of `wall_ns` it waited for something else. away_ns: taken of its CPU while it ran, by a hypervisor
 * or interrupts that the kernel accounts apart; known where the hook on switches is in place.
 */
struct thread_times {
	uint64_t wall_ns, run_ns, run_delay_ns, away_ns;
	uint32_t n_blocked,
		n_preempted; /* how often it left its CPU, to wait for something else or for a CPU */
};

struct thread {
	struct task_key key; /* of its process, as last told */
	uint32_t tid;
	bool is_kernel_thread;
	uint8_t ended;    /* enum thread_told, as of which it is known */
	bool is_followed; /* its process was to be counted when the kernel told of it */
	char comm[COMM_LEN + 1];
	uint64_t start_ns;
	struct thread_sums base, last; /* at the window's beginning, and now */
	struct thread_times carried;   /* of earlier threads of this tid in the window */
	struct false_queue queue;
	uint64_t slept_ns;               /* of what the kernel told of its waits for a CPU */
	uint64_t owed_ns, owed_delay_ns; /* waited, and not given to a stack yet: where only passes sample */
	uint32_t switches, owed_switches;
	uint32_t pass; /* in which it was met last */
};

struct thread_table {
	struct thread *threads;
	uint32_t n, cap, pass;
	struct hashmap by_tid;
	uint64_t begin_ns;
};

void thread_table__init(struct thread_table *t);
void thread_table__done(struct thread_table *t);
/* A window begins: sums so far are its base, threads that ended or were not met in the last pass are forgotten. */
int thread_table__begin(struct thread_table *t, uint64_t now_ns);
/* A pass over all threads begins. */
void thread_table__begin_pass(struct thread_table *t);
/* Takes the record in. ret_before: the sums that were known before, those of its base where it is new. */
int thread_table__note(struct thread_table *t, const struct thread_record *r, struct thread **ret,
		       struct thread_sums *ret_before);
/* The thread of that tid in the process that started then, or NULL; valid until the next note. */
struct thread *thread_table__find(const struct thread_table *t, uint64_t process_start_ns, uint32_t tid);
/*
 * How often it left a CPU since that was asked last; of a record that was noted. One that was read before the last (of its end, while it lay in a ring and a pass read a later
 * one) tells nothing new, and of a thread that took the place of another by an exec it is not known: the counts are lower.
 */
uint32_t thread__take_switches(struct thread *t, const struct thread_record *r);
/* Its part of the window, so far. */
void thread__times(const struct thread *t, struct thread_times *ret);

#endif
