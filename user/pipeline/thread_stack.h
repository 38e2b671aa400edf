/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread_stack - what can be read from outside of a thread that a pass over all threads has told: its stack, and who holds what it waits for.
 *
 * Owns: nothing; the stack is in c->walk. Thread: the collector's. Limit: STACK_WHOLE_MAX bytes of stack. Errors: by the way that the walk ended.
 */
#ifndef EVERPROF_PIPELINE_THREAD_STACK_H
#define EVERPROF_PIPELINE_THREAD_STACK_H

#include <stdint.h>

struct collector;
struct futex_wait;
struct thread_record;

/* Who holds the futex that the thread waits for, as its pid namespace has it; 0: it waits for none, or that is not known. ret_wait may be NULL. */
uint32_t collector__read_holder(const struct thread_record *r, struct futex_wait *ret_wait);
/* Walks the stack of a thread that a pass has told, into c->walk; why the walk ended. */
uint8_t collector__walk_thread(struct collector *c, const struct thread_record *r);

#endif
