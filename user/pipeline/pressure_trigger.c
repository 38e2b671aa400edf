// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: pressure is judged by how much the kernel's sums grew from one pass to the next. A wait of 400 ms that lies across two passes is 20 % of each, though it
 *   was 40 % of a second; and what begins after a pass is seen with the next.
 * Idea: the kernel watches a sliding window itself (Documentation/accounting/psi.rst): "some 300000 1000000" written into the file, and the descriptor is
 *   ready (EPOLLPRI) once more than 300 ms of a second were lost. A rule's threshold is written so, and what fires is a value above it.
 * Invariants: a trigger only adds what is true of a second; without it all values are those of the sums. Polling takes the event: each descriptor is
 *   polled by the loop alone.
 * Cost: nothing here while nothing waits; in the kernel, ten looks at the sums a window while something does. The kernel runs a thread for those of the
 *   privileged, so there are few: PRESSURE_TRIGGERS_MAX.
 * What it does not do: tell the value. That the sums do, when the pass reads them.
 * Reference: kernel/sched/psi.c, psi_trigger_create(): windows of 500 ms to 10 s; without CAP_SYS_RESOURCE (6.5 and later) multiples of
 *   2 s, looked at every 2 s with the averages: no better than the sums, and no worse. Before 6.5 none.
 */
#include "user/pipeline/pressure_trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "user/base/io.h"
#include "user/base/loop.h"

#define US_PER_SEC 1000000u

static const struct {
	enum pressure_kind kind;
	bool is_full;
} lines[PRESSURE_LINES] = {
	{PRESSURE_CPU, false}, {PRESSURE_MEMORY, false}, {PRESSURE_MEMORY, true},
	{PRESSURE_IO, false},  {PRESSURE_IO, true},
};

enum pressure_kind pressure_line__kind(int line)
{
	return lines[line].kind;
}

static int on_ready(int fd, uint32_t events, void *ctx)
{
	struct pressure_trigger *t = ctx;

	(void)fd;
	if (events & EPOLLERR) { /* the control group is gone */
		pressure_trigger__disarm(t);
		t->is_gone = true;
		return 0;
	}
	t->has_fired = true;
	t->of->n_fired++;
	if (t->of->fired)
		t->of->fired(t->of->ctx);
	return 0;
}

/* The kernel wants the text's end, too. */
static int write_trigger(int fd, int line, double percent, unsigned int window_us)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%s %u %u", lines[line].is_full ? "full" : "some",
			   (unsigned int)(percent / 100 * window_us) + 1, window_us);

	return write(fd, text, (size_t)len + 1) < 0 ? -errno : 0;
}

int pressure_trigger__arm(struct pressure_trigger *t, struct pressure_triggers *of, const char *path,
			  int line, double percent)
{
	uint32_t window_us = US_PER_SEC;
	int fd = FD_CLOSED, err = 0;

	*t = (struct pressure_trigger){.fd = FD_CLOSED, .percent = percent};
	if (!(percent > 0) || percent >= 100)
		return -ERANGE;
	if (of->n == PRESSURE_TRIGGERS_MAX)
		err = -E2BIG;
	if (!err) {
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		err = fd < 0 ? -errno : write_trigger(fd, line, percent, window_us);
	}
	if (err == -EINVAL || err == -EPERM) {
		window_us = 2 * US_PER_SEC;
		err = write_trigger(fd, line, percent, window_us);
	}
	if (!err)
		err = loop__add_fd(of->loop, fd, EPOLLPRI, on_ready, t, &t->source);
	if (err) {
		of->n_refused++;
		io__close(&fd);
		return err;
	}
	t->fd = fd;
	t->of = of;
	of->window_us = window_us;
	of->n++;
	return 0;
}

void pressure_trigger__disarm(struct pressure_trigger *t)
{
	if (!t->of)
		return;
	loop__remove(t->of->loop, t->source);
	io__close(&t->fd);
	t->of->n--;
	t->of = NULL;
}

double pressure_trigger__take(struct pressure_trigger *t)
{
	bool has_fired = t->has_fired;

	t->has_fired = false;
	return has_fired ? t->percent + 100.0 / US_PER_SEC : 0;
}
