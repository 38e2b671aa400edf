// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/loop.h"
#include "user/server/own_binary.h"
#include "user/server/sandbox.h"

#define ARGS_MAX   64
#define NO_USER    "-"
#define NOT_RUN    127
#define SIGNAL_ADD 128

struct program {
	struct loop *loop;
	program_done_fn done;
	void *ctx;
	struct loop_source *source, *timer;
	pid_t pid;
	int pidfd;
	uint64_t id;
};

/* ---- in the new process ----------------------------------------------------------------------------------------------- */

int run_process__main(int argc, char **argv)
{
	struct err err = {0};

	if (argc < 3) {
		fputs("everprof: run-process is started by the agent, not by people\n", stderr);
		return 2;
	}
	if (sandbox__become(strcmp(argv[1], NO_USER) ? argv[1] : NULL, &err)) {
		fprintf(stderr, "everprof: run '%s': %s\n", argv[2], err.text);
		return NOT_RUN;
	}
	io__limit_files(IO_FILES_USUAL);
	execv(argv[2], argv + 2);
	fprintf(stderr, "everprof: run '%s': %s\n", argv[2], strerror(errno));
	return NOT_RUN;
}

/* ---- in the agent ----------------------------------------------------------------------------------------------------- */

static int spawn(const char *user, const char *const *argv, char *const *env, pid_t *ret_pid)
{
	const char *args[ARGS_MAX + 4] = {"everprof", "run-process", user ? user : NO_USER};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char path[PATH_MAX];
	sigset_t none;
	int code, n = 3;

	for (int i = 0; argv[i] && i < ARGS_MAX; i++)
		args[n++] = argv[i];
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	code = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!code)
		code = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (!code)
		code = posix_spawn(ret_pid, own_binary__path(path), &actions, &attr, (char *const *)args,
				   env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -code;
}

static int program__reap(struct program *p)
{
	int status = 0;

	if (p->source)
		loop__remove(p->loop, p->source);
	p->source = NULL;
	io__close(&p->pidfd);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
	return WIFSIGNALED(status) ? SIGNAL_ADD + WTERMSIG(status) : WEXITSTATUS(status);
}

static int on_end(int fd, uint32_t events, void *ctx)
{
	struct program *p = ctx;
	uint64_t id = p->id;
	int status;

	(void)fd;
	(void)events;
	loop__set_timer(p->timer, LOOP_TIMER_OFF, 0);
	status = program__reap(p);
	p->id = 0;
	p->done(p->ctx, id, status);
	return 0;
}

/* Its end is told by the pidfd, as always. */
static int on_overdue(uint64_t n_expired, void *ctx)
{
	struct program *p = ctx;

	(void)n_expired;
	if (p->pid > 0)
		kill(-p->pid, SIGKILL);
	return 0;
}

int program__new(struct loop *loop, program_done_fn done, void *ctx, struct program **ret)
{
	struct program *p = calloc(1, sizeof(*p));
	int code;

	if (!p)
		return -ENOMEM;
	*p = (struct program){.loop = loop, .done = done, .ctx = ctx, .pidfd = FD_CLOSED};
	code = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_overdue, p, &p->timer);
	if (code)
		program__free(p);
	else
		*ret = p;
	return code;
}

void program__free(struct program *p)
{
	if (!p)
		return;
	if (p->pid > 0) {
		kill(-p->pid, SIGKILL);
		program__reap(p);
	}
	if (p->timer)
		loop__remove(p->loop, p->timer);
	free(p);
}

bool program__is_busy(const struct program *p)
{
	return p->pid > 0;
}

int program__run(struct program *p, uint64_t id, const char *user, const char *const *argv, char *const *env)
{
	int code;

	if (p->pid > 0)
		return -EBUSY;
	code = spawn(user, argv, env, &p->pid);
	if (code) {
		p->pid = 0;
		return code;
	}
	p->id = id;
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	code = p->pidfd < 0 ? -errno : loop__add_fd(p->loop, p->pidfd, EPOLLIN, on_end, p, &p->source);
	if (!code)
		code = loop__set_timer(p->timer, PROGRAM_TIME_NS, 0);
	if (code) {
		kill(-p->pid, SIGKILL);
		program__reap(p);
	}
	return code;
}
