/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/stack_trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/profile.h"

void stack_trie__init(struct stack_trie *t, stack_item_fn item_of, void *ctx)
{
	*t = (struct stack_trie){.item_of = item_of, .ctx = ctx};
	stack_table__init(&t->table, 0);
}

void stack_trie__done(struct stack_trie *t)
{
	stack_trie__end(t);
	stack_table__done(&t->table);
}

int stack_trie__begin(struct stack_trie *t, const struct profile *p)
{
	stack_trie__end(t);
	t->p = p;
	t->root = 0;
	t->place = calloc((size_t)profile__n_stacks(p) + 1, sizeof(*t->place));
	t->single = calloc((size_t)profile__n_locations(p) + 1, sizeof(*t->single));
	return t->place && t->single ? 0 : -ENOMEM;
}

void stack_trie__end(struct stack_trie *t)
{
	free(t->place);
	free(t->single);
	t->place = t->single = NULL;
	t->p = NULL;
}

void stack_trie__set_root(struct stack_trie *t, uint32_t node)
{
	if (node != t->root)
		memset(t->place, 0, ((size_t)profile__n_stacks(t->p) + 1) * sizeof(*t->place));
	t->root = node;
}

static int push_location(struct stack_trie *t, uint32_t location, uint32_t *node)
{
	const struct location *l = profile__get_location(t->p, location);
	int err = 0;

	for (uint32_t i = l->n_lines; !err && i-- > 0;) {
		uint32_t item = t->single[location] - 1;

		if (!t->single[location])
			err = t->item_of(t->ctx, l, i, &item);
		if (!err && l->n_lines == 1)
			t->single[location] = item + 1;
		if (!err)
			err = stack_table__push(&t->table, *node, item, node);
	}
	return err;
}

int stack_trie__place(struct stack_trie *t, uint32_t stack, uint32_t *ret_node)
{
	uint32_t chain[PROFILE_DEPTH_MAX], locations[PROFILE_DEPTH_MAX], n = 0, node = t->root;
	int err = 0;

	for (uint32_t s = stack; s && n < PROFILE_DEPTH_MAX; n++) {
		if (t->place[s]) {
			node = t->place[s] - 1;
			break;
		}
		chain[n] = s;
		profile__get_stack_node(t->p, s, &locations[n], &s);
	}
	while (!err && n-- > 0) {
		err = push_location(t, locations[n], &node);
		if (!err)
			t->place[chain[n]] = node + 1;
	}
	*ret_node = node;
	return err;
}
