/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* lock - the kinds of locks that are waited for, as data: one list gives the enum and the values of the label `lock`; and who gives them. */
#ifndef EVERPROF_BPF_LOCK_H
#define EVERPROF_BPF_LOCK_H

#include <linux/types.h>

#define LOCK_KINDS(X)                         \
	X(FUTEX, "futex")                     \
	X(MUTEX, "mutex")                     \
	X(RWSEM_READ, "rwsem read")           \
	X(RWSEM_WRITE, "rwsem write")         \
	X(PERCPU_READ, "percpu rwsem read")   \
	X(PERCPU_WRITE, "percpu rwsem write") \
	X(RT, "rt mutex")                     \
	X(SPIN, "spinlock")                   \
	X(RWLOCK_READ, "rwlock read")         \
	X(RWLOCK_WRITE, "rwlock write")       \
	X(OTHER, "other")

enum lock_kind {
#define X(id, name) LOCK_##id,
	LOCK_KINDS(X)
#undef X
		LOCK_KIND_N
};

/* The thread that waits goes round and round on its CPU. */
#define LOCK_SPINS(kind) ((kind) >= LOCK_SPIN && (kind) <= LOCK_RWLOCK_WRITE)

/* Numbers of system calls that wait for a lock of user space: futex, futex_waitv (5.16), futex_wait (6.7). */
#define IS_FUTEX(syscall) ((syscall) == 202 || (syscall) == 449 || (syscall) == 455)

/* What a waker is that is no thread: an interrupt. */
#define WAKER_INTERRUPT 0xffffffffu

/* What is wanted of wakers, gate.wakers_on. */
#define WAKERS_NAMES  1
#define WAKERS_STACKS 2
#define WAKERS_FUTEX  4 /* count waits for locks of user space */

/* Who woke a thread last. */
struct wait_waker {
	__u32 tid;   /* or WAKER_INTERRUPT */
	__u32 at_us; /* CLOCK_MONOTONIC >> 10, low half */
};

/* How often a thread was woken that waited for a lock of user space, at wait_place() of its tid; tid 0: nobody's place. */
#define FUTEX_COUNTS 4096
struct futex_count {
	__u32 tid;
	__u32 n;
};

/* Was it decided at the wake-up whether the wait is taken? (bpf/waker.bpf.h) */
#define WAKER_UNDECIDED 0
#define WAKER_NOT_TAKEN 0xff
#define WAKER_NO_PLACE  0xfe /* no: there was none for the stack */
#define WAKER_STACKS    64   /* of waits that are taken, until they are counted; numbered from 1 */
#define WAKER_WORDS_MAX 128  /* the mark between the two stacks is one */

struct waker_stack {
	__u64 busy_ns;   /* since when it is somebody's, by which he knows that it is still his; 0: free */
	__u64 began_ns;  /* the wait */
	__u64 d, weight; /* as of the wake-up: how long it was, and what that stands for */
	__u64 hash;
	__u32 tid; /* who waited */
	__u32 n_words;
	__u64 words[WAKER_WORDS_MAX];
};

#endif
