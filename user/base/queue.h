/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue - hands pointers from threads to a thread, bounded.
 *
 * Owns: the slots, not what they point to. Thread: any number of writers and readers. Limit: capacity at new; push on a full queue is -EAGAIN.
 * Errors: -EAGAIN full or empty (try), -EPIPE closed.
 */
#ifndef EVERPROF_BASE_QUEUE_H
#define EVERPROF_BASE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue__new(uint32_t capacity);
void queue__free(struct queue *q); /* what is left in it is not freed */
int queue__push(struct queue *q, void *item);
int queue__pop(struct queue *q, void **ret_item);     /* waits; -EPIPE once closed and empty */
int queue__try_pop(struct queue *q, void **ret_item); /* -EAGAIN, -EPIPE */
void queue__close(struct queue *q);

#endif
