/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - the kinds of profile that everprof makes, by the names that users and files know them.
 *
 * Owns: nothing. Thread: any. Limit: EVENT_N. Errors: -ENOENT for an unknown name.
 */
#ifndef EVERPROF_CONFIG_EVENT_H
#define EVERPROF_CONFIG_EVENT_H

#include <stdint.h>

/* name, on by default, what it is */
#define EVENTS(X)                                                                         \
	X(CPU, "cpu", 1, "On-CPU time, kernel and user.")                                 \
	X(OFFCPU, "offcpu", 1, "Time not running, with the reason in the label `state`.") \
	X(MEMORY, "memory", 1, "Where resident memory grew (page faults).")               \
	X(ALLOC, "alloc", 1, "Allocation through malloc and its family.")                 \
	X(HEAP, "heap", 0, "Allocated and not yet freed, of chosen processes.")           \
	X(LOCK, "lock", 0, "Waits for locks, in user space (futex) and in the kernel.")   \
	X(THREADS, "threads", 0, "The stack of every thread, now.")                       \
	X(GOROUTINE, "goroutine", 0,                                                      \
	  "The stack and state of every goroutine of Go processes, read from outside.")   \
	X(THREADCREATE, "threadcreate", 0, "Where threads and processes were created.")   \
	X(KMEM, "kmem", 0, "Allocations inside the kernel.")

enum event {
#define EVENT_ID(id, name, on, help) EVENT_##id,
	EVENTS(EVENT_ID)
#undef EVENT_ID
		EVENT_N,
};

const char *event__name(enum event ev);
const char *event__help(enum event ev);
int event__find(const char *name, enum event *ret_ev);

#endif
