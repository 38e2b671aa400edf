/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a flame graph wants each path of calls once, with what ended there and what passed through; a profile has stacks whose locations
 * hold several inlined functions, and which differ by address and by label where the picture does not.
 *
 * Idea: a trie of (parent, frame), each step found by hash: stack_trie. With a root label the walk is done once for each of the label's texts. At the end
 * children are sorted by name, sums go up, and the trie is written out in preorder, where small children become one.
 *
 * Invariants: self adds up to the root's total on each side; a node's total is its self plus its children's totals.
 *
 * Cost: 40 bytes a node of the trie, one hash lookup a node of the profile's tree and inlined function (and root label).
 *
 * What it does not do: decide what is drawn. Widths, colours and cutting to pixels are the writers' and the viewer's.
 */
#include "exporters/format/call_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/stack_trie.h"
#include "user/base/hashmap.h"
#include "user/base/intern.h"
#include "user/profile/diff.h"
#include "user/profile/fold.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"

#define TEXTS_LIMIT      ((size_t)1 << 30)
#define KERNEL_PREFIX    "[kernel"
#define TRUNCATED_PREFIX "[truncated"
#define NO_STACK         "[no stack]"
#define LABEL_TEXT_MAX   64 /* of a number, or of none */

struct call_grower {
	struct call_tree_opts opts;
	const struct profile *p; /* that is being added; type and as_base are of it */
	bool as_base;            /* all of it; else what has the label of a difference */
	struct call_tree *t;
	uint32_t type, cap_frames;
	struct hashmap frame_map;
	struct stack_trie trie; /* items: frames */
	struct side {
		int64_t self, total;
	} * values[2]; /* [base or not][node of the trie] */
	uint32_t cap_values;
	uint32_t *order, n_order,
		*first; /* children of each node: order[first[node]] … as long as the parent is the node */
	uint32_t *n_small; /* [node] = how many more are below the threshold */
	uint64_t threshold;
};

static bool frame_eq(uint32_t index, const void *key, const void *owner)
{
	const struct call_frame *a = &((const struct call_tree *)owner)->frames[index], *b = key;

	return a->name == b->name && a->binary == b->binary && a->kind == b->kind;
}

