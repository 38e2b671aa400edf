/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold - makes a sum of profiles small: branches that have little give their values to their callers, under a name that says so.
 *
 * Every sum stays what it was: of the whole, of each label set, of each stack that stays and of all that stands below it, and what each binary has at the leaf.
 * What is lost is which functions it was within a small branch. A comment tells how small.
 *
 * Owns: nothing. Thread: the profile's builder. Limit: the profile's own. Errors: -EROFS sealed, -EINVAL not one that adds late, -ENOMEM, -E2BIG; after an
 * error the profile is good for nothing but profile__free.
 */
#ifndef EVERPROF_PROFILE_FOLD_H
#define EVERPROF_PROFILE_FOLD_H

#include <stdint.h>

#define FOLD_NAME "[small branches]"

struct profile;
struct profile_merge_opts;

/*
 * A sealed profile of `from` in which branches below a share of 1/2^shift of the whole stand as [small branches]; NULL: it has none. One pass, where profile__fold
 * looks for the threshold: for parts of a sum, before they are added.
 */
int profile__folded(const struct profile *from, uint32_t shift, struct profile **ret);
/* To about max_samples at the most; nothing happens to a profile that has no more. *p is another one afterwards. *ret_shift (may be NULL): branches below a
 * share of 1/2^shift were folded; left alone where nothing was. */
int profile__fold(struct profile **p, uint32_t max_samples, uint32_t *ret_shift);
/*
 * Adds `from` as profile__merge_as does, but for its branches below a share of 1/2^shift of its own: they come as [small branches]. A sum that was folded once is kept
 * small this way, and what is too small for it is never carried. What opts leave behind must not be in `from`: shares would be of all.
 */
int profile__fold_into(struct profile *into, const struct profile *from,
		       const struct profile_merge_opts *opts, uint32_t shift);

#endif
