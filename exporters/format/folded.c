/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: as text a profile is fifty times its size, so the lines cannot be collected first and then be sorted and added up.
 *
 * Idea: fold into a tree of texts. Frames become texts, each once; stacks of texts go into a calling tree (labels and addresses are
 * gone by then, so it is small: stack_trie); each node adds up what ends there. Printing walks the tree with the children of each node in
 * order and one line that grows and shrinks.
 *
 * Layout: nodes sorted by (parent, text) are runs of children; first[parent] is where a node's run begins.
 *
 * Cost: 16 bytes a text, 36 a node, 4 a location and 4 a stack of the profile; the text itself is written straight to the output.
 *
 * What it does not do: read. Folded text has lost what a profile needs.
 */
#include "exporters/format/folded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/stack_trie.h"
#include "user/base/buf.h"
#include "user/base/intern.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"

#define TEXTS_LIMIT   ((size_t)1 << 30)
#define LINE_LIMIT    ((size_t)64 << 20)
#define KERNEL_PREFIX "[kernel"
#define NO_STACK      "[no stack]"

struct folder {
	const struct profile *p;
	uint32_t type;
	const char *root_label;
	struct intern *texts;
	struct stack_trie tree; /* items: texts */
	int64_t *values;        /* [node] */
	uint32_t cap_values;
	struct buf line;
};

