/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memfd - bytes handed to another process as a file that nobody can change any more.
 *
 * Owns: the fd is the caller's. Thread: any. Limit: none. Errors: -errno.
 */
#ifndef EVERPROF_BASE_MEMFD_H
#define EVERPROF_BASE_MEMFD_H

#include <stddef.h>

struct buf;

/* Sealed against writing, growing and shrinking; `name` shows in /proc/PID/fd. */
int memfd__new(const char *name, const void *bytes, size_t len, int *ret_fd);
/* Appends all of it, at most `limit` bytes, wherever who wrote it left its position. */
int memfd__read(int fd, size_t limit, struct buf *to);

#endif
