// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/run_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "user/base/io.h"

#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: a kernfs node by its id */

uint64_t run_queue__bucket_ns(uint32_t bucket)
{
	return 1024ull << (bucket < 40 ? bucket : 40); /* the kernel side divides by 1024 */
}

uint64_t run_queue__count(const struct run_queue *r)
{
	uint64_t n = 0;

	for (int i = 0; i < RUN_QUEUE_BUCKETS; i++)
		n += r->n[i];
	return n;
}

void run_queue__note(struct run_queue *r, uint64_t ns, uint64_t n)
{
	uint32_t bucket = 0;

	while (bucket < RUN_QUEUE_BUCKETS - 1 && ns >= run_queue__bucket_ns(bucket))
		bucket++;
	r->n[bucket] += n;
}

uint64_t run_queue__quantile_ns(const struct run_queue *r, double q)
{
	uint64_t all = run_queue__count(r), n = 0;

	for (uint32_t i = 0; i < RUN_QUEUE_BUCKETS && all; i++) {
		n += r->n[i];
		if ((double)n >= q * (double)all)
			return run_queue__bucket_ns(i);
	}
	return 0;
}

/* Where the control group is, by its id. */
static int group_path(int root_fd, const char *root, uint64_t id, char ret_path[PATH_MAX])
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} h = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
	char link[64];
	ssize_t len;
	int fd;

	memcpy(h.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root_fd, &h.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, ret_path, PATH_MAX - 1);
	io__close(&fd);
	if (len < 0)
		return -errno;
	ret_path[len] = '\0';
	if (!strncmp(ret_path, root, strlen(root)))
		memmove(ret_path, ret_path + strlen(root), (size_t)len - strlen(root) + 1);
	if (!*ret_path)
		strcpy(ret_path, "/");
	return 0;
}

void run_queues__add(int map_fd, uint64_t cgroup, const struct run_queue *more)
{
	struct run_queue r = {};

	if (bpf_map_lookup_elem(map_fd, &cgroup, &r))
		r = (struct run_queue){};
	for (int i = 0; i < RUN_QUEUE_BUCKETS; i++)
		r.n[i] += more->n[i];
	bpf_map_update_elem(map_fd, &cgroup, &r, BPF_ANY);
}

int run_queues__read(int map_fd, const char *cgroup_root, run_queue_fn fn, void *ctx)
{
	int root_fd = open(cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t gone[RUN_QUEUE_GROUPS], key, next, *at = NULL;
	uint32_t n_gone = 0;
	char path[PATH_MAX];
	struct run_queue r;
	int err;

	if (root_fd < 0)
		return -errno;
	for (; !bpf_map_get_next_key(map_fd, at, &next); key = next, at = &key) {
		if (bpf_map_lookup_elem(map_fd, &next, &r))
			continue;
		err = group_path(root_fd, cgroup_root, next, path);
		if (!err)
			fn(path, &r, ctx);
		else if (err == -ESTALE && n_gone < RUN_QUEUE_GROUPS)
			gone[n_gone++] = next;
	}
	while (n_gone) /* their room is for others */
		bpf_map_delete_elem(map_fd, &gone[--n_gone]);
	io__close(&root_fd);
	return 0;
}