static void append_clean(struct buf *b, const char *s)
{
	for (; *s; s++)
		buf__append_char(b, *s == ';' ? ':' : (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
}

static int text_of_line(void *ctx, const struct location *l, uint32_t i, uint32_t *ret_text)
{
	struct folder *f = ctx;
	const struct function *fn = profile__get_function(f->p, profile__lines(f->p, l)[i].function);
	const char *name = profile__str(f->p, fn->name);
	const char *file =
		l->mapping ? profile__str(f->p, profile__get_mapping(f->p, l->mapping)->filename) : "";

	buf__clear(&f->line);
	append_clean(&f->line, *name ? name : "[unknown]");
	if (!strncmp(file, KERNEL_PREFIX, strlen(KERNEL_PREFIX)))
		buf__append_str(&f->line, "_[k]");
	else if (i + 1 < l->n_lines)
		buf__append_str(&f->line, "_[i]");
	if (buf__err(&f->line))
		return buf__err(&f->line);
	return intern__add(f->texts, (const char *)f->line.data, f->line.len, ret_text);
}

/* The node of a label's text as the first frame; 0 where there is none. */
static int root_of(struct folder *f, uint32_t labels, uint32_t *ret_node)
{
	const struct label *l = f->root_label ? profile__find_label(f->p, labels, f->root_label) : NULL;
	uint32_t text;
	int err;

	*ret_node = 0;
	if (!l)
		return 0;
	buf__clear(&f->line);
	if (l->str)
		append_clean(&f->line, profile__str(f->p, l->str));
	else
		buf__printf(&f->line, "%" PRId64, l->num);
	if (buf__err(&f->line))
		return buf__err(&f->line);
	err = intern__add(f->texts, (const char *)f->line.data, f->line.len, &text);
	return err ? err : stack_table__push(&f->tree.table, 0, text, ret_node);
}

static int push_nothing(struct folder *f, uint32_t *node)
{
	uint32_t text;
	int err = intern__add(f->texts, NO_STACK, strlen(NO_STACK), &text);

	return err ? err : stack_table__push(&f->tree.table, f->tree.root, text, node);
}

static int add_value(struct folder *f, uint32_t node, int64_t value)
{
	if (node >= f->cap_values) {
		uint32_t cap = f->tree.table.n + f->tree.table.n / 2 + 64;
		int64_t *values = realloc(f->values, (size_t)cap * sizeof(*values));

		if (!values)
			return -ENOMEM;
		memset(values + f->cap_values, 0, (size_t)(cap - f->cap_values) * sizeof(*values));
		f->values = values;
		f->cap_values = cap;
	}
	f->values[node] = saturated_add(f->values[node], value);
	return 0;
}

struct rooted {
	uint32_t root, sample;
};

static int compare_rooted(const void *a, const void *b)
{
	const struct rooted *x = a, *y = b;

	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* Samples of one root after the other, as the trie likes it. */
static int order_by_root(struct folder *f, struct rooted *to)
{
	uint32_t n = profile__n_samples(f->p);
	int err = 0;

	for (uint32_t i = 0; !err && i < n; i++) {
		to[i].sample = i;
		err = root_of(f, profile__get_sample(f->p, i)->labels, &to[i].root);
	}
	if (!err && f->root_label && n)
		qsort(to, n, sizeof(*to), compare_rooted);
	return err;
}

static int fold_sample(struct folder *f, const struct sample *s)
{
	uint32_t node;
	int err;

	if (!s->values[f->type])
		return 0;
	err = s->stack ? stack_trie__place(&f->tree, s->stack, &node) : push_nothing(f, &node);
	return err ? err : add_value(f, node, s->values[f->type]);
}

static int fold_samples(struct folder *f)
{
	uint32_t n = profile__n_samples(f->p);
	struct rooted *all = malloc(((size_t)n + 1) * sizeof(*all));
	int err = all ? stack_trie__begin(&f->tree, f->p) : -ENOMEM;

	if (!err)
		err = order_by_root(f, all);
	for (uint32_t i = 0; !err && i < n; i++) {
		stack_trie__set_root(&f->tree, all[i].root);
		err = fold_sample(f, profile__get_sample(f->p, all[i].sample));
	}
	free(all);
	/* nodes that nothing ends at may lie past the array */
	return err ? err : add_value(f, f->tree.table.n, 0);
}

static int compare_nodes(const void *a, const void *b, void *ctx)
{
	const struct folder *f = ctx;
	const struct stack_node *x = stack_table__node(&f->tree.table, *(const uint32_t *)a);
	const struct stack_node *y = stack_table__node(&f->tree.table, *(const uint32_t *)b);

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return strcmp(intern__str(f->texts, x->item, NULL), intern__str(f->texts, y->item, NULL));
}

static void print_line(struct folder *f, int64_t value, struct buf *to)
{
	if (!value)
		return;
	buf__append(to, f->line.data, f->line.len);
	buf__printf(to, " %" PRId64 "\n", value);
}

/* Depth first; `next[node]` is the place in `order` of the child to visit next, and runs on as they are visited. */
static void print_tree(struct folder *f, const uint32_t *order, uint32_t *next, struct buf *to)
{
	uint32_t node = 0, n = f->tree.table.n;

	buf__clear(&f->line);
	for (;;) {
		uint32_t at = next[node], child = at < n ? order[at] : 0;
		const char *text;
		size_t len;

		if (child && stack_table__node(&f->tree.table, child)->parent == node) {
			next[node]++;
			text = intern__str(f->texts, stack_table__node(&f->tree.table, child)->item, &len);
			if (node)
				buf__append_char(&f->line, ';');
			buf__append(&f->line, text, len);
			print_line(f, f->values[child], to);
			node = child;
		} else if (node) {
			intern__str(f->texts, stack_table__node(&f->tree.table, node)->item, &len);
			node = stack_table__node(&f->tree.table, node)->parent;
			if (f->line.len >= len + (node != 0))
				f->line.len -= len + (node != 0);
		} else {
			return;
		}
	}
}

static int print_sorted(struct folder *f, struct buf *to)
{
	uint32_t n = f->tree.table.n;
	uint32_t *order = malloc(((size_t)n + 1) * sizeof(*order));
	uint32_t *next = malloc(((size_t)n + 1) * sizeof(*next));
	int err = order && next ? 0 : -ENOMEM;

	if (err)
		goto out;
	for (uint32_t i = 0; i < n; i++)
		order[i] = i + 1;
	if (n)
		qsort_r(order, n, sizeof(*order), compare_nodes, f);
	for (uint32_t i = 0; i <= n; i++)
		next[i] = n; /* no children */
	for (uint32_t i = n; i-- > 0;)
		next[stack_table__node(&f->tree.table, order[i])->parent] = i;
	print_tree(f, order, next, to);
	err = buf__err(&f->line) ? buf__err(&f->line) : buf__err(to);
out:
	free(order);
	free(next);
	return err;
}

int folded__encode(const struct profile *p, const struct folded_opts *opts, struct buf *to)
{
	struct folder f = {.p = p};
	int err;

	if (!profile__sealed(p))
		return -EINVAL;
	err = profile__find_type(p, opts ? opts->type : NULL, &f.type);
	if (err)
		return err;
	f.root_label = opts ? opts->root_label : NULL;
	buf__init(&f.line, LINE_LIMIT);
	stack_trie__init(&f.tree, text_of_line, &f);
	f.texts = intern__new(TEXTS_LIMIT);
	err = f.texts ? fold_samples(&f) : -ENOMEM;
	if (!err)
		err = print_sorted(&f, to);
	intern__free(f.texts);
	stack_trie__done(&f.tree);
	free(f.values);
	buf__done(&f.line);
	return err;
}