static int frame_intern(struct call_grower *g, const char *name, const char *binary, enum frame_kind kind,
			uint32_t *ret_frame)
{
	struct call_tree *t = g->t;
	struct call_frame f = {.kind = (uint8_t)kind};
	uint64_t hash;
	uint32_t at;
	int err = intern__add(t->texts, name, strlen(name), &f.name);

	if (!err)
		err = intern__add(t->texts, binary, strlen(binary), &f.binary);
	if (err)
		return err;
	hash = hash_pair(((uint64_t)f.name << 32) | f.binary, kind);
	at = hashmap__find(&g->frame_map, hash, frame_eq, &f, t);
	if (at != HASHMAP_NONE) {
		*ret_frame = at;
		return 0;
	}
	if (t->n_frames == g->cap_frames) {
		uint32_t cap = g->cap_frames + g->cap_frames / 2 + 256;
		struct call_frame *frames = realloc(t->frames, (size_t)cap * sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		t->frames = frames;
		g->cap_frames = cap;
	}
	err = hashmap__add(&g->frame_map, hash, t->n_frames);
	if (err)
		return err;
	t->frames[t->n_frames] = f;
	*ret_frame = t->n_frames++;
	return 0;
}

static enum frame_kind kind_of(const char *name, const char *binary, bool inlined)
{
	if (!strcmp(name, FOLD_NAME))
		return FRAME_FOLDED;
	if (!strncmp(binary, KERNEL_PREFIX, strlen(KERNEL_PREFIX)))
		return FRAME_KERNEL;
	if (!strncmp(name, TRUNCATED_PREFIX, strlen(TRUNCATED_PREFIX)))
		return FRAME_TRUNCATED;
	if (!*binary)
		return FRAME_JIT;
	return inlined ? FRAME_INLINED : FRAME_USER;
}

static int frame_of_line(void *ctx, const struct location *l, uint32_t i, uint32_t *ret_frame)
{
	struct call_grower *g = ctx;
	const struct function *f = profile__get_function(g->p, profile__lines(g->p, l)[i].function);
	const char *binary =
		l->mapping ? profile__str(g->p, profile__get_mapping(g->p, l->mapping)->filename) : "";
	const char *name = profile__str(g->p, f->name);

	name = *name ? name : "[unknown]";
	return frame_intern(g, name, binary, kind_of(name, binary, i + 1 < l->n_lines), ret_frame);
}

/* Without a difference nobody writes to the base: its pages are all the one page of zeros. */
static int grow_values(struct call_grower *g)
{
	uint32_t cap = g->trie.table.n + g->trie.table.n / 2 + 64;
	struct side *now = realloc(g->values[0], (size_t)cap * sizeof(*now)), *base;

	if (!now)
		return -ENOMEM;
	memset(now + g->cap_values, 0, (size_t)(cap - g->cap_values) * sizeof(*now));
	g->values[0] = now;
	base = calloc(cap, sizeof(*base));
	if (!base)
		return -ENOMEM;
	if (g->t->is_diff && g->cap_values)
		memcpy(base, g->values[1], (size_t)g->cap_values * sizeof(*base));
	free(g->values[1]);
	g->values[1] = base;
	g->cap_values = cap;
	return 0;
}

static int add_value(struct call_grower *g, uint32_t node, bool is_base, int64_t value)
{
	int err = node >= g->cap_values ? grow_values(g) : 0;
	struct side *side;

	if (err)
		return err;
	side = &g->values[is_base][node];
	side->self = saturated_add(side->self, value);
	return 0;
}

static int place_nothing(struct call_grower *g, uint32_t *node)
{
	uint32_t frame;
	int err = frame_intern(g, NO_STACK, "", FRAME_TRUNCATED, &frame);

	return err ? err : stack_table__push(&g->trie.table, g->trie.root, frame, node);
}

static int add_sample(struct call_grower *g, const struct sample *s)
{
	int64_t value = s->values[g->type];
	bool is_negated =
		g->t->is_diff && !g->as_base && profile__find_label(g->p, s->labels, DIFF_BASE_LABEL);
	uint32_t node;
	int err;

	if (!value)
		return 0;
	err = s->stack ? stack_trie__place(&g->trie, s->stack, &node) : place_nothing(g, &node);
	if (!err && stack_table__count(&g->trie.table) > CALL_TREE_NODES_MAX)
		err = -E2BIG;
	return err ? err
		   : add_value(g, node, g->as_base || is_negated,
			       is_negated ? saturated_negate(value) : value);
}

static const char *label_text(const struct call_grower *g, uint32_t labels, char text[LABEL_TEXT_MAX])
{
	const struct label *l = profile__find_label(g->p, labels, g->opts.root_label);

	if (l && l->str)
		return profile__str(g->p, l->str);
	if (l)
		snprintf(text, LABEL_TEXT_MAX, "%" PRId64, l->num);
	else
		snprintf(text, LABEL_TEXT_MAX, PROFILE_NO_LABEL, g->opts.root_label);
	return text;
}

struct labelled {
	uint32_t frame, sample;
};

static int compare_labelled(const void *a, const void *b)
{
	const struct labelled *x = a, *y = b;

	if (x->frame != y->frame)
		return x->frame < y->frame ? -1 : 1;
	return x->sample < y->sample ? -1 : 1;
}

/* Samples of one label's text after the other, as the trie likes it. */
static int add_labelled(struct call_grower *g)
{
	uint32_t n = profile__n_samples(g->p), last = UINT32_MAX, root = 0;
	struct labelled *all = malloc(((size_t)n + 1) * sizeof(*all));
	char text[LABEL_TEXT_MAX];
	int err = all ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < n; i++) {
		all[i].sample = i;
		err = frame_intern(g, label_text(g, profile__get_sample(g->p, i)->labels, text), "",
				   FRAME_LABEL, &all[i].frame);
	}
	if (!err && n)
		qsort(all, n, sizeof(*all), compare_labelled);
	for (uint32_t i = 0; !err && i < n; i++) {
		if (all[i].frame != last) {
			last = all[i].frame;
			err = stack_table__push(&g->trie.table, 0, last, &root);
			stack_trie__set_root(&g->trie, root);
		}
		if (!err)
			err = add_sample(g, profile__get_sample(g->p, all[i].sample));
	}
	free(all);
	return err;
}

