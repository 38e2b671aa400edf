// SPDX-License-Identifier: Apache-2.0
#include "user/store/sum.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/profile/fold.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"

void store_sum__init(struct store_sum *s, size_t limit_bytes)
{
	*s = (struct store_sum){.limit_bytes = limit_bytes};
}

void store_sum__done(struct store_sum *s)
{
	if (!s)
		return;
	profile__free(s->profile);
	s->profile = NULL;
	s->n_added = s->shift = 0;
}

/* Asked before merging: a merge that fails half-way spoils what it was added to. */
static bool types_agree(const struct profile *a, const struct profile *b)
{
	uint32_t n = profile__n_types(a), j;

	if (n != profile__n_types(b))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct value_type of_a = profile__type(a, i), of_b;

		if (profile__find_type(b, profile__str(a, of_a.type), &j))
			return false;
		of_b = profile__type(b, j);
		if (strcmp(profile__str(a, of_a.unit), profile__str(b, of_b.unit)) != 0)
			return false;
	}
	return true;
}

int store_sum__decode(const struct store_sum *s, const struct buf *file, struct profile **ret,
		      struct err *err)
{
	struct pprof_decode_opts limits = {
		.limit_bytes = s->limit_bytes, .profile_limit_bytes = s->limit_bytes, .as_list = true};

	return pprof__decode(file->data, file->len, &limits, ret, err);
}

int store_sum__add_profile(struct store_sum *s, const struct profile *one, struct err *err)
{
	static const struct profile_merge_opts as_it_is;
	const struct profile_merge_opts *merge = s->merge ? s->merge : &as_it_is;
	struct profile_opts opts = {.limit_bytes = s->limit_bytes, .adds_late = true};
	int rc;

	if (s->n_added && !types_agree(s->profile, one))
		return err__set(err, -EINVAL, "its sample types are not those of the files before it");
	if (!s->profile)
		s->profile = profile__new(&opts);
	if (!s->profile)
		return err__set(err, -ENOMEM, "out of memory");
	rc = s->shift ? profile__fold_into(s->profile, one, merge, s->shift)
		      : profile__merge_as(s->profile, one, merge);
	if (!rc && s->rows_max && profile__bytes(s->profile) > s->grown_bytes)
		rc = profile__fold(&s->profile, s->rows_max, &s->shift);
	if (rc)
		return err__set(err, rc, "adding it: %s", strerror(-rc));
	s->n_added++;
	return 0;
}

int store_sum__take(struct store_sum *s, struct profile **ret_profile)
{
	int rc;

	if (!s->n_added)
		return -ENODATA;
	rc = profile__seal(s->profile);
	if (rc)
		return rc;
	*ret_profile = s->profile;
	s->profile = NULL;
	s->n_added = s->shift = 0;
	return 0;
}
