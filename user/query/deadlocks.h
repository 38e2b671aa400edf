/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadlocks - the circles of threads in a profile of threads that wait for each other, as text for a person: who waits for what, who has it, and both stacks.
 *
 * They are told by labels: `deadlock` is the same number for all of a circle, `holder_tid` leads to the next one, `lock_address` is what it waits for.
 *
 * Owns: nothing. Thread: any. Limit: DEADLOCK_THREADS_MAX threads a circle and DEADLOCK_FRAMES_MAX frames a stack are shown. Errors: those of the
 * buffer; without memory there are none.
 */
#ifndef EVERPROF_QUERY_DEADLOCKS_H
#define EVERPROF_QUERY_DEADLOCKS_H

#include <stdint.h>

#define DEADLOCK_LABEL       "deadlock"
#define DEADLOCK_THREADS_MAX 64
#define DEADLOCK_FRAMES_MAX  24

struct buf;
struct profile;

struct deadlock_thread {
	int64_t tid, holder_tid;
	const char *comm, *holder, *lock_address;
	uint32_t stack; /* in the profile */
};

/* A circle, around from the thread that it is named by: each waits for what the next one holds. Texts are the profile's. */
struct deadlock {
	int64_t pid;
	const char *process;
	uint32_t n;
	struct deadlock_thread threads[DEADLOCK_THREADS_MAX];
};

/* Calls fn, which may be NULL, for each; how many there are. p is sealed. */
typedef void (*deadlock_fn)(void *ctx, const struct profile *p, const struct deadlock *d);
uint32_t deadlocks__each(const struct profile *p, deadlock_fn fn, void *ctx);
/* "    thread 17201 'knot_a' waits for the lock at 0x…, which thread 17202 'knot_b' holds": a line. */
void deadlock_thread__print(const struct deadlock_thread *t, struct buf *to);
/* How many circles there are; nothing is printed where there is none. p is sealed. */
uint32_t deadlocks__print(const struct profile *p, struct buf *to);

#endif
