// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_rounds.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void alloc_rounds__init(struct alloc_rounds *r, struct alloc_gate *gate)
{
	r->gate = gate;
	r->first = gate->round;
	r->n = 0;
}

uint32_t alloc_rounds__number(const struct alloc_rounds *r)
{
	return r->gate->round;
}

void alloc_rounds__next(struct alloc_rounds *r)
{
	r->gate->round++;
}

void alloc_rounds__begin_window(struct alloc_rounds *r, double scale)
{
	struct alloc_round *w = &r->windows[r->n++ % ALLOC_WINDOWS_KEPT];

	w->number = r->gate->round;
	w->scale = scale;
	w->n_corrected = 0;
}

static const struct alloc_round *last_window(const struct alloc_rounds *r)
{
	return &r->windows[(r->n - 1) % ALLOC_WINDOWS_KEPT];
}

double alloc_rounds__last_scale(const struct alloc_rounds *r)
{
	return last_window(r)->scale;
}

void alloc_rounds__correct(struct alloc_rounds *r, uint32_t tid, double weight)
{
	struct alloc_round *w = (struct alloc_round *)last_window(r);

	if (w->n_corrected < ALLOC_CORRECTED_MAX)
		w->corrected[w->n_corrected++] = (struct alloc_correction){.tid = tid, .weight = weight};
}

/* Most are of the last ones. */
static const struct alloc_round *find_window(const struct alloc_rounds *r, uint32_t number)
{
	uint32_t kept = r->n < ALLOC_WINDOWS_KEPT ? r->n : ALLOC_WINDOWS_KEPT;

	for (uint32_t back = 1; back <= kept; back++) {
		const struct alloc_round *w = &r->windows[(r->n - back) % ALLOC_WINDOWS_KEPT];

		if (w->number == number)
			return w;
	}
	return NULL;
}

/* Is it older than what is kept, and not of who came before us? */
static bool is_dropped(const struct alloc_rounds *r, uint32_t number)
{
	const struct alloc_round *oldest = &r->windows[r->n % ALLOC_WINDOWS_KEPT];

	return r->n > ALLOC_WINDOWS_KEPT && (int32_t)(number - oldest->number) < 0 &&
	       (int32_t)(number - r->first) > 0;
}

int alloc_rounds__scale(const struct alloc_rounds *r, uint32_t number, uint32_t tid, double *ret)
{
	const struct alloc_round *w = find_window(r, number);

	if (!w)
		return is_dropped(r, number) ? -ESTALE : -ENOENT;
	*ret = w->scale;
	for (uint32_t i = 0; i < w->n_corrected; i++)
		if (w->corrected[i].tid == tid)
			*ret = w->scale * w->corrected[i].weight;
	return 0;
}
