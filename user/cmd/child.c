// SPDX-License-Identifier: Apache-2.0
#include "user/cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/io.h"

/* In the child: wait for the word, become the command, or say why not. */
static void child__run(int go_fd, int failed_fd, char *const argv[], const sigset_t *mask)
{
	char word;
	int code;

	/* an end of file means that the profiler died: then the command must not run unprofiled */
	if (read(go_fd, &word, 1) != 1)
		_exit(125);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	code = errno;
	if (write(failed_fd, &code, sizeof(code)) != sizeof(code))
		_exit(125);
	_exit(code == ENOENT ? 127 : 126);
}

int child__hold(struct child *c, char *const argv[], const sigset_t *mask)
{
	int go[2] = {FD_CLOSED, FD_CLOSED}, failed[2] = {FD_CLOSED, FD_CLOSED}, err;

	*c = (struct child){.pid = -1, .go_fd = FD_CLOSED, .failed_fd = FD_CLOSED};
	if (pipe2(go, O_CLOEXEC) || pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		goto out;
	}
	c->pid = fork();
	if (c->pid < 0) {
		err = -errno;
		goto out;
	}
	if (c->pid == 0) {
		close(go[1]); /* else the read would never see the profiler's end */
		child__run(go[0], failed[1], argv, mask);
	}
	c->go_fd = go[1];
	c->failed_fd = failed[0];
	go[1] = failed[0] = FD_CLOSED;
	err = 0;
out:
	io__close(&go[0]);
	io__close(&go[1]);
	io__close(&failed[0]);
	io__close(&failed[1]);
	return err;
}

int child__release(struct child *c)
{
	int code = 0;
	ssize_t n;

	n = write(c->go_fd, "g", 1);
	io__close(&c->go_fd);
	if (n != 1)
		return -EPIPE;
	do
		n = read(c->failed_fd, &code,
			 sizeof(code)); /* ends with the exec, which closes the other end */
	while (n < 0 && errno == EINTR);
	io__close(&c->failed_fd);
	return n == sizeof(code) ? -code : 0;
}

bool child__poll(struct child *c)
{
	if (!c->is_done && c->pid > 0 && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->is_done = true;
	return c->is_done;
}

int child__exit_status(const struct child *c)
{
	return WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
}

void child__done(struct child *c)
{
	io__close(&c->go_fd);
	io__close(&c->failed_fd);
	if (c->pid > 0 && !c->is_done)
		while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
			;
	c->is_done = true;
}
