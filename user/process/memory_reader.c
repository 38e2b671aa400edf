// SPDX-License-Identifier: Apache-2.0
/*
 * A thread that was left behind ends with the agent, by SIGKILL. process_vm_readv waits for its process's mmap_lock in a way that not even this ends (Linux mm/process_vm_access.c), so
 * that is first waited for in one that it does: whoever takes the lock between the two can keep the agent from ending, and that is all.
 *
 * Nothing is allocated but for the first job and behind one that was left.
 */
#include "user/process/memory_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
	pthread_mutex_t turn; /* whose job it is */
	struct memory_job *job;
} reader = {.turn = PTHREAD_MUTEX_INITIALIZER};

/* By a look for a mapping that no process has. */
static void await_lock(uint32_t tid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%u/map_files/0-1", tid);
	faccessat(AT_FDCWD, path, F_OK, AT_EACCESS);
}

static ssize_t read_by_tid(struct memory_job *job)
{
	struct iovec here = {.iov_base = job->bytes, .iov_len = sizeof(job->bytes)};
	ssize_t got;

	await_lock(job->tid);
	got = process_vm_readv((pid_t)job->tid, &here, 1, job->there, job->n, 0);
	return got < 0 ? -errno : got;
}

/* A piece a call. Without an address space, which ends with its program, nothing comes and nothing fails. */
static ssize_t read_by_descriptor(struct memory_job *job)
{
	ssize_t done = 0, got = 0;

	for (uint32_t i = 0; i < job->n; i++) {
		const struct iovec *there = &job->there[i];

		got = pread(job->mem_fd, job->bytes + done, there->iov_len,
			    (off_t)(uintptr_t)there->iov_base);
		done += got > 0 ? got : 0;
		if (got != (ssize_t)there->iov_len)
			break;
	}
	return done ? done : got < 0 ? -EFAULT : -ESRCH;
}

static void memory_job__run(struct aside_job *aside)
{
	struct memory_job *job = (struct memory_job *)aside;

	job->got = job->mem_fd < 0 ? read_by_tid(job) : read_by_descriptor(job);
}

static void memory_job__drop(struct aside_job *aside)
{
	free(aside);
}

int memory_reader__take(struct memory_job **ret_job)
{
	pthread_mutex_lock(&reader.turn);
	if (!reader.job)
		reader.job = calloc(1, sizeof(*reader.job));
	if (!reader.job) {
		pthread_mutex_unlock(&reader.turn);
		return -ENOMEM;
	}
	reader.job->aside = (struct aside_job){.run = memory_job__run, .drop = memory_job__drop};
	*ret_job = reader.job;
	return 0;
}

ssize_t memory_reader__read(struct memory_job *job)
{
	int err = aside__run(job->pid, &job->aside);

	if (err)
		reader.job = NULL;
	return err ? err : job->got;
}

void memory_reader__put(void)
{
	pthread_mutex_unlock(&reader.turn);
}
