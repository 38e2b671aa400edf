/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"

static void child__exec(const char *const *argv, int out, int errors)
{
	int null = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	execv(argv[0], (char *const *)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int run__start(struct run *r, const char *const *argv)
{
	int out[2] = {FD_CLOSED, FD_CLOSED}, errors[2] = {FD_CLOSED, FD_CLOSED};
	int err = 0;

	*r = (struct run){.fds = {FD_CLOSED, FD_CLOSED}};
	r->text[0] = calloc(1, RUN_TEXT_MAX + 1);
	r->text[1] = calloc(1, RUN_TEXT_MAX + 1);
	if (!r->text[0] || !r->text[1]) {
		err = -ENOMEM;
		goto out;
	}
	if (pipe2(out, O_CLOEXEC) || pipe2(errors, O_CLOEXEC)) {
		err = -errno;
		goto out;
	}
	/* what the test has printed so far must not be printed by the child too */
	fflush(NULL);
	r->pid = fork();
	if (r->pid < 0) {
		err = -errno;
		r->pid = 0;
		goto out;
	}
	if (!r->pid)
		child__exec(argv, out[1], errors[1]);
	/* both sides set it, so that neither order of the two leaves a moment without */
	setpgid(r->pid, r->pid);
	r->fds[0] = out[0];
	r->fds[1] = errors[0];
	out[0] = errors[0] = FD_CLOSED;
out:
	io__close(&out[0]);
	io__close(&out[1]);
	io__close(&errors[0]);
	io__close(&errors[1]);
	if (err)
		run__done(r);
	return err;
}

/* Takes what one pipe has to say now; a closed one is let go. */
static void run__take(struct run *r, int i)
{
	char dropped[4096];
	size_t room = RUN_TEXT_MAX - r->len[i];
	ssize_t n;

	if (room)
		n = read(r->fds[i], r->text[i] + r->len[i], room);
	else
		n = read(r->fds[i], dropped, sizeof(dropped));
	if (n > 0 && room) {
		r->len[i] += (size_t)n;
		r->text[i][r->len[i]] = '\0';
	}
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		io__close(&r->fds[i]);
}

/* Waits for text, or for the end; 0 when there may be something new, -ENODATA when both pipes are closed. */
static int run__poll(struct run *r, uint64_t end_ns)
{
	struct pollfd fds[2] = {{.fd = r->fds[0], .events = POLLIN}, {.fd = r->fds[1], .events = POLLIN}};
	uint64_t now = clock__mono_ns();

	if (r->fds[0] == FD_CLOSED && r->fds[1] == FD_CLOSED)
		return -ENODATA;
	if (now >= end_ns)
		return -ETIMEDOUT;
	if (poll(fds, 2, (int)((end_ns - now) / NS_PER_MS) + 1) < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (fds[i].revents)
			run__take(r, i);
	return 0;
}

/* The line after `prefix` at the start of a complete line, or NULL. */
static const char *find_line(const char *text, const char *prefix, size_t *ret_len)
{
	size_t prefix_len = strlen(prefix);

	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		if (strncmp(line, prefix, prefix_len))
			continue;
		*ret_len = (size_t)(end - line) - prefix_len;
		return line + prefix_len;
	}
	return NULL;
}

int run__wait_line(struct run *r, const char *prefix, int timeout_ms, char *line, size_t size)
{
	uint64_t end_ns = clock__mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	const char *found;
	size_t len;
	int err;

	while (!(found = find_line(run__out(r), prefix, &len))) {
		err = run__poll(r, end_ns);
		/* the last words may have come with the close */
		if (err && !find_line(run__out(r), prefix, &len))
			return err;
	}
	if (len >= size)
		return -E2BIG;
	memcpy(line, found, len);
	line[len] = '\0';
	return 0;
}

int run__wait_number(struct run *r, const char *prefix, int timeout_ms, long long *ret_number)
{
	char line[128], *end;
	long long number;
	int err = run__wait_line(r, prefix, timeout_ms, line, sizeof(line));

	if (err)
		return err;
	number = strtoll(line, &end, 10);
	if (end == line)
		return -EBADMSG;
	*ret_number = number;
	return 0;
}

int run__wait(struct run *r, int timeout_ms, int *ret_exit)
{
	uint64_t end_ns = clock__mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	pid_t pid = 0;

	if (r->pid) {
		for (;;) {
			pid = waitpid(r->pid, &r->status, WNOHANG);
			if (pid)
				break;
			if (clock__mono_ns() >= end_ns)
				return -ETIMEDOUT;
			/* a short look at the pipes, so that a talkative program does not wait for us; once they are closed, a nap */
			if (run__poll(r, clock__mono_ns() + 20 * NS_PER_MS) == -ENODATA)
				usleep(5000);
		}
		if (pid < 0)
			return -errno;
		r->pid = 0;
		/* its last words; a grandchild that holds the pipe open is not waited for */
		end_ns = clock__mono_ns() + 200 * NS_PER_MS;
		while (!run__poll(r, end_ns))
			;
	}
	*ret_exit = WIFEXITED(r->status) ? WEXITSTATUS(r->status) : 128 + WTERMSIG(r->status);
	return 0;
}

int run__to_end(struct run *r, int timeout_ms, int *ret_exit, const char *const *argv)
{
	int err = run__start(r, argv);

	return err ? err : run__wait(r, timeout_ms, ret_exit);
}

void run__done(struct run *r)
{
	if (!r->text[0] && !r->text[1])
		return;
	if (r->pid > 0) {
		/* the group, for its children's sake; its leader is still unreaped, so the number is still ours */
		kill(-r->pid, SIGKILL);
		kill(r->pid, SIGKILL);
		waitpid(r->pid, &r->status, 0);
	}
	io__close(&r->fds[0]);
	io__close(&r->fds[1]);
	free(r->text[0]);
	free(r->text[1]);
	*r = (struct run){.fds = {FD_CLOSED, FD_CLOSED}};
}

const char *run__out(const struct run *r)
{
	return r->text[0] ? r->text[0] : "";
}

const char *run__errors(const struct run *r)
{
	return r->text[1] ? r->text[1] : "";
}

/* BUILD, from BUILD/tests/e2e/NAME_test. */
static void build_dir(char path[4096])
{
	ssize_t len = readlink("/proc/self/exe", path, 4095);

	path[len > 0 ? len : 0] = '\0';
	for (int i = 0; i < 3; i++) {
		char *slash = strrchr(path, '/');

		if (slash)
			*slash = '\0';
	}
}

void run__path_everprof(char path[4096])
{
	const char *given = getenv("EVERPROF");
	char build[4096];

	build_dir(build);
	if (given)
		snprintf(path, 4096, "%s", given);
	else
		snprintf(path, 4096, "%.4000s/everprof", build);
}

void run__path_workload(const char *name, char path[4096])
{
	char build[4096];

	build_dir(build);
	snprintf(path, 4096, "%.3900s/workloads/%.128s", build, name);
}
