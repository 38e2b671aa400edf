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
 * Cost: two or three passes over samples and their places, found by hash, then one merge, which leaves behind what no sample refers to any more.
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
#include "user/profile/saturate.h"

#define SHIFT_MAX 24 /* thresholds are 2^-24 … 2^-8 of the whole */
#define SHIFT_MIN 8

/* A sample whose stack does not stay. */
struct small {
	uint32_t sample, place;
};

/* What stacks that do not stay become: what is in them, by leaf, below one that does. */
struct place {
	uint32_t anchor, leaf; /* stack, location */
	uint64_t total;
	uint32_t heir; /* the stack that takes over; 0: none yet */
};

struct fold {
	struct profile *p;
	uint32_t type;
	uint32_t name;     /* function FOLD_NAME */
	uint64_t *totals;  /* [stack] with all below it; 0: of the whole */
	uint32_t *anchors; /* [stack] = itself, or its nearest caller that stays */
	struct small *small;
	struct place *places;
	uint64_t *rows; /* the hash of what each row of small ones will be */
	uint32_t n_small, n_places, n_rows;
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

static int fold__init(struct fold *f, struct profile *p)
{
	size_t n = (size_t)p->stacks.n + 1, n_samples = p->samples.n;
	struct function name = {0};
	int err;

	*f = (struct fold){.p = p};
	f->totals = calloc(n, sizeof(*f->totals));
	f->anchors = calloc(n, sizeof(*f->anchors));
	f->small = malloc(n_samples * sizeof(*f->small));
	f->places = malloc(n_samples * sizeof(*f->places));
	f->rows = malloc(n_samples * sizeof(*f->rows));
	if (!f->totals || !f->anchors || !f->small || !f->places || !f->rows)
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
	free(f->places);
	free(f->rows);
	hashmap__done(&f->place_map);
	hashmap__done(&f->row_map);
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

static bool place_eq(uint32_t index, const void *key, const void *owner)
{
	const struct place *a = (const struct place *)owner + index, *b = key;

	return a->anchor == b->anchor && a->leaf == b->leaf;
}

static bool row_eq(uint32_t index, const void *key, const void *owner)
{
	return ((const uint64_t *)owner)[index] == *(const uint64_t *)key;
}

static int add_small(struct fold *f, uint32_t sample, uint32_t anchor)
{
	const struct sample *s = &samples_of(f)[sample];
	const struct place key = {.anchor = anchor, .leaf = location_of(f, s->stack)};
	uint64_t hash = hash_u64((uint64_t)anchor << 32 | key.leaf);
	uint32_t at = hashmap__find(&f->place_map, hash, place_eq, &key, f->places);
	int err = 0;

	if (at == HASHMAP_NONE) {
		at = f->n_places++;
		f->places[at] = key;
		err = hashmap__add(&f->place_map, hash, at);
	}
	add_total(&f->places[at].total, magnitude(s->values[f->type]));
	f->small[f->n_small++] = (struct small){sample, at};
	return err;
}

/* Who stays at that threshold; the places of the others. */
static int sort_out(struct fold *f, uint64_t threshold)
{
	const struct sample *samples = samples_of(f);
	int err = 0;

	for (uint32_t id = 1; id <= f->p->stacks.n; id++) {
		uint32_t parent = stack_table__node(&f->p->stacks, id)->parent;

		f->anchors[id] = !parent || f->totals[id] >= threshold ? id : f->anchors[parent];
	}
	f->n_small = f->n_places = 0;
	hashmap__clear(&f->place_map);
	for (uint32_t i = 0; !err && i < f->p->samples.n; i++) {
		uint32_t anchor = f->anchors[samples[i].stack];

		if (anchor != samples[i].stack)
			err = add_small(f, i, anchor);
	}
	return err;
}

/* Does the leaf keep its name? */
static bool is_named(const struct fold *f, const struct place *p, uint64_t threshold)
{
	return p->total >= threshold && !is_folded(f, p->leaf);
}

/* How many samples there would be. */
static int count_rows(struct fold *f, uint64_t threshold, uint32_t *ret_n)
{
	const struct sample *samples = samples_of(f);
	int err = sort_out(f, threshold);

	f->n_rows = 0;
	hashmap__clear(&f->row_map);
	for (uint32_t i = 0; !err && i < f->n_small; i++) {
		const struct place *p = &f->places[f->small[i].place];
		bool named = is_named(f, p, threshold);
		uint32_t what = named ? p->leaf : profile__get_location(f->p, p->leaf)->mapping;
		uint64_t row = hash_pair(hash_pair((uint64_t)p->anchor << 32 | what, named),
					 samples[f->small[i].sample].labels);

		if (hashmap__find(&f->row_map, row, row_eq, &row, f->rows) != HASHMAP_NONE)
			continue;
		f->rows[f->n_rows] = row;
		err = hashmap__add(&f->row_map, row, f->n_rows++);
	}
	*ret_n = f->p->samples.n - f->n_small + f->n_rows;
	return err;
}

/* The stack that takes over from those of a place. */
static int find_heir(struct fold *f, struct place *p, uint64_t threshold)
{
	const struct line name = {.function = f->name};
	uint32_t heir = p->anchor, location;
	int err = 0;

	if (!is_folded(f, location_of(f, heir))) {
		err = profile__location(f->p, profile__get_location(f->p, p->leaf)->mapping, 0, false, &name,
					1, &location);
		if (!err)
			err = profile__stack_push(f->p, heir, location, &heir);
	}
	if (!err && is_named(f, p, threshold))
		err = profile__stack_push(f->p, heir, p->leaf, &heir);
	p->heir = heir;
	return err;
}

static int move_samples(struct fold *f, uint64_t threshold)
{
	struct sample *samples = f->p->samples.items;
	int err = sort_out(f, threshold);

	for (uint32_t i = 0; !err && i < f->n_small; i++) {
		struct place *p = &f->places[f->small[i].place];

		if (!p->heir)
			err = find_heir(f, p, threshold);
		samples[f->small[i].sample].stack = p->heir;
	}
	return err ? err : profile__add_up(f->p);
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

static int fold_to(struct fold *f, uint32_t max_samples)
{
	uint32_t shift = first_guess(f, max_samples), n;
	int err = 0;

	/* the largest shift, that is the smallest threshold, that does it */
	for (; !err && shift > SHIFT_MIN; shift--) {
		err = count_rows(f, f->totals[0] >> shift, &n);
		if (!err && n <= max_samples)
			break;
	}
	if (!err)
		err = move_samples(f, f->totals[0] >> shift);
	if (!err)
		err = profile__comment(f->p,
				       "folded: branches of less than 1/%u of a sum stand below their "
				       "callers as " FOLD_NAME,
				       1u << shift);
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
