/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: half of the rows of an hour are single ticks, each in a stack of its own. A day of such hours takes seconds to read and half a gigabyte to add up, for
 *   branches that nobody could see: one of a hundred thousand ticks is true to 100 %.
 *
 * Idea: a threshold, a share of the whole. A stack that reaches it stays; what is in stacks that do not goes to the nearest caller that does:
 *
 *       main;work;parse;memcpy    1 tick             main;work;[small branches]            1
 *       main;work;scan;memchr     1 tick     ->      main;work;[small branches];memcpy     9   (reaches the threshold as one)
 *       main;work;scan;memcpy     9 ticks, in many stacks
 *
 *   A leaf that reaches the threshold within what is folded below one caller keeps its name, so what is called from everywhere is still found. [small branches]
 *   belongs to the leaf's binary. The threshold is the smallest power of two that makes the profile small enough: quiet hosts lose nothing.
 *
 * Invariants: values are moved, never changed. Outermost frames always stay: they tell whether a stack is whole.
 *
 * Cost: some passes over samples with two sorts each, then one merge, which leaves behind what no sample refers to any more.
 *
 * What it does not do: fold label sets. More processes than max_samples stay so many rows.
 */
#include "user/profile/fold.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/merge.h"
#include "user/profile/profile_impl.h"
#include "user/profile/saturate.h"

#define SHIFT_MAX 24 /* thresholds are 2^-24 … 2^-8 of the whole */
#define SHIFT_MIN 8

/* A sample whose stack does not stay. */
struct small {
	uint64_t place; /* anchor << 32 | location of the leaf */
	uint32_t sample;
};

struct fold {
	struct profile *p;
	uint32_t type;
	uint32_t name;     /* function FOLD_NAME */
	uint64_t *totals;  /* [stack] with all below it; 0: of the whole */
	uint32_t *anchors; /* [stack] = itself, or its nearest caller that stays */
	struct small *small;
	uint64_t *rows; /* [sample]: what tells it from others afterwards */
	uint32_t n_small;
};

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static void add_total(uint64_t *to, uint64_t v)
{
	if (__builtin_add_overflow(*to, v, to))
		*to = UINT64_MAX;
}

static const struct sample *samples_of(const struct fold *f)
{
	return f->p->samples.items;
}

static void add_totals(struct fold *f)
{
	const struct sample *samples = samples_of(f);

	for (uint32_t i = 0; i < f->p->samples.n; i++)
		add_total(&f->totals[samples[i].stack], magnitude(samples[i].values[f->type]));
	for (uint32_t id = f->p->stacks.n; id > 0; id--)
		add_total(&f->totals[stack_table__node(&f->p->stacks, id)->parent], f->totals[id]);
}

static int fold__init(struct fold *f, struct profile *p)
{
	size_t n = (size_t)p->stacks.n + 1, n_samples = p->samples.n;
	struct function name = {0};
	int err;

	*f = (struct fold){.p = p};
	f->totals = calloc(n, sizeof(*f->totals));
	f->anchors = calloc(n, sizeof(*f->anchors));
	f->small = malloc(n_samples * sizeof(*f->small));
	f->rows = malloc(n_samples * sizeof(*f->rows));
	if (!f->totals || !f->anchors || !f->small || !f->rows)
		return -ENOMEM;
	err = profile__find_type(p, NULL, &f->type);
	if (!err)
		err = profile__string(p, FOLD_NAME, &name.name);
	if (!err)
		err = profile__function(p, &name, &f->name);
	if (!err)
		add_totals(f);
	return err;
}

static void fold__done(struct fold *f)
{
	free(f->totals);
	free(f->anchors);
	free(f->small);
	free(f->rows);
}

/* Was it folded before? */
static bool is_folded(const struct fold *f, uint32_t location)
{
	const struct location *l = profile__get_location(f->p, location);

	return l->n_lines == 1 && profile__lines(f->p, l)->function == f->name;
}

static uint32_t location_of(const struct fold *f, uint32_t stack)
{
	return stack_table__node(&f->p->stacks, stack)->item;
}

