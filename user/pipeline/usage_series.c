// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/usage_series.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4

static const struct usage_point *series__get(const struct usage_series *s, uint32_t i)
{
	return &s->points[(s->first + i) % s->cap];
}

void usage_series__done(struct usage_series *s, struct usage_allowance *a)
{
	a->used_bytes -= s->cap * sizeof(*s->points);
	free(s->points);
	*s = (struct usage_series){0};
}

static void series__grow(struct usage_series *s, struct usage_allowance *a)
{
	uint32_t cap = s->cap ? s->cap * 2u : FIRST_CAP;
	struct usage_point *points;
	size_t more;

	if (cap > USAGE_SERIES_MAX)
		cap = USAGE_SERIES_MAX;
	if (cap == s->cap)
		return;
	more = (cap - s->cap) * sizeof(*points);
	points = a->used_bytes + more <= a->limit_bytes ? malloc(cap * sizeof(*points)) : NULL;
	if (!points) {
		a->n_refused++;
		return;
	}
	for (uint32_t i = 0; i < s->n; i++)
		points[i] = *series__get(s, i);
	free(s->points);
	*s = (struct usage_series){.points = points, .cap = (uint16_t)cap, .n = s->n};
	a->used_bytes += more;
}

static bool is_same(const struct usage_point *a, const struct usage_point *b)
{
	return a->rss_kib == b->rss_kib && a->cpu_millis == b->cpu_millis && a->major == b->major &&
	       a->threads == b->threads;
}

void usage_series__add(struct usage_series *s, struct usage_allowance *a, const struct usage_point *p)
{
	/* the first point may go when the second is older than all that is asked for */
	while (s->n > 1 && p->pass - series__get(s, 1)->pass >= USAGE_SERIES_MAX) {
		s->first = (uint16_t)((s->first + 1u) % s->cap);
		s->n--;
	}
	if (s->n && is_same(series__get(s, s->n - 1u), p))
		return;
	if (s->n == s->cap)
		series__grow(s, a);
	if (!s->cap)
		return;
	if (s->n == s->cap) {
		s->first = (uint16_t)((s->first + 1u) % s->cap);
		s->n--;
	}
	s->points[(s->first + s->n) % s->cap] = *p;
	s->n++;
}

const struct usage_point *usage_series__at(const struct usage_series *s, uint32_t pass)
{
	uint32_t low = 0, high = s->n;

	/* the last one that is not later */
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (series__get(s, middle)->pass <= pass)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? series__get(s, low - 1) : NULL;
}
