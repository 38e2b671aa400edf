/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadlocks - the circles of threads in a profile of threads that wait for each other, as text for a person: who waits for what, who has it, and both stacks.
 *
 * They are told by labels: `deadlock` is the same number for all of a circle, `holder_tid` leads to the next one, `lock_address` is what it waits for.
 *
 * Owns: nothing. Thread: any. Limit: DEADLOCK_THREADS_MAX threads a circle and DEADLOCK_FRAMES_MAX frames a stack are shown. Errors: those of the buffer.
 */
#ifndef EVERPROF_QUERY_DEADLOCKS_H
#define EVERPROF_QUERY_DEADLOCKS_H

#include <stdint.h>

#define DEADLOCK_LABEL       "deadlock"
#define DEADLOCK_THREADS_MAX 64
#define DEADLOCK_FRAMES_MAX  24

struct buf;
struct profile;

/* How many circles there are; nothing is printed where there is none. p is sealed. */
uint32_t deadlocks__print(const struct profile *p, struct buf *to);

#endif
