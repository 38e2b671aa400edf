/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir - the store's folders on the disk: made, locked, told apart from others that later stand under the same path.
 *
 *   <path>/.lock  snapshots/<date>/<file>  captures/
 *
 * Owns: three descriptors; while they are open the lock is held (a child that keeps them keeps it). Thread: one owner.
 * Limit: none. Errors: -errno; -EBUSY: another agent has the lock.
 */
#ifndef EVERPROF_STORE_DIR_H
#define EVERPROF_STORE_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/err.h"
#include "user/store/index.h"
#include "user/store/name.h"

struct buf;

#define STORE_LOCK      ".lock"
#define STORE_SNAPSHOTS "snapshots"
#define STORE_CAPTURES  "captures"

struct store_dir {
	int root_fd, snapshots_fd, lock_fd;
};

void store_dir__init(struct store_dir *d);
/* Makes what is missing (mode 0750; folders above `path` only with make_parents) and takes the lock. */
int store_dir__open(struct store_dir *d, const char *path, bool make_parents, struct err *err);
void store_dir__close(struct store_dir *d);
bool store_dir__is_open(const struct store_dir *d);
/* Is what stands under `path` still what was opened? */
bool store_dir__is_current(const struct store_dir *d, const char *path);

/* Whole or not at all; -EEXIST. ret_bytes: what the file takes on the disk. */
int store_dir__write(const struct store_dir *d, const struct store_name *name, const void *bytes, size_t len,
		     uint64_t *ret_bytes);
/* Is there already a file of that name with these very bytes? */
bool store_dir__has_same(const struct store_dir *d, const struct store_name *name, const void *bytes,
			 size_t len);
int store_dir__unlink(const struct store_dir *d, const struct store_name *name);
/* Removes the folder of that day if it is empty. */
void store_dir__remove_day(const struct store_dir *d, uint64_t day_s);
/* Appends the file's bytes to `to`. */
int store_dir__read(int snapshots_fd, const struct store_name *name, size_t limit, struct buf *to);

struct store_scan {
	/* in */
	uint64_t from_s, to_s; /* only the days that may hold something of it; to_s 0: all */
	bool clean;            /* remove temporary files and empty folders: needs the lock */
	void (*over)(const struct store_name *name, void *ctx); /* a file past the index's limit */
	void *ctx;
	/* out */
	uint32_t n_temporary, n_over, n_unreadable_days;
};
/* Fills the index, newest days first, so that the oldest are those past its limit. A day that cannot be read is counted. */
int store_dir__scan(int snapshots_fd, struct store_index *ix, struct store_scan *scan);

#endif