static int add_samples(struct call_grower *g)
{
	int err = stack_trie__begin(&g->trie, g->p);

	if (!err && g->opts.root_label)
		err = add_labelled(g);
	for (uint32_t i = 0; !g->opts.root_label && !err && i < profile__n_samples(g->p); i++)
		err = add_sample(g, profile__get_sample(g->p, i));
	return err;
}

/* Parents come before their children in the trie. */
static void add_up(struct call_grower *g)
{
	for (int i = 0; i < 1 + g->t->is_diff; i++) {
		struct side *v = g->values[i];

		for (uint32_t n = g->trie.table.n; n > 0; n--) {
			uint32_t parent = stack_table__node(&g->trie.table, n)->parent;

			v[n].total = saturated_add(v[n].total, v[n].self);
			v[parent].total = saturated_add(v[parent].total, v[n].total);
		}
		v[0].total = saturated_add(v[0].total, v[0].self);
	}
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static bool is_small(const struct call_grower *g, uint32_t node)
{
	uint64_t a = magnitude(g->values[0][node].total), b = magnitude(g->values[1][node].total);

	return (a > b ? a : b) < g->threshold;
}

/* By name; of one parent. */
static int compare_children(const void *a, const void *b, void *ctx)
{
	const struct call_grower *g = ctx;
	const uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct call_frame *f = &g->t->frames[stack_table__node(&g->trie.table, i)->item],
				*h = &g->t->frames[stack_table__node(&g->trie.table, k)->item];
	int c = strcmp(intern__str(g->t->texts, f->name, NULL), intern__str(g->t->texts, h->name, NULL));

	if (!c)
		c = strcmp(intern__str(g->t->texts, f->binary, NULL),
			   intern__str(g->t->texts, h->binary, NULL));
	return c ? c : (int)f->kind - (int)h->kind;
}

/* first[] counts each node's children; order[] gets them, of one node after the other, and first[] where they begin. */
static void deal_out(struct call_grower *g)
{
	for (uint32_t node = 0, count; node <= g->trie.table.n; node++, g->n_order += count) {
		count = g->first[node];
		g->first[node] = g->n_order;
	}
	for (uint32_t node = 1; node <= g->trie.table.n; node++)
		if (!is_small(g, node))
			g->order[g->first[stack_table__node(&g->trie.table, node)->parent]++] = node;
	/* each has moved on to its end, which is where the next begins */
	for (uint32_t node = g->trie.table.n; node > 0; node--)
		g->first[node] = g->first[node - 1];
	g->first[0] = 0;
}

/* Children that will be written; those that are too small are counted. Most nodes have one child, so few are left to be compared. */
static int sort_children(struct call_grower *g)
{
	uint32_t n = g->trie.table.n;

	g->order = malloc(((size_t)n + 1) * sizeof(*g->order));
	g->first = calloc((size_t)n + 1, sizeof(*g->first));
	g->n_small = calloc((size_t)n + 1, sizeof(*g->n_small));
	if (!g->order || !g->first || !g->n_small)
		return -ENOMEM;
	for (uint32_t node = 1; node <= n; node++)
		(is_small(g, node) ? g->n_small
				   : g->first)[stack_table__node(&g->trie.table, node)->parent]++;
	deal_out(g);
	for (uint32_t node = 0; node <= n; node++) {
		uint32_t first = g->first[node], end = node < n ? g->first[node + 1] : g->n_order;

		if (end - first > 1)
			qsort_r(g->order + first, end - first, sizeof(*g->order), compare_children, g);
	}
	return 0;
}

static bool is_child(const struct call_grower *g, uint32_t at, uint32_t node)
{
	return at < g->n_order && stack_table__node(&g->trie.table, g->order[at])->parent == node;
}

/* What of a node's total is neither its own nor a large child's. */
static int64_t small_total(const struct call_grower *g, uint32_t node, int side)
{
	const struct side *v = g->values[side];
	int64_t rest = saturated_add(v[node].total, saturated_negate(v[node].self));

	for (uint32_t at = g->first[node]; is_child(g, at, node); at++)
		rest = saturated_add(rest, saturated_negate(v[g->order[at]].total));
	return rest;
}

/* What the children that are too small add up to, as one node. */
static int write_folded(struct call_grower *g, uint32_t node, uint32_t depth)
{
	struct call_node sum = {.depth = depth};
	char name[48];
	int err;

	if (!g->n_small[node])
		return 0;
	sum.self = sum.total = small_total(g, node, 0);
	sum.base_self = sum.base_total = small_total(g, node, 1);
	if (!sum.self && !sum.base_self)
		return 0;
	snprintf(name, sizeof(name), "(%u below the threshold)", g->n_small[node]);
	err = frame_intern(g, name, "", FRAME_FOLDED, &sum.frame);
	if (err)
		return err;
	g->t->nodes[g->t->n_nodes++] = sum;
	g->t->n_folded += g->n_small[node];
	if (depth > g->t->max_depth)
		g->t->max_depth = depth;
	return 0;
}

static void write_node(struct call_grower *g, uint32_t node, uint32_t frame, uint32_t depth)
{
	struct call_node *to = &g->t->nodes[g->t->n_nodes++];

	*to = (struct call_node){
		.frame = frame,
		.depth = depth,
		.self = g->values[0][node].self,
		.total = g->values[0][node].total,
		.base_self = g->values[1][node].self,
		.base_total = g->values[1][node].total,
	};
	if (depth > g->t->max_depth)
		g->t->max_depth = depth;
}

/* Depth first, without recursion: first[node] runs on as its children are written. */
static int write_preorder(struct call_grower *g)
{
	uint32_t node = 0, depth = 0, frame;
	int err = frame_intern(g, "all", "", FRAME_LABEL, &frame);

	/* a node of its own for what is too small below each: at most as many again */
	g->t->nodes = malloc(((size_t)g->n_order * 2 + 2) * sizeof(*g->t->nodes));
	if (!g->t->nodes)
		return -ENOMEM;
	if (!err) {
		write_node(g, 0, frame, 0);
		err = write_folded(g, 0, 1);
	}
	while (!err) {
		if (is_child(g, g->first[node], node)) {
			node = g->order[g->first[node]++];
			write_node(g, node, stack_table__node(&g->trie.table, node)->item, ++depth);
			err = write_folded(g, node, depth + 1);
		} else if (node) {
			node = stack_table__node(&g->trie.table, node)->parent;
			depth--;
		} else {
			break;
		}
	}
	return err;
}

static bool is_difference(const struct profile *p)
{
	bool found = false;

	for (uint32_t set = 1; !found && set <= profile__n_label_sets(p); set++)
		found = profile__find_label(p, set, DIFF_BASE_LABEL) != NULL;
	return found;
}

static bool is_within(const struct call_grower *g, uint32_t node, uint32_t frame)
{
	while ((node = stack_table__node(&g->trie.table, node)->parent))
		if (stack_table__node(&g->trie.table, node)->item == frame)
			return true;
	return false;
}

/* A folded node tells how much its branches have, not of which functions: those are added up here, of the whole trie. */
static int add_rows(struct call_grower *g)
{
	uint32_t n_frames = g->t->n_frames, n = 0;
	struct call_row *rows = calloc((size_t)n_frames + 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (uint32_t node = 1; node <= g->trie.table.n; node++) {
		const struct side *now = &g->values[0][node], *base = &g->values[1][node];
		struct call_row *r = &rows[stack_table__node(&g->trie.table, node)->item];

		r->self = saturated_add(r->self, now->self);
		r->base_self = saturated_add(r->base_self, base->self);
		if (is_within(g, node, stack_table__node(&g->trie.table, node)->item))
			continue;
		r->total = saturated_add(r->total, now->total);
		r->base_total = saturated_add(r->base_total, base->total);
	}
	for (uint32_t i = 0; i < n_frames; i++) {
		uint64_t a = magnitude(rows[i].total), b = magnitude(rows[i].base_total);

		if (g->t->frames[i].kind == FRAME_LABEL || (!a && !b))
			continue;
		if ((a > b ? a : b) < g->threshold) {
			g->t->n_rows_small++;
			continue;
		}
		rows[n] = rows[i];
		rows[n++].frame = i;
	}
	g->t->rows = rows;
	g->t->n_rows = n;
	return 0;
}

int call_grower__new(const struct call_tree_opts *opts, struct call_grower **ret)
{
	struct call_grower *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	if (opts)
		g->opts = *opts;
	hashmap__init(&g->frame_map);
	stack_trie__init(&g->trie, frame_of_line, g);
	g->t = calloc(1, sizeof(*g->t));
	if (g->t)
		g->t->texts = intern__new(TEXTS_LIMIT);
	if (!g->t || !g->t->texts) {
		call_grower__free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

void call_grower__free(struct call_grower *g)
{
	if (!g)
		return;
	hashmap__done(&g->frame_map);
	stack_trie__done(&g->trie);
	call_tree__free(g->t);
	free(g->values[0]);
	free(g->values[1]);
	free(g->order);
	free(g->first);
	free(g->n_small);
	free(g);
}

int call_grower__add(struct call_grower *g, const struct profile *p, bool as_base)
{
	int err;

	if (!profile__sealed(p))
		return -EINVAL;
	err = profile__find_type(p, g->opts.type, &g->type);
	if (err)
		return err;
	g->p = p;
	g->as_base = as_base;
	g->t->is_diff |= as_base || is_difference(p);
	err = add_samples(g);
	stack_trie__end(&g->trie);
	return err;
}

void call_grower__scale_base(struct call_grower *g, int64_t num, int64_t den)
{
	__int128 left_over = 0;

	for (uint32_t i = 0; g->t->is_diff && i < g->cap_values; i++) {
		__int128 scaled = (__int128)g->values[1][i].self * num + left_over;

		left_over = scaled % den;
		scaled /= den;
		g->values[1][i].self = scaled > INT64_MAX   ? INT64_MAX
				       : scaled < INT64_MIN ? INT64_MIN
							    : (int64_t)scaled;
	}
}

int call_grower__finish(struct call_grower *g, const struct profile *head, struct call_tree **ret)
{
	uint64_t whole[2];
	uint32_t type;
	int err = profile__find_type(head, g->opts.type, &type);

	if (err)
		return err;
	/* nodes that nothing ends at may lie past the array */
	err = add_value(g, g->trie.table.n, false, 0);
	if (err)
		return err;
	g->t->type = profile__str(head, profile__type(head, type).type);
	g->t->unit = profile__str(head, profile__type(head, type).unit);
	add_up(g);
	for (int i = 0; i < 2; i++)
		whole[i] = magnitude(g->values[i][0].total);
	g->threshold =
		(uint64_t)((double)(whole[0] > whole[1] ? whole[0] : whole[1]) * g->opts.threshold_ppm / 1e6);
	if (!g->threshold)
		g->threshold = 1; /* what is nothing on both sides is not there */
	err = sort_children(g);
	if (!err)
		err = write_preorder(g);
	if (!err && g->opts.with_rows && g->t->n_folded)
		err = add_rows(g);
	if (err)
		return err;
	*ret = g->t;
	g->t = NULL;
	return 0;
}

int call_tree__new(const struct profile *p, const struct call_tree_opts *opts, struct call_tree **ret)
{
	struct call_grower *g;
	int err = call_grower__new(opts, &g);

	if (err)
		return err;
	err = call_grower__add(g, p, false);
	if (!err)
		err = call_grower__finish(g, p, ret);
	call_grower__free(g);
	return err;
}

void call_tree__free(struct call_tree *t)
{
	if (!t)
		return;
	intern__free(t->texts);
	free(t->rows);
	free(t->frames);
	free(t->nodes);
	free(t);
}

const char *call_tree__name(const struct call_tree *t, uint32_t node)
{
	return intern__str(t->texts, t->frames[t->nodes[node].frame].name, NULL);
}

const char *call_tree__binary(const struct call_tree *t, uint32_t node)
{
	return intern__str(t->texts, t->frames[t->nodes[node].frame].binary, NULL);
}

enum frame_kind call_tree__kind(const struct call_tree *t, uint32_t node)
{
	return (enum frame_kind)t->frames[t->nodes[node].frame].kind;
}
