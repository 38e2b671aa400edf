// SPDX-License-Identifier: Apache-2.0
#include "user/server/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/base/memfd.h"
#include "user/server/courier_wire.h"
#include "user/server/own_binary.h"
#include "user/server/wire.h"

#define AFTER_MAX_S 3600

struct courier {
	struct loop *loop;
	courier_done_fn done;
	void *ctx;
	struct loop_source *source, *timer;
	int wire;
	pid_t pid;
	uint64_t id; /* under way; 0: none */
};

static int courier__spawn(int wire, pid_t *ret_pid)
{
	static char *const argv[] = {"everprof", "courier-process", NULL};
	static char *const envp[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char path[PATH_MAX];
	sigset_t none;
	int code;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	code = posix_spawn_file_actions_adddup2(&actions, wire, COURIER_FD + 1000);
	if (!code)
		code = posix_spawn_file_actions_adddup2(&actions, COURIER_FD + 1000, COURIER_FD);
	if (!code)
		code = posix_spawn_file_actions_addclosefrom_np(&actions, COURIER_FD + 1);
	if (!code)
		code = posix_spawn(ret_pid, own_binary__path(path), &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -code;
}

static void courier__stop(struct courier *c)
{
	if (c->source)
		loop__remove(c->loop, c->source);
	c->source = NULL;
	io__close(&c->wire);
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	c->pid = 0;
}

static void courier__finish(struct courier *c, int status, uint64_t after_ns, const char *text)
{
	const struct courier_answer a = {.id = c->id,
					 .status = status,
					 .after_ns = after_ns,
					 .text = text,
					 .is_taken = status / 100 == 2,
					 .is_worth_a_try = !status || status == 408 || status == 429 ||
							   status / 100 == 5};

	if (!c->id)
		return;
	c->id = 0;
	loop__set_timer(c->timer, LOOP_TIMER_OFF, 0);
	c->done(c->ctx, &a);
}

/* What comes from there is checked as an enemy's. */
static int on_wire(int fd, uint32_t events, void *ctx)
{
	struct courier *c = ctx;
	struct courier_result r;
	char bytes[sizeof(r) + 1];
	int given, n = wire__receive(fd, bytes, sizeof(bytes), &given);

	(void)events;
	if (n == -EAGAIN)
		return 0;
	io__close(&given);
	if (n == (int)sizeof(r))
		memcpy(&r, bytes, sizeof(r));
	if (n != (int)sizeof(r) || r.magic != COURIER_MAGIC || r.id != c->id || r.status < 0 ||
	    r.status > 999) {
		courier__stop(c);
		courier__finish(c, 0, 0, "the process that delivers ended");
		return 0;
	}
	r.text[sizeof(r.text) - 1] = '\0';
	for (char *p = r.text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	courier__finish(c, r.status, (r.after_s < AFTER_MAX_S ? r.after_s : AFTER_MAX_S) * NS_PER_SEC,
			r.text);
	return 0;
}

/* libcurl has its own, shorter time: this one is for a courier that does nothing at all. */
static int on_overdue(uint64_t n_expired, void *ctx)
{
	struct courier *c = ctx;

	(void)n_expired;
	courier__stop(c);
	courier__finish(c, 0, 0, "the process that delivers did not answer");
	return 0;
}

static int courier__start(struct courier *c)
{
	int pair[2] = {FD_CLOSED, FD_CLOSED}, code = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK))
		code = -errno;
	if (!code)
		code = courier__spawn(pair[1], &c->pid);
	if (!code) {
		c->wire = pair[0];
		pair[0] = FD_CLOSED;
		code = loop__add_fd(c->loop, c->wire, EPOLLIN, on_wire, c, &c->source);
	}
	io__close(&pair[0]);
	io__close(&pair[1]);
	if (code)
		courier__stop(c);
	return code;
}

int courier__new(struct loop *loop, courier_done_fn done, void *ctx, struct courier **ret)
{
	struct courier *c = calloc(1, sizeof(*c));
	int code;

	if (!c)
		return -ENOMEM;
	*c = (struct courier){.loop = loop, .done = done, .ctx = ctx, .wire = FD_CLOSED};
	code = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_overdue, c, &c->timer);
	if (code)
		courier__free(c);
	else
		*ret = c;
	return code;
}

void courier__free(struct courier *c)
{
	if (!c)
		return;
	courier__stop(c);
	if (c->timer)
		loop__remove(c->loop, c->timer);
	free(c);
}

bool courier__is_busy(const struct courier *c)
{
	return c->id != 0;
}

void courier__dismiss(struct courier *c)
{
	if (!c->id)
		courier__stop(c);
}

int courier__post(struct courier *c, uint64_t id, const char *url, const char *ca_file, const void *body,
		  size_t len)
{
	struct courier_post p = {.magic = COURIER_MAGIC, .timeout_ms = COURIER_TIMEOUT_MS, .id = id};
	int fd = FD_CLOSED, code = 0;

	if (c->id)
		return -EBUSY;
	if (strlen(url) >= sizeof(p.url) || strlen(ca_file) >= sizeof(p.ca_file))
		return -E2BIG;
	strcpy(p.url, url);
	strcpy(p.ca_file, ca_file);
	if (!c->pid)
		code = courier__start(c);
	if (!code)
		code = memfd__new("everprof-delivery", body, len, &fd);
	if (!code)
		code = wire__send(c->wire, &p, sizeof(p), fd);
	io__close(&fd);
	if (code) {
		courier__stop(c);
		return code;
	}
	c->id = id;
	return loop__set_timer(c->timer, 2 * COURIER_TIMEOUT_MS * NS_PER_MS, 0);
}
