// SPDX-License-Identifier: Apache-2.0
/*
 * All deadlines are of the same length, so a list in the order of setting is in order of time. As long as there is one the thread looks at them four times a second; without
 * any it sleeps for good.
 *
 * A socket whose other side is closed is readable once, and libmicrohttpd, which is told of it at the edge and together with what came before, may have had its one look
 * by then. Seen half closed twice, with time between for a request that was whole after all, it is shut.
 *
 * The lock is held while a socket is shut: whoever clears a deadline before he closes the socket knows that no other one of that number is hit.
 */
#include "user/server/deadline.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "user/base/clock.h"

#define STACK_BYTES (64u << 10)
#define LOOK_NS     (250 * NS_PER_MS)

struct deadlines {
	uint64_t length_ns;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below, and of the entries */
	pthread_cond_t changed;
	struct deadline *first, *last;
	bool is_stopped, has_thread;
};

static void take_out(struct deadlines *all, struct deadline *d)
{
	*(d->before ? &d->before->after : &all->first) = d->after;
	*(d->after ? &d->after->before : &all->last) = d->before;
	*d = (struct deadline){.fd = d->fd};
}

static bool is_half_closed(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void look(struct deadlines *all)
{
	uint64_t now = clock__mono_ns();

	for (struct deadline *d = all->first, *next; d; d = next) {
		bool was_half_closed = d->is_half_closed;

		next = d->after;
		d->is_half_closed = is_half_closed(d->fd);
		if (d->at_ns > now && !(was_half_closed && d->is_half_closed))
			continue;
		shutdown(d->fd, SHUT_RDWR);
		take_out(all, d);
	}
}

static void *run(void *ctx)
{
	struct deadlines *all = ctx;

	pthread_mutex_lock(&all->lock);
	while (!all->is_stopped) {
		uint64_t next_ns = clock__mono_ns() + LOOK_NS;
		const struct timespec until = {.tv_sec = (time_t)(next_ns / NS_PER_SEC),
					       .tv_nsec = (long)(next_ns % NS_PER_SEC)};

		if (!all->first) {
			pthread_cond_wait(&all->changed, &all->lock);
			continue;
		}
		if (pthread_cond_timedwait(&all->changed, &all->lock, &until))
			look(all);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

int deadlines__new(uint64_t length_ns, struct deadlines **ret)
{
	struct deadlines *all = calloc(1, sizeof(*all));
	pthread_condattr_t clock;
	pthread_attr_t attr;
	int err;

	if (!all)
		return -ENOMEM;
	all->length_ns = length_ns;
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&all->changed, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	err = -pthread_create(&all->thread, &attr, run, all);
	pthread_attr_destroy(&attr);
	all->has_thread = !err;
	if (err)
		deadlines__free(all);
	else
		*ret = all;
	return err;
}

void deadlines__free(struct deadlines *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->is_stopped = true;
	pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->lock);
	if (all->has_thread)
		pthread_join(all->thread, NULL);
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

void deadline__set(struct deadlines *all, struct deadline *d, int fd)
{
	pthread_mutex_lock(&all->lock);
	if (d->at_ns)
		take_out(all, d);
	*d = (struct deadline){.before = all->last, .at_ns = clock__mono_ns() + all->length_ns, .fd = fd};
	*(all->last ? &all->last->after : &all->first) = d;
	all->last = d;
	if (all->first == d)
		pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

void deadline__clear(struct deadlines *all, struct deadline *d)
{
	pthread_mutex_lock(&all->lock);
	if (d->at_ns)
		take_out(all, d);
	pthread_mutex_unlock(&all->lock);
}
