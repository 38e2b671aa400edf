/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed - the profiles of some files of a store, in their order, read ahead by a second thread while the caller adds them up.
 *
 * Owns: the thread, and the profiles that nobody has taken. Thread: one caller. Limit: FEED_AHEAD profiles wait at a time, each of limit_bytes at most.
 * Errors: those of a file come with it, in its turn; without a second thread the caller's own does all.
 */
#ifndef EVERPROF_STORE_FEED_H
#define EVERPROF_STORE_FEED_H

#include <stddef.h>
#include <stdint.h>

#define FEED_AHEAD 3

struct buf;
struct err;
struct feed;
struct profile;
struct store_file;
struct store_name;

struct feed_opts {
	const struct store_file *files; /* borrowed, as are ctx and what it stands for */
	uint32_t n;
	/* The bytes of one file; called by both threads. */
	int (*read)(void *ctx, const struct store_name *name, struct buf *to);
	void *ctx;
	size_t file_bytes, limit_bytes; /* of a file, also decompressed; of its profile */
	uint32_t fold_shift;            /* each comes as profile__folded makes it; 0: as it is */
};

int feed__new(const struct feed_opts *opts, struct feed **ret);
void feed__free(struct feed *f);
/* The next file and its profile (a list, see profile_opts; free it), or its error: -errno, -EBADMSG damaged. -ENODATA: that was the last one. */
int feed__next(struct feed *f, const struct store_file **ret_file, struct profile **ret_profile,
	       struct err *err);

#endif
