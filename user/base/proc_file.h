/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_file - what stands in another process's folder of /proc and is guarded by a lock of that process, which may keep it for ever: asked aside.
 *
 * With mmap_lock: map_files, cmdline, environ, mem, and maps before 6.18. With exec_update_lock: these, and stat, exe, root, cwd, ns and fd. Of what is read often status, comm, cgroup and
 * mountinfo have none.
 *
 * `pid` is whose folder it is: dir_fd with `name` in it, of at most PROC_NAME_MAX bytes.
 *
 * Owns: nothing; descriptors and texts are the caller's. Thread: any. Limit: each call takes one. Errors: -errno of the system call; -ETIMEDOUT not in time, now or lately (aside).
 */
#ifndef EVERPROF_BASE_PROC_FILE_H
#define EVERPROF_BASE_PROC_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

#define PROC_NAME_MAX 63

/* As openat(2), with O_CLOEXEC. */
int proc_file__open(uint32_t pid, int dir_fd, const char *name, int flags, int *ret_fd);
/* As io__read_at; `to` is empty. */
int proc_file__read(uint32_t pid, int dir_fd, const char *name, size_t limit, struct buf *to);
/* As readlinkat(2), but -errno; size is at most PATH_MAX. */
ssize_t proc_file__read_link(uint32_t pid, int dir_fd, const char *name, char *to, size_t size);

#endif
