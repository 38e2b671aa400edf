/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_stamp - by which one sees that a file of a path is not what it was: written, replaced, put back with an older time, or let be read by others or not.
 *
 * Compared for being the same, never for being newer: times are kept by whoever copies a file.
 *
 * Owns: nothing. Thread: any. Limit: one file. Errors: false where there is no such file; the stamp is then that of no file.
 */
#ifndef EVERPROF_BASE_FILE_STAMP_H
#define EVERPROF_BASE_FILE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

struct file_stamp {
	uint64_t dev, ino, size;
	int64_t written_ns, changed_ns; /* mtime; ctime, which nobody can set */
};

bool file_stamp__take(const char *path, struct file_stamp *ret);
bool file_stamp__is_same(const struct file_stamp *a, const struct file_stamp *b);

#endif
