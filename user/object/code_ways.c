// SPDX-License-Identifier: Apache-2.0
#include "user/object/code_ways.h"

#include <stdlib.h>

void code_ways__done(struct code_ways *w)
{
	free(w->ways);
	*w = (struct code_ways){0};
}

bool code_ways__push(struct code_ways *w, const struct way *way)
{
	if (w->n == w->cap) {
		uint32_t cap = w->cap ? w->cap * 2 : 256;
		struct way *grown = reallocarray(w->ways, cap, sizeof(*grown));

		if (!grown)
			return false;
		w->ways = grown;
		w->cap = cap;
	}
	w->ways[w->n++] = *way;
	return true;
}

struct way code_ways__pop(struct code_ways *w)
{
	return w->ways[--w->n];
}

static void swap(struct way *a, struct way *b)
{
	struct way w = *a;

	*a = *b;
	*b = w;
}

bool code_ways__add(struct code_ways *w, const struct way *way)
{
	if (!code_ways__push(w, way))
		return false;
	for (uint32_t i = w->n - 1; i > 0 && w->ways[i].at < w->ways[(i - 1) / 2].at; i = (i - 1) / 2)
		swap(&w->ways[i], &w->ways[(i - 1) / 2]);
	return true;
}

struct way code_ways__take_lowest(struct code_ways *w)
{
	struct way first = w->ways[0];

	w->ways[0] = w->ways[--w->n];
	for (uint32_t i = 0, child; (child = 2 * i + 1) < w->n; i = child) {
		if (child + 1 < w->n && w->ways[child + 1].at < w->ways[child].at)
			child++;
		if (w->ways[i].at <= w->ways[child].at)
			break;
		swap(&w->ways[i], &w->ways[child]);
	}
	return first;
}
