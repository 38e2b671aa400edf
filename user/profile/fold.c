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
 * Cost: two or three passes over samples and their places, found by hash, then one merge, which carries what stays and nothing else. Where the threshold is known
 *   already (the next part of a sum that was folded) one pass.
 *
 * What it does not do: fold label sets. More processes than max_samples stay so many rows.
 */
#include "user/profile/fold.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/hashmap.h"
#include "user/profile/merge.h"
#include "user/profile/profile_impl.h"

#define SHIFT_MAX 24 /* thresholds are 2^-24 … 2^-8 of the whole */
#define SHIFT_MIN 8

struct fold {
	const struct profile *p;
	uint32_t type;
	uint32_t name_id;   /* string FOLD_NAME, 0: p has none */
	uint64_t *totals;   /* [stack] with all below it; 0: of the whole */
	uint32_t *anchors;  /* [stack] = itself, or its nearest caller that stays */
	uint32_t *of_stack; /* [stack] = place + 1 of one that has samples and does not stay */
	struct merge_place *places;
	uint64_t *place_totals;
	uint64_t *rows; /* the hash of what each row of a place will be */
	uint32_t n_places, cap_places, n_rows;
	struct hashmap place_map, row_map;
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

static int fold__init(struct fold *f, const struct profile *p)
{
	size_t n = (size_t)p->stacks.n + 1;
	int err;

	*f = (struct fold){.p = p};
	f->totals = calloc(n, sizeof(*f->totals));
	f->anchors = calloc(n, sizeof(*f->anchors));
	f->of_stack = calloc(n, sizeof(*f->of_stack));
	if (!f->totals || !f->anchors || !f->of_stack)
		return -ENOMEM;
	if (intern__find(p->strings, FOLD_NAME, strlen(FOLD_NAME), &f->name_id))
		f->name_id = 0;
	err = profile__find_type(p, NULL, &f->type);
	if (!err)
		add_totals(f);
	return err;
}

static void fold__done(struct fold *f)
{
	free(f->totals);
	free(f->anchors);
	free(f->of_stack);
	free(f->places);
	free(f->place_totals);
	free(f->rows);
	hashmap__done(&f->place_map);
	hashmap__done(&f->row_map);
}

/* Was it folded before? */
static bool is_folded(const struct fold *f, uint32_t location)
{
	const struct location *l = profile__get_location(f->p, location);

	return f->name_id && l->n_lines == 1 &&
	       profile__get_function(f->p, profile__lines(f->p, l)->function)->name == f->name_id;
}

static bool place_eq(uint32_t index, const void *key, const void *owner)
{
	const struct merge_place *a = (const struct merge_place *)owner + index, *b = key;

	return a->anchor == b->anchor && a->leaf == b->leaf;
}

static bool row_eq(uint32_t index, const void *key, const void *owner)
{
	return ((const uint64_t *)owner)[index] == *(const uint64_t *)key;
}

static int grow_places(struct fold *f)
{
	uint32_t cap = f->cap_places + f->cap_places / 2 + 1024;
	struct merge_place *places = realloc(f->places, cap * sizeof(*places));
	uint64_t *totals;

	if (!places)
		return -ENOMEM;
	f->places = places;
	totals = realloc(f->place_totals, cap * sizeof(*totals));
	if (!totals)
		return -ENOMEM;
	f->place_totals = totals;
	f->cap_places = cap;
	return 0;
}

/* The place of a stack that does not stay. */
static int find_place(struct fold *f, uint32_t stack)
{
	const struct merge_place key = {.anchor = f->anchors[stack],
					.leaf = stack_table__node(&f->p->stacks, stack)->item};
	uint64_t hash = hash_u64((uint64_t)key.anchor << 32 | key.leaf);
	uint32_t at = hashmap__find(&f->place_map, hash, place_eq, &key, f->places);
	int err = 0;

	if (at == HASHMAP_NONE) {
		err = f->n_places == f->cap_places ? grow_places(f) : 0;
		if (!err)
			err = hashmap__add(&f->place_map, hash, f->n_places);
		if (err)
			return err;
		at = f->n_places++;
		f->places[at] = key;
		f->place_totals[at] = 0;
	}
	f->of_stack[stack] = at + 1;
	return 0;
}

/* Who stays at that threshold; the places of the others. */
static int sort_out(struct fold *f, uint64_t threshold)
{
	const struct sample *samples = samples_of(f);
	int err = 0;

	for (uint32_t id = 1; id <= f->p->stacks.n; id++) {
		uint32_t parent = stack_table__node(&f->p->stacks, id)->parent;

		f->anchors[id] = !parent || f->totals[id] >= threshold ? id : f->anchors[parent];
		f->of_stack[id] = 0;
	}
	f->n_places = 0;
	hashmap__clear(&f->place_map);
	for (uint32_t i = 0; !err && i < f->p->samples.n; i++) {
		const struct sample *s = &samples[i];

		if (f->anchors[s->stack] == s->stack)
			continue;
		err = f->of_stack[s->stack] ? 0 : find_place(f, s->stack);
		if (!err)
			add_total(&f->place_totals[f->of_stack[s->stack] - 1], magnitude(s->values[f->type]));
	}
	/* a leaf that is enough keeps its name */
	for (uint32_t i = 0; i < f->n_places; i++)
		f->places[i].is_named = f->place_totals[i] >= threshold && !is_folded(f, f->places[i].leaf);
	return err;
}

/* How many samples there would be. */
static int count_rows(struct fold *f, uint64_t threshold, uint32_t *ret_n)
{
	const struct sample *samples = samples_of(f);
	uint32_t n_stay = 0;
	int err = sort_out(f, threshold);

	f->n_rows = 0;
	hashmap__clear(&f->row_map);
	for (uint32_t i = 0; !err && i < f->p->samples.n; i++) {
		uint32_t place = f->of_stack[samples[i].stack];
		const struct merge_place *p = &f->places[place - 1];
		uint32_t what;
		uint64_t row;

		if (!place) {
			n_stay++;
			continue;
		}
		what = p->is_named ? p->leaf : profile__get_location(f->p, p->leaf)->mapping;
		row = hash_pair(hash_pair((uint64_t)p->anchor << 32 | what, p->is_named), samples[i].labels);
		if (hashmap__find(&f->row_map, row, row_eq, &row, f->rows) != HASHMAP_NONE)
			continue;
		f->rows[f->n_rows] = row;
		err = hashmap__add(&f->row_map, row, f->n_rows++);
	}
	*ret_n = n_stay + f->n_rows;
	return err;
}

/* The largest shift at which not more samples stay, those that are put together not counted: no larger one can do. */
static uint32_t first_guess(const struct fold *f, uint32_t max_samples)
{
	const struct sample *samples = samples_of(f);
	uint32_t n_more[SHIFT_MAX + 1] = {0}, n = 0, shift = SHIFT_MIN;

	/* by the smallest shift at which each stays */
	for (uint32_t i = 0; i < f->p->samples.n; i++) {
		uint64_t total = f->totals[samples[i].stack];
		uint32_t at = SHIFT_MIN;

		while (at <= SHIFT_MAX && total < f->totals[0] >> at)
			at++;
		if (at <= SHIFT_MAX)
			n_more[at]++;
	}
	for (uint32_t at = SHIFT_MIN; at <= SHIFT_MAX && (n += n_more[at]) <= max_samples; at++)
		shift = at;
	return shift;
}

/* Sorts out at the largest shift, that is the smallest threshold, that leaves so many samples. */
static int sort_out_to(struct fold *f, uint32_t max_samples, uint32_t *ret_shift)
{
	uint32_t shift = first_guess(f, max_samples), n;
	int err = 0;

	f->rows = malloc(f->p->samples.n * sizeof(*f->rows));
	if (!f->rows)
		return -ENOMEM;
	for (; !err && shift > SHIFT_MIN; shift--) {
		err = count_rows(f, f->totals[0] >> shift, &n);
		if (!err && n <= max_samples)
			break;
	}
	if (!err && shift == SHIFT_MIN)
		err = sort_out(f, f->totals[0] >> shift);
	*ret_shift = shift;
	return err;
}

static int merge_sorted(const struct fold *f, struct profile *into, const struct profile_merge_opts *opts)
{
	const struct merge_places places = {.name = FOLD_NAME,
					    .name_id = f->name_id,
					    .of_stack = f->of_stack,
					    .places = f->places,
					    .n = f->n_places};
	struct profile_merge_opts o = *opts;

	o.places = &places;
	return profile__merge_as(into, f->p, &o);
}

int profile__fold_into(struct profile *into, const struct profile *from,
		       const struct profile_merge_opts *opts, uint32_t shift)
{
	struct fold f;
	int err = fold__init(&f, from);

	if (!err)
		err = sort_out(&f, f.totals[0] >> shift);
	if (!err)
		err = merge_sorted(&f, into, opts);
	fold__done(&f);
	return err;
}

/* Into a new profile, added up; a comment tells where there was something to fold. */
static int merge_small(const struct fold *f, uint32_t shift, struct profile **ret)
{
	static const struct profile_merge_opts as_it_is;
	const struct profile_opts opts = {.limit_bytes = f->p->limit_bytes, .adds_late = true};
	struct profile *small = profile__new(&opts);
	int err = small ? merge_sorted(f, small, &as_it_is) : -ENOMEM;

	if (!err && f->n_places)
		err = profile__comment(small,
				       "folded: branches of less than 1/%u of a sum stand below their "
				       "callers as " FOLD_NAME,
				       1u << shift);
	if (!err)
		err = profile__add_up(small);
	if (err)
		profile__free(small);
	else
		*ret = small;
	return err;
}

static int fold_to(const struct profile *p, uint32_t max_samples, struct profile **ret, uint32_t *ret_shift)
{
	uint32_t shift = 0;
	struct fold f;
	int err = fold__init(&f, p);

	if (!err)
		err = sort_out_to(&f, max_samples, &shift);
	if (!err)
		err = merge_small(&f, shift, ret);
	fold__done(&f);
	if (!err && ret_shift)
		*ret_shift = shift;
	return err;
}

int profile__folded(const struct profile *from, uint32_t shift, struct profile **ret)
{
	struct fold f;
	struct profile *small = NULL;
	int err = fold__init(&f, from);

	if (!err)
		err = sort_out(&f, f.totals[0] >> shift);
	if (!err && f.n_places)
		err = merge_small(&f, shift, &small);
	fold__done(&f);
	if (!err && small)
		return profile__finish(small, 0, ret);
	*ret = NULL;
	return err;
}

int profile__fold(struct profile **p, uint32_t max_samples, uint32_t *ret_shift)
{
	struct profile *small;
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
	err = fold_to(*p, max_samples, &small, ret_shift);
	if (err)
		return err;
	profile__free(*p);
	*p = small;
	return 0;
}
