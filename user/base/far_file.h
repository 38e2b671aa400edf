/* SPDX-License-Identifier: Apache-2.0 */
/*
 * far_file - a file of somebody else's, opened so that nobody can keep us waiting.
 *
 * A file is far where a user's program answers for it: it is not asked for anything. Who any file is comes without asking its file system.
 *
 * Owns: the descriptors are the caller's; struct far_mounts a text. Thread: any; one owner of a far_mounts. Limit: FAR_MOUNTS_MAX bytes of mounts. Errors: -EREMOTE
 * it is far, or may be; -EINVAL no regular file, which is not opened at all; -errno of the open; -ETIMEDOUT the process keeps who asks (proc_file).
 */
#ifndef EVERPROF_BASE_FAR_FILE_H
#define EVERPROF_BASE_FAR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "user/base/buf.h"

#define FAR_MOUNTS_MAX (4u << 20)

/* The mounts that a process sees, read when they are first needed. */
struct far_mounts {
	uint32_t pid; /* whose */
	int dir_fd;   /* /proc, with "PID/" as prefix; or the process's folder, with "" */
	char prefix[16];
	bool is_read, are_ours; /* ours: the mount namespace belongs to our user namespace */
	struct buf text;
};

void far_mounts__init(struct far_mounts *m, uint32_t pid, int dir_fd, const char *prefix);
/* Our own. */
void far_mounts__init_own(struct far_mounts *m);
void far_mounts__done(struct far_mounts *m);
/* Is one of them far, or are they not known? */
bool far_mounts__any_far(struct far_mounts *m);

/* Of a text like /proc/PID/mountinfo, the mount with that id: -ENOENT there is none. `ours`: of our own, where the file system may be mounted, too; NULL: the text is. */
int parse_far_mount(const char *text, const char *ours, uint64_t id, bool *ret_is_far);
/* Is one of them, or is the text empty? */
bool any_far_mount(const char *text, const char *ours);

/* For reading, what a magic link leads to in the folder of whose mounts these are. */
int far_file__open_link(struct far_mounts *m, int dir_fd, const char *name, int *ret_fd);
/* The same below root_fd, as a process that is chrooted there would see the path: absolute links and ".." stay inside (openat2 RESOLVE_IN_ROOT), magic links
 * are refused. Paths that lead through other mounts are followed only where the kernel has them at hand, or none of the mounts is far. m: NULL: none is. */
int far_file__open_in_root(struct far_mounts *m, int root_fd, const char *path, int *ret_fd);
/* Who it is, as the kernel last knew. -EINVAL: no regular file. */
int far_file__who(int fd, struct statx *ret);

#endif
