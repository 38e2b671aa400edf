// SPDX-License-Identifier: Apache-2.0
#include "user/base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* A ring under one lock: what passes here is work (an ELF file to read, a window to write), tens a second, not samples. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty;
	uint32_t capacity;
	uint32_t head; /* the oldest item */
	uint32_t len;
	bool closed;
	void *items[];
};

struct queue *queue__new(uint32_t capacity)
{
	struct queue *q;

	if (capacity == 0)
		return NULL;
	q = calloc(1, sizeof(*q) + (size_t)capacity * sizeof(q->items[0]));
	if (!q)
		return NULL;
	q->capacity = capacity;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->not_empty, NULL);
	return q;
}

void queue__free(struct queue *q)
{
	if (!q)
		return;
	pthread_cond_destroy(&q->not_empty);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

int queue__push(struct queue *q, void *item)
{
	int err = 0;

	pthread_mutex_lock(&q->lock);
	if (q->closed) {
		err = -EPIPE;
	} else if (q->len == q->capacity) {
		err = -EAGAIN;
	} else {
		q->items[((uint64_t)q->head + q->len) % q->capacity] = item;
		q->len++;
		pthread_cond_signal(&q->not_empty);
	}
	pthread_mutex_unlock(&q->lock);
	return err;
}

static int take(struct queue *q, bool may_wait, void **ret_item)
{
	int err = 0;

	pthread_mutex_lock(&q->lock);
	while (q->len == 0 && !q->closed && may_wait)
		pthread_cond_wait(&q->not_empty, &q->lock);
	if (q->len == 0) {
		err = q->closed ? -EPIPE : -EAGAIN;
	} else {
		*ret_item = q->items[q->head];
		q->head = (uint32_t)(((uint64_t)q->head + 1) % q->capacity);
		q->len--;
	}
	pthread_mutex_unlock(&q->lock);
	return err;
}

int queue__pop(struct queue *q, void **ret_item)
{
	return take(q, true, ret_item);
}

int queue__try_pop(struct queue *q, void **ret_item)
{
	return take(q, false, ret_item);
}

void queue__close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->not_empty);
	pthread_mutex_unlock(&q->lock);
}
