// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/task_list.h"

#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "user/base/io.h"
#include "user/kernel/loader.h"

/* Hands on the whole records in bytes[0..len); how many bytes they were, or what fn returned. */
static ssize_t task_list__records(const char *bytes, size_t len, task_list_fn fn, void *ctx)
{
	size_t at;

	for (at = 0; at + sizeof(struct task_record) <= len; at += sizeof(struct task_record)) {
		int ret = fn((const struct task_record *)(bytes + at), ctx);

		if (ret < 0)
			return ret;
	}
	return (ssize_t)at;
}

int task_list__read(const struct loader *l, task_list_fn fn, void *ctx)
{
	char bytes[256 * sizeof(struct task_record)] __attribute__((aligned(8)));
	int fd = bpf_iter_create(loader__list_processes_link(l));
	size_t have = 0;
	int ret = 0;

	if (fd < 0)
		return fd;
	while (!ret) {
		ssize_t n = read(fd, bytes + have, sizeof(bytes) - have);
		ssize_t used;

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0) {
			ret = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		used = task_list__records(bytes, have, fn, ctx);
		if (used < 0) {
			ret = (int)used;
			break;
		}
		have -= (size_t)used;
		__builtin_memmove(bytes, bytes + used, have);
	}
	io__close(&fd);
	return ret;
}
