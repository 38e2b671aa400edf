/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range - what was recorded in a stretch of time, from the store's files and, for its end, from what is not in a file yet.
 *
 * Owns: results are the caller's. Thread: any. Limit: RANGE_BYTES_MAX a profile. Errors: -ENODATA nothing was recorded then, -ENOENT no such event, -E2BIG, -errno;
 * the err tells.
 */
#ifndef EVERPROF_SERVER_RANGE_H
#define EVERPROF_SERVER_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/query/gather.h"
#include "user/query/parts.h"

#define RANGE_BYTES_MAX ((size_t)384 << 20)
/* A sum that has grown to so many bytes is folded (profile/fold) to so many rows; of more than a few hours each part comes folded at that share of its own. */
#define RANGE_BYTES_GROWN ((size_t)28 << 20)
#define RANGE_ROWS_MAX    98304
#define RANGE_WHOLE_NS    (4 * 3600 * NS_PER_SEC)
#define RANGE_PART_SHIFT  16
#define RANGE_DIGESTS_MAX ((size_t)48 << 20) /* that are kept */

struct digest;
struct digest_cache;
struct err;
struct cancel;
struct link;
struct profile;
struct selection;

struct range {
	const char *event;
	uint64_t from_ns, to_ns; /* CLOCK_REALTIME */
	uint32_t
		rate_hz; /* of what is captured: at least so many samples a second, where that can be; 0: as it is */
};

/* What is in the store's files of the range, and what is in none yet, the newest first. The link and the range are borrowed. */
struct range_parts {
	struct parts parts; /* to be walked over */
	struct link *link;
	const struct range *range;
};
void range_parts__init(struct range_parts *p, struct link *l, const struct range *r);
/* How a sum of a range is made: no larger than a process that serves may be. */
struct gather_sum_opts range__sum_opts(const struct range *r);
/* Sealed; of a state (event__is_state) the last of the range. selection NULL: all. */
int range__load(struct link *l, const struct range *r, const struct selection *s, struct profile **ret,
		struct err *err);
/* Sets from and to of the event's last complete window. -ENODATA: there is none of the last two hours. */
int range__last_window(struct link *l, struct range *range, struct err *err);
/* What will be recorded from now on, for `ns`; or with from_ns of the past, from then on. */
int range__capture(struct link *l, const struct range *r, const struct selection *s,
		   const struct cancel *cancel, struct profile **ret, struct err *err);

/* -- timelines -- */
struct range_point {
	uint64_t start_s;
	uint32_t seconds;
	bool is_cut; /* holds more than the range */
	const struct digest *digest;
};

int digest_cache__new(struct digest_cache **ret);
/*
 * Calls fn for each file of the range, in order of time, and for what is not in a file yet. With `function` digests are of the stacks that have it, and are made
 * of the files each time; without it they are kept, and the cache is locked meanwhile.
 */
typedef int (*range_point_fn)(const struct range_point *p, void *ctx);
int range__points(struct link *l, struct digest_cache *c, const struct range *r, bool windows_only,
		  const char *function, range_point_fn fn, void *ctx, struct err *err);

#endif
