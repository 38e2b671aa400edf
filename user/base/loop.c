// SPDX-License-Identifier: Apache-2.0
/*
 * Problem    One thread waits for kernel rings, slice ends, signals and config changes. A callback may remove any source, its own included, while
 *            the kernel has already reported that source as ready.
 *
 * Idea       Everything is a descriptor: timers are timerfds, signals are signalfds, a wake-up is an eventfd. A removed source leaves epoll at
 *            once but stays in memory, marked, until the batch of ready events that may still name it is through.
 *
 * Layout     loop.live <─> source <─> source …      loop.removed ─> source ─> …  (freed between two waits)
 *
 * Invariants No callback of a source runs after loop__remove of it. Sources are freed only where no epoll_event holds their address.
 *
 * Cost       One epoll_wait a batch of up to BATCH ready sources, one read a timer or signal.
 *
 * What it does not do  No priorities, no re-entrance: loop__run inside a callback is -EBUSY.
 *
 * Reference  epoll(7), timerfd_create(2), signalfd(2).
 */
#include "user/base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"

#define BATCH 32

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL };

struct loop_source {
	struct loop_source *next, *prev;
	enum source_kind kind;
	bool removed;
	int fd; /* ours, but for SOURCE_FD */
	union {
		loop_fd_fn on_fd;
		loop_timer_fn on_timer;
		loop_signal_fn on_signal;
	};
	void *ctx;
};

struct loop {
	int epoll_fd;
	int wake_fd;
	uint32_t n_sources;
	struct loop_source *live;
	struct loop_source *removed;
	bool running;
	atomic_bool stop;
};

int loop__new(struct loop **ret_loop)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct loop *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		return -ENOMEM;
	l->wake_fd = FD_CLOSED;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		err = -errno;
		goto out;
	}
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) != 0) {
		err = -errno;
		goto out;
	}
	*ret_loop = l;
out:
	if (err)
		loop__free(l);
	return err;
}

static void free_removed(struct loop *l)
{
	struct loop_source *s;

	while ((s = l->removed)) {
		l->removed = s->next;
		free(s);
	}
}

void loop__free(struct loop *l)
{
	if (!l)
		return;
	while (l->live)
		loop__remove(l, l->live);
	free_removed(l);
	io__close(&l->wake_fd);
	io__close(&l->epoll_fd);
	free(l);
}

/* Takes the descriptor of a timer or signal only on success. */
static int add_source(struct loop *l, const struct loop_source *like, uint32_t epoll_events,
		      struct loop_source **ret)
{
	struct epoll_event ev = {.events = epoll_events};
	struct loop_source *s;

	if (l->n_sources >= LOOP_SOURCES_MAX)
		return -E2BIG;
	s = malloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = *like;
	ev.data.ptr = s;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) != 0) {
		int err = -errno;

		free(s);
		return err;
	}
	s->prev = NULL;
	s->next = l->live;
	if (l->live)
		l->live->prev = s;
	l->live = s;
	l->n_sources++;
	if (ret)
		*ret = s;
	return 0;
}

int loop__add_fd(struct loop *l, int fd, uint32_t epoll_events, loop_fd_fn fn, void *ctx,
		 struct loop_source **ret)
{
	struct loop_source like = {.kind = SOURCE_FD, .fd = fd, .on_fd = fn, .ctx = ctx};

	return add_source(l, &like, epoll_events, ret);
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = (long)(ns % NS_PER_SEC)};
}

static int arm(int fd, uint64_t first_ns, uint64_t interval_ns)
{
	struct itimerspec when = {0};

	if (first_ns != LOOP_TIMER_OFF) {
		/* the kernel takes a zero for "off" */
		when.it_value = to_timespec(first_ns ? first_ns : 1);
		when.it_interval = to_timespec(interval_ns);
	}
	return timerfd_settime(fd, 0, &when, NULL) == 0 ? 0 : -errno;
}

