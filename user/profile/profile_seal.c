/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: the same samples in another order make a file half as big again, for gzip sees only the last 32 KiB.
 *
 * Idea: put stacks beside those they share their callers with. A walk over the calling tree that visits a node before its
 * callees (preorder) does that; equal stacks under different labels stand together.
 *
 * How: parents have lower ids than children, so subtree sizes add up in one loop from the last node to the first, and places are handed out
 * in one loop from the first to the last: no recursion, no child lists, eight bytes a node for the time of the call.
 */
#include "user/profile/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/profile_impl.h"
#include "user/profile/saturate.h"

/* ranks[id] = the node's place in preorder; ranks[0] = 0 is the empty stack. */
static int rank_stacks(const struct profile *p, uint32_t **ret_ranks)
{
	uint32_t n = stack_table__count(&p->stacks);
	uint32_t *next = calloc((size_t)n + 1, sizeof(*next));
	uint32_t *ranks = calloc((size_t)n + 1, sizeof(*ranks));

	if (!next || !ranks) {
		free(next);
		free(ranks);
		return -ENOMEM;
	}
	/* sizes first, in `ranks`; then each node takes the next free place of its parent and opens its own range */
	for (uint32_t id = n; id > 0; id--) {
		ranks[id]++;
		ranks[stack_table__node(&p->stacks, id)->parent] += ranks[id];
	}
	ranks[0] = 0;
	next[0] = 1;
	for (uint32_t id = 1; id <= n; id++) {
		uint32_t parent = stack_table__node(&p->stacks, id)->parent, size = ranks[id];

		ranks[id] = next[parent];
		next[parent] += size;
		next[id] = ranks[id] + 1;
	}
	free(next);
	*ret_ranks = ranks;
	return 0;
}

static int compare_samples(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->labels < y->labels ? -1 : x->labels > y->labels;
}

#define FEW 16u

/* Samples of one stack by their labels. Nearly always they are few, and a call of qsort takes longer than to insert them. */
static void order_labels(struct sample *samples, uint32_t n)
{
	if (n > FEW) {
		qsort(samples, n, sizeof(*samples), compare_samples);
		return;
	}
	for (uint32_t i = 1; i < n; i++) {
		struct sample s = samples[i];
		uint32_t at = i;

		for (; at && samples[at - 1].labels > s.labels; at--)
			samples[at] = samples[at - 1];
		samples[at] = s;
	}
}

/* Places are dense, so samples are dealt out to them; those of one stack are few. */
static int order_samples(struct profile *p)
{
	uint32_t *ranks, n_places = stack_table__count(&p->stacks) + 1;
	uint32_t *ends = calloc((size_t)n_places + 1, sizeof(*ends));
	struct sample *from = p->samples.items, *to = malloc((size_t)p->samples.n * sizeof(*to));
	int err = ends && to ? rank_stacks(p, &ranks) : -ENOMEM;

	if (err) {
		free(ends);
		free(to);
		return err;
	}
	for (uint32_t i = 0; i < p->samples.n; i++)
		ends[ranks[from[i].stack] + 1]++;
	for (uint32_t i = 0; i < n_places; i++)
		ends[i + 1] += ends[i];
	for (uint32_t i = 0; i < p->samples.n; i++)
		to[ends[ranks[from[i].stack]]++] = from[i];
	for (uint32_t i = 0, first = 0; i < n_places; first = ends[i++])
		order_labels(to + first, ends[i] - first);
	free(ranks);
	free(ends);
	free(p->samples.items);
	p->samples.items = to;
	p->samples.cap = p->samples.n;
	return 0;
}

int profile__add_up(struct profile *p)
{
	struct sample *samples, *last = NULL;
	uint32_t n = 0;
	int err = p->samples.n ? order_samples(p) : 0;

	samples = p->samples.items;
	for (uint32_t i = 0; !err && p->adds_late && i < p->samples.n; i++) {
		const struct sample *s = &samples[i];

		if (!last || last->stack != s->stack || last->labels != s->labels) {
			last = &samples[n++];
			*last = *s;
			continue;
		}
		for (uint32_t v = 0; v < p->n_types; v++)
			last->values[v] = saturated_add(last->values[v], s->values[v]);
	}
	if (!err && p->adds_late)
		p->samples.n = p->n_added_up = n;
	return err;
}

static void drop_zero_samples(struct profile *p)
{
	struct sample *samples = p->samples.items;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->samples.n; i++) {
		bool zero = true;

		for (uint32_t v = 0; v < p->n_types; v++)
			zero &= samples[i].values[v] == 0;
		if (!zero)
			samples[n++] = samples[i];
	}
	p->samples.n = n;
}

/* A location that nobody gave a function gets one named after its address. */
static int profile__name_location(struct profile *p, struct location *l)
{
	const char *file = l->mapping ? profile__str(p, profile__get_mapping(p, l->mapping)->filename) : "";
	const char *slash = strrchr(file, '/');
	struct line line = {0};
	struct function f = {0};
	struct buf name;
	int err;

	if (slash && slash[1])
		file = slash + 1;
	buf__init(&name, 0x10000);
	/* "[kernel.kallsyms]" keeps its own brackets */
	if (file[0] == '[')
		buf__append_str(&name, file);
	else
		buf__printf(&name, "[%s]", *file ? file : "unknown");
	buf__printf(&name, "+0x%" PRIx64, l->address);
	err = buf__err(&name);
	if (!err)
		err = profile__string_n(p, (const char *)name.data, name.len, &f.name);
	buf__done(&name);
	if (!err)
		err = profile__function(p, &f, &line.function);
	if (!err)
		err = table__push(&p->lines, &line, profile__room(p));
	profile__account(p);
	if (err)
		return err;
	l->first_line = p->lines.n - 1;
	l->n_lines = 1;
	return 0;
}

static int name_locations(struct profile *p)
{
	for (uint32_t i = 0; i < p->locations.n; i++) {
		struct location *l = table__at(&p->locations, i);
		int err = l->n_lines ? 0 : profile__name_location(p, l);

		if (err)
			return err;
	}
	return 0;
}

int profile__seal(struct profile *p)
{
	int err;

	if (p->sealed)
		return -EROFS;
	err = name_locations(p);
	if (err)
		return err;
	err = p->is_list ? 0 : profile__add_up(p);
	if (err)
		return err;
	drop_zero_samples(p);
	table__trim(&p->mappings);
	table__trim(&p->functions);
	table__trim(&p->locations);
	table__trim(&p->lines);
	table__trim(&p->label_sets);
	table__trim(&p->labels);
	table__trim(&p->samples);
	table__trim(&p->comments);
	table__trim(&p->depths);
	stack_table__trim(&p->stacks);
	profile__account(p);
	p->sealed = true;
	return 0;
}

int profile__finish(struct profile *p, int err, struct profile **ret)
{
	if (!err)
		err = profile__seal(p);
	if (err)
		profile__free(p);
	else
		*ret = p;
	return err;
}
