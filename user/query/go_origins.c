// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: in a profile of goroutines the functions on top are those in which all goroutines wait, whoever forgot them.
 *
 * Idea: behind runtime.goexit stands the go statement. Samples are added up by it and by the function that it began; the reason that most of them wait for
 * is told beside.
 */
#include "user/query/go_origins.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/hashmap.h"
#include "user/profile/amount.h"
#include "user/profile/profile.h"
#include "user/query/printable.h"

#define REASONS 4 /* that are told apart; the first ones to come */

struct origin {
	uint32_t statement; /* location */
	uint32_t function;  /* that it began: string */
	int64_t n;
	uint32_t reasons[REASONS]; /* strings */
	int64_t of_reason[REASONS];
};

struct origins {
	const struct profile *p;
	struct origin *items;
	uint32_t n;
	struct hashmap index;
	int64_t total;
};

static uint32_t function_of(const struct profile *p, uint32_t location)
{
	const struct location *l = profile__get_location(p, location);

	return l->n_lines ? profile__get_function(p, profile__lines(p, l)[l->n_lines - 1].function)->name : 0;
}

/* Where a stack tells them: the go statement, and the function that it began. */
static bool find_origin(const struct profile *p, uint32_t stack, struct origin *ret)
{
	uint32_t at[PROFILE_DEPTH_MAX], n = profile__get_stack(p, stack, at, PROFILE_DEPTH_MAX);

	if (n < 3 || n > PROFILE_DEPTH_MAX)
		return false;
	/* of one that ran only those two are known, under a mark */
	if (n != 3 || strncmp(profile__str(p, function_of(p, at[0])), "[truncated", 10))
		if (strcmp(profile__str(p, function_of(p, at[n - 2])), "runtime.goexit"))
			return false;
	*ret = (struct origin){.statement = at[n - 1]};
	ret->function = function_of(p, strcmp(profile__str(p, function_of(p, at[n - 2])), "runtime.goexit")
					       ? at[n - 2]
					       : at[n - 3]);
	return true;
}

static bool origin__eq(uint32_t index, const void *key, const void *owner)
{
	const struct origin *a = &((const struct origins *)owner)->items[index], *b = key;

	return a->statement == b->statement && a->function == b->function;
}

static struct origin *origins__entry(struct origins *o, const struct origin *key)
{
	uint64_t hash = hash_pair(key->statement, key->function);
	uint32_t i = hashmap__find(&o->index, hash, origin__eq, key, o);

	if (i != HASHMAP_NONE)
		return &o->items[i];
	if (o->n == GO_ORIGINS_MAX || hashmap__add(&o->index, hash, o->n))
		return NULL;
	o->items[o->n] = *key;
	return &o->items[o->n++];
}

static void add_reason(struct origin *e, uint32_t reason, int64_t n)
{
	int i = 0;

	while (i < REASONS && e->reasons[i] && e->reasons[i] != reason)
		i++;
	if (i == REASONS)
		return;
	e->reasons[i] = reason;
	e->of_reason[i] += n;
}

static void take_sample(struct origins *o, const struct sample *s, uint32_t type)
{
	const struct label *wait = profile__find_label(o->p, s->labels, "wait"),
			   *state = profile__find_label(o->p, s->labels, "state");
	struct origin key, *e;

	o->total += s->values[type];
	if (!find_origin(o->p, s->stack, &key))
		return;
	e = origins__entry(o, &key);
	if (!e)
		return;
	e->n += s->values[type];
	if (wait || state)
		add_reason(e, wait ? wait->str : state->str, s->values[type]);
}

static int compare_origins(const void *va, const void *vb)
{
	const struct origin *a = va, *b = vb;

	if (a->n != b->n)
		return a->n > b->n ? -1 : 1;
	return (a->statement > b->statement) - (a->statement < b->statement);
}

static void print_origin(const struct origins *o, const struct origin *e, struct buf *to)
{
	const struct location *l = profile__get_location(o->p, e->statement);
	const struct line *line = l->n_lines ? &profile__lines(o->p, l)[0] : NULL;
	const char *file =
		line ? profile__str(o->p, profile__get_function(o->p, line->function)->filename) : "";
	const char *slash = strrchr(file, '/');
	int best = 0;

	for (int i = 1; i < REASONS; i++)
		if (e->of_reason[i] > e->of_reason[best])
			best = i;
	buf__printf(to, "  %8" PRId64 "  %7s  ", e->n, amount__percent(e->n, o->total).text);
	printable__append(to, profile__str(o->p, function_of(o->p, e->statement)));
	if (*file) {
		buf__append_char(to, ' ');
		printable__append(to, slash ? slash + 1 : file);
		buf__printf(to, ":%" PRId64, line->line);
	}
	buf__append_str(to, ": ");
	printable__append(to, profile__str(o->p, e->function));
	if (e->reasons[best]) {
		buf__append_str(to, ", ");
		printable__append(to, profile__str(o->p, e->reasons[best]));
		if (e->of_reason[best] < e->n)
			buf__printf(to, " %" PRId64, e->of_reason[best]);
	}
	buf__append_char(to, '\n');
}

/* At most `shown` of them; with a title where there may be several. */
static bool print_origins(const struct profile *p, uint32_t shown, struct buf *to)
{
	struct origins o = {.p = p};
	uint32_t type;

	if (profile__find_type(p, "goroutines", &type))
		return false;
	o.items = calloc(GO_ORIGINS_MAX, sizeof(*o.items));
	hashmap__init(&o.index);
	for (uint32_t i = 0; o.items && i < profile__n_samples(p); i++)
		take_sample(&o, profile__get_sample(p, i), type);
	if (o.n)
		qsort(o.items, o.n, sizeof(*o.items), compare_origins);
	if (o.n && shown > 1)
		buf__append_str(to, "Goroutines by the go statement that made them\n");
	for (uint32_t i = 0; i < o.n && i < shown; i++)
		print_origin(&o, &o.items[i], to);
	if (o.n > shown && shown > 1)
		buf__printf(to, "  and %u more\n", o.n - shown);
	hashmap__done(&o.index);
	free(o.items);
	return o.n > 0;
}

bool go_origins__print(const struct profile *p, struct buf *to)
{
	return print_origins(p, GO_ORIGINS_SHOWN, to);
}

bool go_origins__print_first(const struct profile *p, struct buf *to)
{
	return print_origins(p, 1, to);
}
