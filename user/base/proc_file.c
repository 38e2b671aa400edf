/* SPDX-License-Identifier: Apache-2.0 */
#include "user/base/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/aside.h"
#include "user/base/buf.h"
#include "user/base/io.h"

enum proc_question { OPEN, READ, READ_LINK };

/* dir_fd may be closed when it was left behind, and be another one: that is asked something then, and nobody is told. */
struct proc_job {
	struct aside_job job;
	enum proc_question question;
	int dir_fd, flags;
	size_t limit;
	char name[PROC_NAME_MAX + 1];

	/* The answer. */
	int fd;
	struct buf text;
	ssize_t result;
};

static void proc_job__done(struct aside_job *job)
{
	struct proc_job *j = (struct proc_job *)job;

	io__close(&j->fd);
	buf__done(&j->text);
	free(j);
}

static ssize_t read_link(struct proc_job *j)
{
	char *to = buf__reserve(&j->text, j->limit);
	ssize_t n = to ? readlinkat(j->dir_fd, j->name, to, j->limit) : -1;

	if (!to)
		return -ENOMEM;
	j->text.len = n > 0 ? (size_t)n : 0;
	return n < 0 ? -errno : n;
}

static void proc_job__run(struct aside_job *job)
{
	struct proc_job *j = (struct proc_job *)job;

	switch (j->question) {
	case OPEN:
		j->fd = openat(j->dir_fd, j->name, j->flags | O_CLOEXEC);
		j->result = j->fd < 0 ? -errno : 0;
		break;
	case READ:
		j->result = io__read_at(j->dir_fd, j->name, j->limit, &j->text);
		break;
	case READ_LINK:
		j->result = read_link(j);
		break;
	}
}

/* *ret_job is the caller's, and has a result. */
static int ask(uint32_t pid, const struct proc_job *question, const char *name, struct proc_job **ret_job)
{
	struct proc_job *j = strlen(name) <= PROC_NAME_MAX ? malloc(sizeof(*j)) : NULL;
	int err;

	if (!j)
		return strlen(name) <= PROC_NAME_MAX ? -ENOMEM : -ENAMETOOLONG;
	*j = *question;
	j->job = (struct aside_job){.run = proc_job__run, .drop = proc_job__done};
	j->fd = FD_CLOSED;
	buf__init(&j->text, j->limit + 1);
	strcpy(j->name, name);
	err = aside__run(pid, &j->job);
	if (!err)
		*ret_job = j;
	return err;
}

int proc_file__open(uint32_t pid, int dir_fd, const char *name, int flags, int *ret_fd)
{
	const struct proc_job question = {.question = OPEN, .dir_fd = dir_fd, .flags = flags};
	struct proc_job *j;
	int err = ask(pid, &question, name, &j);

	if (err)
		return err;
	err = (int)j->result;
	if (!err) {
		*ret_fd = j->fd;
		j->fd = FD_CLOSED;
	}
	proc_job__done(&j->job);
	return err;
}

int proc_file__read(uint32_t pid, int dir_fd, const char *name, size_t limit, struct buf *to)
{
	const struct proc_job question = {.question = READ, .dir_fd = dir_fd, .limit = limit};
	struct proc_job *j;
	int err = ask(pid, &question, name, &j);

	if (err)
		return err;
	err = (int)j->result;
	buf__append(to, j->text.data, j->text.len);
	proc_job__done(&j->job);
	return err ? err : buf__err(to);
}

ssize_t proc_file__read_link(uint32_t pid, int dir_fd, const char *name, char *to, size_t size)
{
	const struct proc_job question = {.question = READ_LINK, .dir_fd = dir_fd, .limit = size};
	struct proc_job *j;
	ssize_t n = ask(pid, &question, name, &j);

	if (n)
		return n;
	n = j->result;
	memcpy(to, j->text.data, j->text.len);
	proc_job__done(&j->job);
	return n;
}
