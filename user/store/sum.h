/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sum - encoded profiles, added up one after the other.
 *
 * A file that is refused (damaged, or of other sample types) leaves the sum as it was, so that one bad file does not cost the rest.
 *
 * Owns: the profile that grows. Thread: one owner. Limit: bytes of the sum, given at init; the file that is being read may take as
 * much again while it is added. A sum that may be folded (profile/fold) stays far below. Errors: those of a file leave the sum good.
 */
#ifndef EVERPROF_STORE_SUM_H
#define EVERPROF_STORE_SUM_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct profile;
struct profile_merge_opts;

struct store_sum {
	struct profile *profile;
	const struct profile_merge_opts *merge; /* how files are added; NULL: as they are */
	size_t limit_bytes;
	size_t grown_bytes; /* from so many on it is folded … */
	uint32_t rows_max;  /* … to so many samples, and so is each profile that comes then; 0: never */
	uint32_t shift;     /* of the last time (profile__fold), 0: it was not folded */
	uint32_t n_added;
};

void store_sum__init(struct store_sum *s, size_t limit_bytes);
void store_sum__done(struct store_sum *s);
/* -EBADMSG damaged, -E2BIG, -ENOMEM. */
int store_sum__decode(const struct store_sum *s, const struct buf *file, struct profile **ret,
		      struct err *err);
/* -EINVAL other sample types than those before: skipped, the sum is good. -E2BIG, -ENOMEM: the sum is lost. */
int store_sum__add_profile(struct store_sum *s, const struct profile *one, struct err *err);
/* Seals the sum and hands it over; -ENODATA where nothing was added. */
int store_sum__take(struct store_sum *s, struct profile **ret_profile);

#endif
