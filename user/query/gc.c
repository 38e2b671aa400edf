// SPDX-License-Identifier: Apache-2.0
#include "user/query/gc.h"

#include <string.h>

#include "user/base/buf.h"
#include "user/profile/amount.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"

static enum gc_runtime runtime_of(const char *name)
{
	for (int r = GC_NONE + 1; r < GC_N; r++)
		if (!strcmp(name, gc_runtime__name((enum gc_runtime)r)))
			return (enum gc_runtime)r;
	return GC_NONE;
}

void gc_share__of(const struct profile *p, const char *type, struct gc_share *ret)
{
	struct gc_share s = {.unit = ""};
	uint32_t t;

	*ret = s;
	if (profile__find_type(p, type, &t) && profile__find_type(p, NULL, &t))
		return;
	s.unit = profile__str(p, profile__type(p, t).unit);
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *sample = profile__get_sample(p, i);
		const struct label *l = profile__find_label(p, sample->labels, GC_LABEL);
		enum gc_runtime r = l ? runtime_of(profile__str(p, l->str)) : GC_NONE;

		s.all = saturated_add(s.all, sample->values[t]);
		if (!r)
			continue;
		s.total = saturated_add(s.total, sample->values[t]);
		s.by_runtime[r] = saturated_add(s.by_runtime[r], sample->values[t]);
	}
	*ret = s;
}

bool gc_share__print(const struct gc_share *s, struct buf *to)
{
	const char *before = " (";

	if (s->total <= 0)
		return false;
	buf__printf(to, "%s, %s of the total", amount__format(s->total, s->unit).text,
		    amount__percent(s->total, s->all).text);
	for (int r = GC_NONE + 1; r < GC_N; r++) {
		if (!s->by_runtime[r])
			continue;
		buf__printf(to, "%s%s %s", before, gc_runtime__name((enum gc_runtime)r),
			    amount__format(s->by_runtime[r], s->unit).text);
		before = ", ";
	}
	buf__append_char(to, ')');
	return true;
}