static int compare_small(const void *a, const void *b)
{
	const struct small *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static int compare_rows(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Who stays at that threshold; the others by place. */
static void sort_out(struct fold *f, uint64_t threshold)
{
	const struct sample *samples = samples_of(f);

	for (uint32_t id = 1; id <= f->p->stacks.n; id++) {
		uint32_t parent = stack_table__node(&f->p->stacks, id)->parent;

		f->anchors[id] = !parent || f->totals[id] >= threshold ? id : f->anchors[parent];
	}
	f->n_small = 0;
	for (uint32_t i = 0; i < f->p->samples.n; i++) {
		uint32_t stack = samples[i].stack;

		if (f->anchors[stack] != stack)
			f->small[f->n_small++] =
				(struct small){(uint64_t)f->anchors[stack] << 32 | location_of(f, stack), i};
	}
	if (f->n_small)
		qsort(f->small, f->n_small, sizeof(*f->small), compare_small);
}

/* The end of the run of one place that begins at `first`, and whether its leaf keeps its name. */
static uint32_t run_of(const struct fold *f, uint32_t first, uint64_t threshold, bool *ret_named)
{
	const struct sample *samples = samples_of(f);
	uint64_t place = f->small[first].place, total = 0;
	uint32_t end = first;

	for (; end < f->n_small && f->small[end].place == place; end++)
		add_total(&total, magnitude(samples[f->small[end].sample].values[f->type]));
	*ret_named = total >= threshold && !is_folded(f, (uint32_t)place);
	return end;
}

/* How many samples there would be. */
static uint32_t count_rows(struct fold *f, uint64_t threshold)
{
	const struct sample *samples = samples_of(f);
	uint32_t n = f->p->samples.n, distinct = 0, end;

	sort_out(f, threshold);
	for (uint32_t i = 0; i < n; i++)
		f->rows[i] = hash_pair(samples[i].stack, samples[i].labels);
	for (uint32_t first = 0; first < f->n_small; first = end) {
		uint64_t place = f->small[first].place;
		bool named;

		end = run_of(f, first, threshold, &named);
		if (!named)
			place = (place & ~(uint64_t)UINT32_MAX) |
				profile__get_location(f->p, (uint32_t)place)->mapping;
		for (uint32_t i = first; i < end; i++)
			f->rows[f->small[i].sample] =
				hash_pair(hash_pair(place, 1 + named), samples[f->small[i].sample].labels);
	}
	qsort(f->rows, n, sizeof(*f->rows), compare_rows);
	for (uint32_t i = 0; i < n; i++)
		distinct += !i || f->rows[i] != f->rows[i - 1];
	return distinct;
}

/* The stack that takes over from those of a place. */
static int heir_of(struct fold *f, uint64_t place, bool named, uint32_t *ret_stack)
{
	const struct line name = {.function = f->name};
	uint32_t anchor = (uint32_t)(place >> 32), leaf = (uint32_t)place, location;
	int err = 0;

	if (!is_folded(f, location_of(f, anchor))) {
		err = profile__location(f->p, profile__get_location(f->p, leaf)->mapping, 0, false, &name, 1,
					&location);
		if (!err)
			err = profile__stack_push(f->p, anchor, location, &anchor);
	}
	if (!err && named)
		err = profile__stack_push(f->p, anchor, leaf, &anchor);
	*ret_stack = anchor;
	return err;
}

static int move_samples(struct fold *f, uint64_t threshold)
{
	struct sample *samples = f->p->samples.items;
	uint32_t end, heir = 0;
	bool named;

	sort_out(f, threshold);
	for (uint32_t first = 0; first < f->n_small; first = end) {
		int err;

		end = run_of(f, first, threshold, &named);
		err = heir_of(f, f->small[first].place, named, &heir);
		if (err)
			return err;
		for (uint32_t i = first; i < end; i++)
			samples[f->small[i].sample].stack = heir;
	}
	return profile__add_up(f->p);
}

static int fold_to(struct fold *f, uint32_t max_samples)
{
	uint32_t low = SHIFT_MIN, high = SHIFT_MAX;
	int err;

	/* the largest shift, that is the smallest threshold, that does it */
	while (low < high) {
		uint32_t middle = (low + high + 1) / 2;

		if (count_rows(f, f->totals[0] >> middle) <= max_samples)
			low = middle;
		else
			high = middle - 1;
	}
	err = move_samples(f, f->totals[0] >> low);
	if (!err)
		err = profile__comment(f->p,
				       "folded: branches of less than 1/%u of a sum stand below their "
				       "callers as " FOLD_NAME,
				       1u << low);
	return err;
}

int profile__fold(struct profile **p, uint32_t max_samples)
{
	const struct profile_opts opts = {.limit_bytes = (*p)->limit_bytes, .adds_late = true};
	struct profile *small = NULL;
	struct fold f;
	int err;

	if ((*p)->sealed)
		return -EROFS;
	if (!(*p)->adds_late)
		return -EINVAL;
	if ((*p)->samples.n <= max_samples)
		return 0;
	err = profile__add_up(*p);
	if (err || (*p)->samples.n <= max_samples)
		return err;
	err = fold__init(&f, *p);
	if (!err)
		err = fold_to(&f, max_samples);
	fold__done(&f);
	if (!err) {
		small = profile__new(&opts);
		err = small ? profile__merge(small, *p) : -ENOMEM;
	}
	if (err) {
		profile__free(small);
		return err;
	}
	profile__free(*p);
	*p = small;
	return 0;
}
