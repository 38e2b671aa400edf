/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture - a folder that stands for /proc, with processes written by the test.
 *
 * Owns: the folder. Thread: one. Limit: none. Errors: assertions.
 */
#ifndef EVERPROF_TESTS_PROCESS_FIXTURE_H
#define EVERPROF_TESTS_PROCESS_FIXTURE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/folder.h"

struct fixture_tree {
	char dir[FOLDER_MAX];
	int fd;
};

static inline void __attribute__((format(printf, 3, 4)))
fixture__write(const struct fixture_tree *f, const char *path, const char *fmt, ...)
{
	int fd = openat(f->fd, path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	va_list ap;

	va_start(ap, fmt);
	assert_true(fd >= 0);
	assert_true(vdprintf(fd, fmt, ap) >= 0);
	va_end(ap);
	close(fd);
}

static inline void fixture__open(struct fixture_tree *f)
{
	assert_int_equal(folder__make(f->dir), 0);
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
}

static inline void fixture__close(struct fixture_tree *f)
{
	close(f->fd);
	assert_int_equal(folder__remove(f->dir), 0);
}

/* A process that runs, started at that tick, with these mappings. */
static inline void fixture__process(const struct fixture_tree *f, uint32_t pid, const char *comm,
				    uint64_t start_ticks, unsigned int flags, const char *maps)
{
	char path[64], exe[64];

	snprintf(path, sizeof(path), "%u", pid);
	mkdirat(f->fd, path, 0700);
	snprintf(path, sizeof(path), "%u/stat", pid);
	fixture__write(f, path, "%u (%s) S 1 1 1 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 %lu 0 0\n", pid, comm,
		       flags, start_ticks);
	snprintf(path, sizeof(path), "%u/status", pid);
	fixture__write(f, path, "Name:\t%s\nTgid:\t%u\nUid:\t33\t33\t33\t33\nNStgid:\t%u\t5\n", comm, pid,
		       pid);
	snprintf(path, sizeof(path), "%u/cgroup", pid);
	fixture__write(f, path, "0::/system.slice/%s.service\n", comm);
	snprintf(path, sizeof(path), "%u/maps", pid);
	fixture__write(f, path, "%s", maps);
	snprintf(path, sizeof(path), "%u/exe", pid);
	snprintf(exe, sizeof(exe), "/usr/bin/%s", comm);
	unlinkat(f->fd, path, 0);
	assert_int_equal(symlinkat(exe, f->fd, path), 0);
}

static inline void fixture__end(const struct fixture_tree *f, uint32_t pid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%u", f->dir, pid);
	assert_int_equal(folder__remove(path), 0);
}

#endif
