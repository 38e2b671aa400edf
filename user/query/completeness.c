/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a profiler that cuts stacks short shows the wrong callers, and nobody tells. Whoever reads a profile must see how much of it
 * can be trusted, for which program, and what would have to be mended.
 *
 * Idea: the reason stands in the stack itself, as its root frame, so any file says it, roll-ups and merges included. Rows and their
 * reasons are a tree of two levels: {0, row} and {row's node, reason}; row 0 adds up all.
 *
 * Layout: nodes of the tree, sorted: rows by value, each followed by its reasons by value.
 *
 * Cost: one pass over samples; one over the tree of stacks, for what is at the root.
 *
 * What it does not do: judge the frames between. A stack that reached its end mark over a wrong caller counts as whole.
 */
#include "user/query/completeness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/intern.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"
#include "user/profile/stack_table.h"
#include "user/profile/amount.h"
#include "user/query/printable.h"

#define NAMES_LIMIT ((size_t)256 << 20)
#define CUT_PREFIX  "[truncated: "
#define NO_STACK    "no stack at all"
#define KERNEL      "[kernel]"
#define ALL_NODE    1

struct tally {
	uint32_t node; /* of the tree */
	int64_t total, complete;
};

struct completeness {
	struct intern *names;
	struct stack_table tree;
	struct tally *
		tallies; /* [node - 1] while counting; then rows, largest first, each with its reasons after it */
	uint32_t cap;
	uint32_t *rows; /* [row] = place in tallies */
	uint32_t n_rows;
	const char *unit, *by;
};

/* What is at the outer end of each stack. */
struct ends {
	uint32_t *roots;  /* [stack] = location of the root frame */
	uint32_t *binary; /* [stack] = outermost mapping that is a file, 0: none */
};

static bool is_file(const struct profile *p, uint32_t mapping)
{
	return mapping && profile__str(p, profile__get_mapping(p, mapping)->filename)[0] == '/';
}

static int ends__init(struct ends *e, const struct profile *p)
{
	uint32_t n = profile__n_stacks(p);

	e->roots = calloc((size_t)n + 1, sizeof(*e->roots));
	e->binary = calloc((size_t)n + 1, sizeof(*e->binary));
	if (!e->roots || !e->binary)
		return -ENOMEM;
	for (uint32_t id = 1; id <= n; id++) {
		uint32_t location, parent, mapping;

		profile__get_stack_node(p, id, &location, &parent);
		mapping = profile__get_location(p, location)->mapping;
		e->roots[id] = parent ? e->roots[parent] : location;
		e->binary[id] = e->binary[parent] ? e->binary[parent] : is_file(p, mapping) ? mapping : 0;
	}
	return 0;
}

static void ends__done(struct ends *e)
{
	free(e->roots);
	free(e->binary);
}

/* The reason why a stack was cut, and its length; NULL where it is whole. */
static const char *cut_reason(const struct profile *p, const struct ends *e, uint32_t stack, size_t *ret_len)
{
	const struct location *root;
	const char *name, *end;

	if (!stack) {
		*ret_len = strlen(NO_STACK);
		return NO_STACK;
	}
	root = profile__get_location(p, e->roots[stack]);
	name = profile__str(
		p, profile__get_function(p, profile__lines(p, root)[root->n_lines - 1].function)->name);
	if (strncmp(name, CUT_PREFIX, strlen(CUT_PREFIX)))
		return NULL;
	name += strlen(CUT_PREFIX);
	end = strrchr(name, ']');
	*ret_len = end ? (size_t)(end - name) : strlen(name);
	return name;
}

static const char *row_name(const struct profile *p, const struct ends *e, enum completeness_by by,
			    const struct sample *s)
{
	const struct label *l =
		profile__find_label(p, s->labels, by == COMPLETENESS_BY_BINARY ? "exe" : "runtime");

	if (l && l->str)
		return profile__str(p, l->str);
	if (by == COMPLETENESS_BY_RUNTIME)
		return "native";
	if (e->binary[s->stack])
		return profile__str(p, profile__get_mapping(p, e->binary[s->stack])->filename);
	return KERNEL;
}

static int tally_at(struct completeness *c, uint32_t parent, const char *name, size_t len,
		    struct tally **ret_tally)
{
	uint32_t text, node;
	int err = intern__add(c->names, name, len, &text);

	if (!err)
		err = stack_table__push(&c->tree, parent, text, &node);
	if (err)
		return err;
	if (node > c->cap) {
		uint32_t cap = node + node / 2 + 64;
		struct tally *tallies = realloc(c->tallies, (size_t)cap * sizeof(*tallies));

		if (!tallies)
			return -ENOMEM;
		memset(tallies + c->cap, 0, (size_t)(cap - c->cap) * sizeof(*tallies));
		c->tallies = tallies;
		c->cap = cap;
	}
	*ret_tally = &c->tallies[node - 1];
	(*ret_tally)->node = node;
	return 0;
}

static int count_one(struct completeness *c, const char *row, const char *reason, size_t reason_len,
		     int64_t value)
{
	struct tally *t;
	int err = tally_at(c, 0, row, strlen(row), &t);

	if (err)
		return err;
	t->total = saturated_add(t->total, value);
	if (!reason) {
		t->complete = saturated_add(t->complete, value);
		return 0;
	}
	err = tally_at(c, t->node, reason, reason_len, &t);
	if (!err)
		t->total = saturated_add(t->total, value);
	return err;
}

static int count_samples(struct completeness *c, const struct profile *p, enum completeness_by by,
			 uint32_t type)
{
	struct ends e = {0};
	int err = ends__init(&e, p);

	for (uint32_t i = 0; !err && i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		size_t len = 0;
		const char *reason = cut_reason(p, &e, s->stack, &len);

		err = count_one(c, "", reason, len, s->values[type]);
		if (!err)
			err = count_one(c, row_name(p, &e, by, s), reason, len, s->values[type]);
	}
	ends__done(&e);
	return err;
}

struct order {
	const struct completeness *c;
	const int64_t *totals; /* [node - 1] */
};

static int compare_names(const struct completeness *c, uint32_t a, uint32_t b)
{
	return strcmp(intern__str(c->names, stack_table__node(&c->tree, a)->item, NULL),
		      intern__str(c->names, stack_table__node(&c->tree, b)->item, NULL));
}

/* "all" first, then rows by value, each followed by its reasons by value. */
static int compare_tallies(const void *a, const void *b, void *ctx)
{
	const struct order *o = ctx;
	const struct tally *x = a, *y = b;
	uint32_t x_row = stack_table__node(&o->c->tree, x->node)->parent,
		 y_row = stack_table__node(&o->c->tree, y->node)->parent;
	uint32_t x_top = x_row ? x_row : x->node, y_top = y_row ? y_row : y->node;

	if (x_top != y_top) {
		if (x_top == ALL_NODE || y_top == ALL_NODE)
			return x_top == ALL_NODE ? -1 : 1;
		if (o->totals[x_top - 1] != o->totals[y_top - 1])
			return o->totals[x_top - 1] > o->totals[y_top - 1] ? -1 : 1;
		return compare_names(o->c, x_top, y_top);
	}
	if (!x_row || !y_row)
		return !x_row ? (!y_row ? 0 : -1) : 1;
	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return compare_names(o->c, x->node, y->node);
}

static int sort_tallies(struct completeness *c)
{
	uint32_t n = stack_table__count(&c->tree);
	int64_t *totals = malloc(((size_t)n + 1) * sizeof(*totals));
	struct order o = {c, totals};

	c->rows = calloc((size_t)n + 1, sizeof(*c->rows));
	if (!totals || !c->rows) {
		free(totals);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		totals[i] = c->tallies[i].total;
	if (n)
		qsort_r(c->tallies, n, sizeof(*c->tallies), compare_tallies, &o);
	free(totals);
	for (uint32_t i = 0; i < n; i++) {
		if (!stack_table__node(&c->tree, c->tallies[i].node)->parent)
			c->rows[c->n_rows++] = i;
	}
	c->rows[c->n_rows] = n;
	return 0;
}

int completeness__new(const struct profile *p, enum completeness_by by, const char *type,
		      struct completeness **ret_completeness, struct err *e)
{
	struct completeness *c;
	struct tally *all;
	uint32_t t;
	int err;

	if (!profile__sealed(p))
		return -EINVAL;
	err = profile__find_type(p, type, &t);
	if (err)
		return err__set(e, err, "the profile has no sample type '%s'", type ? type : "");
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->unit = profile__str(p, profile__type(p, t).unit);
	c->by = by == COMPLETENESS_BY_BINARY ? "binary" : "runtime";
	stack_table__init(&c->tree, 0);
	c->names = intern__new(NAMES_LIMIT);
	/* node ALL_NODE, under a name that no row has */
	err = c->names ? tally_at(c, 0, "", 0, &all) : -ENOMEM;
	if (!err)
		err = count_samples(c, p, by, t);
	if (!err)
		err = sort_tallies(c);
	if (err)
		completeness__free(c);
	else
		*ret_completeness = c;
	return err;
}

void completeness__free(struct completeness *c)
{
	if (!c)
		return;
	intern__free(c->names);
	stack_table__done(&c->tree);
	free(c->tallies);
	free(c->rows);
	free(c);
}

uint32_t completeness__n_rows(const struct completeness *c)
{
	return c->n_rows;
}

static const char *name_of(const struct completeness *c, const struct tally *t)
{
	if (t->node == ALL_NODE)
		return "all";
	return intern__str(c->names, stack_table__node(&c->tree, t->node)->item, NULL);
}

struct completeness_row completeness__row(const struct completeness *c, uint32_t row)
{
	const struct tally *t = &c->tallies[c->rows[row]];

	return (struct completeness_row){.name = name_of(c, t),
					 .total = t->total,
					 .complete = t->complete,
					 .n_reasons = c->rows[row + 1] - c->rows[row] - 1};
}

struct completeness_reason completeness__reason(const struct completeness *c, uint32_t row, uint32_t i)
{
	const struct tally *t = &c->tallies[c->rows[row] + 1 + i];

	return (struct completeness_reason){.name = name_of(c, t), .value = t->total};
}

void completeness__print(const struct completeness *c, uint32_t n_rows, bool colour, struct buf *to)
{
	uint32_t n = n_rows && n_rows + 1 < c->n_rows ? n_rows + 1 : c->n_rows;

	buf__printf(to, "%s%8s %12s %8s  %s%s\n", colour ? "\033[1m" : "", "whole", "value", "share", c->by,
		    colour ? "\033[0m" : "");
	for (uint32_t i = 0; i < n; i++) {
		struct completeness_row r = completeness__row(c, i);
		int64_t all = completeness__row(c, 0).total;

		buf__printf(to, "%8s %12s %8s  ", amount__percent(r.complete, r.total).text,
			    amount__format(r.total, c->unit).text, amount__percent(r.total, all).text);
		printable__append(to, r.name);
		for (uint32_t k = 0; k < r.n_reasons; k++) {
			struct completeness_reason reason = completeness__reason(c, i, k);

			buf__append_str(to, k ? ", " : "  (");
			printable__append(to, reason.name);
			buf__printf(to, " %s%s", amount__percent(reason.value, r.total).text,
				    k + 1 == r.n_reasons ? ")" : "");
		}
		buf__append_char(to, '\n');
	}
	if (n < c->n_rows)
		buf__printf(to, "and %u more\n", c->n_rows - n);
}
