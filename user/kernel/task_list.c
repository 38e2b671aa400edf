// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/task_list.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "user/base/io.h"
#include "user/kernel/loader.h"

#define READ_BYTES (32 * 1024)

/* One kind of record: how long is the one that begins here? 0: more bytes are needed to tell. What to do with it? */
struct record_kind {
	size_t (*size)(const void *record, size_t have);
	int (*fn)(const void *record, void *ctx);
	void *ctx;
};

/* Hands on the whole records in bytes[0..len); how many bytes they were, or what fn returned. */
static ssize_t task_list__records(const char *bytes, size_t len, const struct record_kind *kind)
{
	size_t at = 0, size;

	for (; (size = kind->size(bytes + at, len - at)) && size <= len - at; at += size) {
		int ret = kind->fn(bytes + at, kind->ctx);

		if (ret < 0)
			return ret;
	}
	return (ssize_t)at;
}

static int task_list__each(int link_fd, const struct record_kind *kind)
{
	char bytes[READ_BYTES] __attribute__((aligned(8)));
	int fd = bpf_iter_create(link_fd);
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
		used = task_list__records(bytes, have, kind);
		if (used < 0) {
			ret = (int)used;
			break;
		}
		have -= (size_t)used;
		memmove(bytes, bytes + used, have);
	}
	io__close(&fd);
	return ret;
}

struct process_fn {
	task_list_fn fn;
	void *ctx;
};

static size_t process_size(const void *record, size_t have)
{
	(void)record, (void)have;
	return sizeof(struct task_record);
}

static int on_process(const void *record, void *ctx)
{
	const struct process_fn *f = ctx;

	return f->fn(record, f->ctx);
}

int task_list__read(const struct loader *l, task_list_fn fn, void *ctx)
{
	struct process_fn f = {.fn = fn, .ctx = ctx};

	return task_list__each(loader__list_processes_link(l),
			       &(struct record_kind){.size = process_size, .fn = on_process, .ctx = &f});
}

struct thread_fn {
	thread_list_fn fn;
	void *ctx;
};

static size_t thread_size(const void *record, size_t have)
{
	const struct thread_record *r = record;

	if (have < offsetof(struct thread_record, pc))
		return 0;
	if (!r->has_stack)
		return offsetof(struct thread_record, pc);
	return offsetof(struct thread_record, words) +
	       (r->n_kernel & KERNEL_FRAMES_MAX) * sizeof(r->words[0]);
}

/* In a record of full size: what a short one leaves out is zero. */
static int on_thread(const void *record, void *ctx)
{
	struct thread_record r = {};
	const struct thread_fn *f = ctx;

	memcpy(&r, record, thread_size(record, sizeof(r)));
	return f->fn(&r, f->ctx);
}

int task_list__threads(const struct loader *l, thread_list_fn fn, void *ctx)
{
	struct thread_fn f = {.fn = fn, .ctx = ctx};

	return task_list__each(loader__list_threads_link(l),
			       &(struct record_kind){.size = thread_size, .fn = on_thread, .ctx = &f});
}

struct usage_fn {
	usage_list_fn fn;
	void *ctx;
};

static size_t usage_size(const void *record, size_t have)
{
	const struct usage_record *r = record;

	if (have < USAGE_THREAD_BYTES)
		return 0;
	return r->flags & USAGE_PROCESS ? sizeof(*r) : USAGE_THREAD_BYTES;
}

static int on_usage(const void *record, void *ctx)
{
	struct usage_record r = {};
	const struct usage_fn *f = ctx;

	memcpy(&r, record, usage_size(record, sizeof(r)));
	return f->fn(&r, f->ctx);
}

int task_list__usage(const struct loader *l, bool with_fds, usage_list_fn fn, void *ctx)
{
	struct usage_fn f = {.fn = fn, .ctx = ctx};

	loader__maps(l)->usage_gate->with_fds = with_fds;
	return task_list__each(loader__list_usage_link(l),
			       &(struct record_kind){.size = usage_size, .fn = on_usage, .ctx = &f});
}
