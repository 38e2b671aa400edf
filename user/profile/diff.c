/* SPDX-License-Identifier: Apache-2.0 */
#include "user/profile/diff.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "user/profile/merge.h"
#include "user/profile/profile.h"

int profile__diff(const struct profile *base, const struct profile *other, const struct diff_opts *opts,
		  struct profile **ret_diff)
{
	struct profile_merge_opts as_base = {
		.negate = true, .label_key = DIFF_BASE_LABEL, .label_value = "true"};
	int64_t lasted = profile__meta(base)->duration_ns, other_lasted = profile__meta(other)->duration_ns;
	struct profile *p = profile__new(opts ? opts->profile : NULL);
	struct profile_meta *meta;
	int err;

	if (!p)
		return -ENOMEM;
	if (opts && opts->by_time && lasted > 0 && other_lasted > 0) {
		as_base.scale_num = (uint64_t)other_lasted;
		as_base.scale_den = (uint64_t)lasted;
	}
	err = profile__merge(p, other);
	if (err)
		goto out;
	err = profile__merge_as(p, base, &as_base);
	if (err)
		goto out;
	/* a difference is about the later of the two; the span of both would say nothing */
	meta = profile__meta_mut(p);
	meta->time_ns = profile__meta(other)->time_ns;
	meta->duration_ns = profile__meta(other)->duration_ns;
out:
	return profile__finish(p, err, ret_diff);
}
