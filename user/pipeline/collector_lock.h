/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_lock - what samples of waits have to do with locks, for those who count them.
 *
 * Owns: nothing. Thread: the collector's. Limit: none. Errors: none; what has no room is missing among locks.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_LOCK_H
#define EVERPROF_PIPELINE_COLLECTOR_LOCK_H

#include <stdint.h>

#include "bpf/frame.h"

struct collector;
struct task_key;
struct thread;
struct window_sample;

/* A sample of a wait for a futex, whose tag.arg may be who ended it, is one of a lock, too. Before it is counted: s is left as a wait's, ret_row (or NULL) gets the row of the lock + 1, or 0. */
void collector__count_futex(struct collector *c, const struct task_key *key, const struct window_sample *s,
			    uint32_t holder, uint32_t *ret_row);
/* A row of a lock of the kernel, as the kernel counted it. */
void collector__count_lock(struct collector *c, const struct task_key *key, struct window_sample *s);
/* Rows of the open window of waits and of that of locks that are of one stack, for waits that go on. */
void collector__pair_lock_row(struct collector *c, uint32_t wait_row, uint32_t lock_row);
void collector__count_more_of_lock(struct collector *c, uint32_t wait_row, uint64_t n, uint64_t ns);
void collector__forget_lock_rows(struct collector *c);
/* A window of waits is settled: what became of each thread's waits for futexes becomes of its locks, when their window ends. */
void collector__begin_futexes(struct collector *c, uint64_t period_ns);
void collector__note_futexes(void *collector, const struct thread *t, uint64_t sampled_ns,
			     uint64_t settled_ns);
/* Puts the hook on wake-ups in place where somebody wants it, or takes it away. */
void collector__follow_wakers(struct collector *c);
/* The words of a wait, or what is copied to `to`: code in no file, below the mark of a waker of another process, would be named as of this one. */
const uint64_t *collector__hide_away(const struct window_sample *s, uint64_t to[STACK_WORDS_MAX]);
/* Makes of a wait's tag.arg what is said of who ended it, where that is wanted. */
void collector__name_waker(struct collector *c, struct window_sample *s);

#endif