int loop__add_timer(struct loop *l, uint64_t first_ns, uint64_t interval_ns, loop_timer_fn fn, void *ctx,
		    struct loop_source **ret)
{
	struct loop_source like = {.kind = SOURCE_TIMER, .on_timer = fn, .ctx = ctx};
	int err;

	like.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (like.fd < 0)
		return -errno;
	err = arm(like.fd, first_ns, interval_ns);
	if (!err)
		err = add_source(l, &like, EPOLLIN, ret);
	if (err)
		io__close(&like.fd);
	return err;
}

int loop__set_timer(struct loop_source *timer, uint64_t first_ns, uint64_t interval_ns)
{
	if (timer->kind != SOURCE_TIMER || timer->removed)
		return -EINVAL;
	return arm(timer->fd, first_ns, interval_ns);
}

int loop__add_signal(struct loop *l, int signo, loop_signal_fn fn, void *ctx, struct loop_source **ret)
{
	struct loop_source like = {.kind = SOURCE_SIGNAL, .on_signal = fn, .ctx = ctx};
	sigset_t set;
	int err;

	sigemptyset(&set);
	if (sigaddset(&set, signo) != 0)
		return -errno;
	err = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (err)
		return -err;
	like.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (like.fd < 0)
		return -errno;
	err = add_source(l, &like, EPOLLIN, ret);
	if (err)
		io__close(&like.fd);
	return err;
}

void loop__remove(struct loop *l, struct loop_source *s)
{
	if (!s || s->removed)
		return;
	/* Of a descriptor that its owner closed already this fails, and epoll has forgotten it by itself. */
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	if (s->kind != SOURCE_FD)
		io__close(&s->fd);
	s->removed = true;

	if (s->prev)
		s->prev->next = s->next;
	else
		l->live = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->next = l->removed;
	l->removed = s;
	l->n_sources--;
	if (!l->running)
		free_removed(l);
}

static int call_timer(struct loop_source *s)
{
	uint64_t n_expired;

	/* Set anew by a callback of this very batch: not due any more. */
	if (read(s->fd, &n_expired, sizeof(n_expired)) != (ssize_t)sizeof(n_expired))
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return s->on_timer(n_expired, s->ctx);
}

static int call_signal(struct loop_source *s)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return s->on_signal((int)info.ssi_signo, s->ctx);
}

static int dispatch(struct loop *l, const struct epoll_event *ev)
{
	struct loop_source *s = ev->data.ptr;
	eventfd_t n;
	int err = 0;

	if (!s) {
		eventfd_read(l->wake_fd, &n);
		return 0;
	}
	if (s->removed)
		return 0;
	switch (s->kind) {
	case SOURCE_FD:
		err = s->on_fd(s->fd, ev->events, s->ctx);
		break;
	case SOURCE_TIMER:
		err = call_timer(s);
		break;
	case SOURCE_SIGNAL:
		err = call_signal(s);
		break;
	}
	return err < 0 ? err : 0;
}

int loop__run(struct loop *l)
{
	struct epoll_event ready[BATCH];
	int n, err = 0;

	if (l->running)
		return -EBUSY;
	l->running = true;
	while (!err && !atomic_load(&l->stop)) {
		n = epoll_wait(l->epoll_fd, ready, BATCH, -1);
		if (n < 0 && errno != EINTR)
			err = -errno;
		for (int i = 0; i < n && !err && !atomic_load(&l->stop); i++)
			err = dispatch(l, &ready[i]);
		free_removed(l);
	}
	l->running = false;
	atomic_store(&l->stop, false);
	return err;
}

static void loop__wake(struct loop *l)
{
	int saved_errno = errno;
	uint64_t one = 1;
	ssize_t n;

	/* It fails only where the counter is full: then a wake-up is pending already. */
	n = write(l->wake_fd, &one, sizeof(one));
	(void)n;
	errno = saved_errno;
}

void loop__stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	loop__wake(l);
}
