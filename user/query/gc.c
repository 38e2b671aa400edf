// SPDX-License-Identifier: Apache-2.0
#include "user/query/gc.h"

#include <errno.h>
#include <stdlib.h>
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

int gc_share__add(struct gc_share *s, const struct profile *p, const char *type)
{
	uint32_t t, n_sets = profile__n_label_sets(p);
	uint8_t *runtimes; /* [label set] */

	if (profile__find_type(p, type, &t) && profile__find_type(p, NULL, &t))
		return 0;
	runtimes = calloc((size_t)n_sets + 1, sizeof(*runtimes));
	if (!runtimes)
		return -ENOMEM;
	for (uint32_t set = 1; set <= n_sets; set++) {
		const struct label *l = profile__find_label(p, set, GC_LABEL);

		runtimes[set] = l ? runtime_of(profile__str(p, l->str)) : GC_NONE;
	}
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *sample = profile__get_sample(p, i);
		uint8_t r = runtimes[sample->labels];

		s->all = saturated_add(s->all, sample->values[t]);
		if (r == GC_NONE)
			continue;
		s->total = saturated_add(s->total, sample->values[t]);
		s->by_runtime[r] = saturated_add(s->by_runtime[r], sample->values[t]);
	}
	s->unit = profile__str(p, profile__type(p, t).unit);
	free(runtimes);
	return 0;
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
