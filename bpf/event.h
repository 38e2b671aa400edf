/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * event - the kinds of profile that everprof makes, as data: one list gives the enum, the names that users and files know, what a file
 * of each holds, and the tables of the documents.
 *
 * SAMPLE_TYPES: what the two numbers of a row mean, and the unit of the second; the second is the one that viewers show first. An event whose
 * rows hold more than two numbers (heap) names the others where it is made.
 */
#ifndef EVERPROF_BPF_EVENT_H
#define EVERPROF_BPF_EVENT_H

/* enum, name, on by default, what is counted, what is added up, its unit, what it is */
#define EVENTS(X)                                                                                          \
	X(CPU, "cpu", 1, "samples", "cpu", "nanoseconds", "On-CPU time, kernel and user.")                 \
	X(OFFCPU, "offcpu", 1, "events", "off_cpu", "nanoseconds",                                         \
	  "Time not running, with the reason in the label `state`.")                                       \
	X(MEMORY, "memory", 1, "faults", "resident", "bytes", "Where resident memory grew (page faults).") \
	X(ALLOC, "alloc", 1, "alloc_objects", "alloc_space", "bytes",                                      \
	  "Allocation through malloc and its family.")                                                     \
	X(HEAP, "heap", 0, "inuse_objects", "inuse_space", "bytes",                                        \
	  "Allocated and not yet freed, of chosen processes.")                                             \
	X(LOCK, "lock", 0, "contentions", "delay", "nanoseconds",                                          \
	  "Waits for locks, in user space (futex) and in the kernel.")                                     \
	X(THREADS, "threads", 0, "threads", NULL, "count", "The stack of every thread, now.")              \
	X(GOROUTINE, "goroutine", 0, "goroutines", NULL, "count",                                          \
	  "The stack and state of every goroutine of Go processes, read from outside.")                    \
	X(THREADCREATE, "threadcreate", 0, "threads", NULL, "count",                                       \
	  "Where threads and processes were created.")                                                     \
	X(KMEM, "kmem", 0, "alloc_objects", "alloc_space", "bytes", "Allocations inside the kernel.")

enum event {
#define EVENT_ID(id, name, on, counted, added, unit, help) EVENT_##id,
	EVENTS(EVENT_ID)
#undef EVENT_ID
		EVENT_N,
};

#endif
