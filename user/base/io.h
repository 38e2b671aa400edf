/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io - files, whole and bounded.
 *
 * Reading: whole files under a limit, never through a FIFO or a device.
 * Writing: a file appears whole or not at all, and none is overwritten.
 *
 * Owns: nothing. Thread: any. Limit: each call takes one. Errors: -errno of the system call; -E2BIG over the limit; -EEXIST.
 */
#ifndef EVERPROF_BASE_IO_H
#define EVERPROF_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

#define FD_CLOSED (-1)

/* An error that says nothing of the file, and may not be there the next time: -ENOMEM, -EMFILE, -ENFILE, -EIO. */
bool io__is_passing(int err);

/* How many descriptors this process may have: n, or what the hard limit allows. */
#define IO_FILES_USUAL 1024 /* what programs expect that still use select(2) */
#define IO_FILES_MANY  65536
void io__limit_files(unsigned n);

/* Closes and sets to FD_CLOSED; keeps errno; accepts FD_CLOSED. */
void io__close(int *fd);
/* Reads exactly len bytes, or fails: -ENODATA at an early end. */
int io__pread_full(int fd, void *bytes, size_t len, uint64_t offset);
int io__write_full(int fd, const void *bytes, size_t len);
/* Appends the file's bytes to `to`, at most `limit`; for files of /proc too, whose size is 0. */
int io__read_fd(int fd, size_t limit, struct buf *to);
int io__read_at(int dir_fd, const char *path, size_t limit, struct buf *to);
/* Opens a regular file for reading, O_CLOEXEC; anything else is -EINVAL and is not opened at all, so that neither a FIFO blocks us nor a
 * device notices. */
int io__open_regular(int dir_fd, const char *path, int *ret_fd);
/* The second half of it: for reading, what an O_PATH descriptor stands for, which is not a FIFO. */
int io__open_resolved(int path_fd, int *ret_fd);
/* Does the path lead to what the descriptor stands for? A path is only a name: a folder may be removed, another mounted over it. */
bool io__leads_to(int dir_fd, const char *path, int fd);
/* Makes each missing folder of path. */
int io__mkdir_p(const char *path, mode_t mode);
/* Writes the bytes to a temporary name in the same folder, fsyncs, renames without replacing (-EEXIST), fsyncs the folder.
 * Temporary names start with IO_TMP_PREFIX, so that a start after SIGKILL can remove them. `name` has no '/'. On failure nothing is left
 * behind, but for one case: when only the fsync of the folder fails, the file is there, whole, and may not survive a power cut. */
#define IO_TMP_PREFIX ".everprof-tmp."
int io__write_new(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode);
/* The same, replacing what is there. */
int io__write_replace(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode);

#endif
