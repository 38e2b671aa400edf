/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "user/base/queue.h"

#define STACK_BYTES (1u << 20) /* stacks of a profile are walked in arrays of 4096 */

struct job {
	void (*fn)(void *ctx);
	void (*done)(void *ctx);
	void *ctx;
};

struct workers {
	struct queue *queue;
	pthread_t *threads;
	uint32_t n_threads, n_started, limit;
	uint32_t busy; /* atomic */
};

static void *workers__run(void *ctx)
{
	struct workers *w = ctx;
	void *item;

	while (!queue__pop(w->queue, &item)) {
		struct job *j = item;

		j->fn(j->ctx);
		__atomic_sub_fetch(&w->busy, 1, __ATOMIC_ACQ_REL);
		j->done(j->ctx);
		free(j);
	}
	return NULL;
}

int workers__new(uint32_t n_threads, uint32_t n_queued, struct workers **ret)
{
	struct workers *w = calloc(1, sizeof(*w));
	pthread_attr_t attr;
	int err = 0;

	if (!w)
		return -ENOMEM;
	w->n_threads = n_threads;
	w->limit = n_threads + n_queued;
	w->queue = queue__new(w->limit);
	w->threads = calloc(n_threads, sizeof(*w->threads));
	if (!w->queue || !w->threads)
		err = -ENOMEM;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (uint32_t i = 0; !err && i < n_threads; i++) {
		err = -pthread_create(&w->threads[i], &attr, workers__run, w);
		w->n_started += !err;
	}
	pthread_attr_destroy(&attr);
	if (err)
		workers__free(w);
	else
		*ret = w;
	return err;
}

void workers__free(struct workers *w)
{
	if (!w)
		return;
	if (w->queue)
		queue__close(w->queue);
	for (uint32_t i = 0; i < w->n_started; i++)
		pthread_join(w->threads[i], NULL);
	queue__free(w->queue);
	free(w->threads);
	free(w);
}

int workers__push(struct workers *w, void (*fn)(void *ctx), void (*done)(void *ctx), void *ctx)
{
	struct job *j;

	if (__atomic_add_fetch(&w->busy, 1, __ATOMIC_ACQ_REL) > w->limit) {
		__atomic_sub_fetch(&w->busy, 1, __ATOMIC_ACQ_REL);
		return -EAGAIN;
	}
	j = malloc(sizeof(*j));
	if (j) {
		*j = (struct job){fn, done, ctx};
		if (!queue__push(w->queue, j))
			return 0;
	}
	free(j);
	__atomic_sub_fetch(&w->busy, 1, __ATOMIC_ACQ_REL);
	return j ? -EAGAIN : -ENOMEM;
}
