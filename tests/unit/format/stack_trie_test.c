/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporters/format/stack_trie.h"
#include "tests/support/profile_text.h"

struct asked {
	const struct profile *p;
	uint32_t n;
	int err;
};

/* The function's name is the item; how often that is asked is counted. */
static int item_of(void *ctx, const struct location *l, uint32_t line, uint32_t *ret)
{
	struct asked *a = ctx;

	a->n++;
	*ret = profile__get_function(a->p, profile__lines(a->p, l)[line].function)->name;
	return a->err;
}

static struct profile *three_stacks(void)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);

	put(p, "main;outer~inner;read", "", 1, 0);
	put(p, "main;outer~inner;write", "", 1, 0);
	put(p, "main;outer~inner;read", "comm=b", 1, 0);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

static uint32_t place(struct stack_trie *t, const struct profile *p, uint32_t sample)
{
	uint32_t node;

	assert_int_equal(stack_trie__place(t, profile__get_sample(p, sample)->stack, &node), 0);
	return node;
}

static void assert_path(const struct stack_trie *t, const struct profile *p, uint32_t node, const char *want)
{
	char text[256] = "";

	while (node) {
		const struct stack_node *n = stack_table__node(&t->table, node);

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
			 n->item < UINT32_MAX ? profile__str(p, n->item) : "root");
		node = n->parent;
	}
	assert_string_equal(text, want);
}

static void what_callers_share_is_walked_once(void **state)
{
	struct profile *p = three_stacks();
	struct asked asked = {.p = p};
	struct stack_trie t;
	uint32_t first, node;

	(void)state;
	stack_trie__init(&t, item_of, &asked);
	assert_int_equal(stack_trie__begin(&t, p), 0);
	first = place(&t, p, 0);
	assert_path(&t, p, first, "read inner outer main");
	assert_int_equal(asked.n, 4);
	/* sealed samples stand by their stacks */
	assert_int_equal(place(&t, p, 1), first);
	assert_int_equal(asked.n, 4);
	assert_path(&t, p, place(&t, p, 2), "write inner outer main");
	assert_int_equal(asked.n, 5);
	assert_int_equal(stack_table__count(&t.table), 5);
	/* the empty stack ends where all begin */
	assert_int_equal(stack_trie__place(&t, 0, &node), 0);
	assert_int_equal(node, 0);
	stack_trie__done(&t);
	profile__free(p);
}

static void below_another_root_stands_another_node(void **state)
{
	struct profile *p = three_stacks();
	struct asked asked = {.p = p};
	struct stack_trie t;
	uint32_t first, root, node;

	(void)state;
	stack_trie__init(&t, item_of, &asked);
	assert_int_equal(stack_trie__begin(&t, p), 0);
	first = place(&t, p, 0);
	assert_int_equal(stack_table__push(&t.table, 0, UINT32_MAX, &root), 0);
	stack_trie__set_root(&t, root);
	node = place(&t, p, 0);
	assert_int_not_equal(node, first);
	assert_path(&t, p, node, "read inner outer main root");
	assert_int_equal(stack_trie__place(&t, 0, &node), 0);
	assert_int_equal(node, root);
	stack_trie__set_root(&t, 0);
	assert_int_equal(place(&t, p, 0), first);
	/* a second profile meets the nodes of the first */
	assert_int_equal(stack_trie__begin(&t, p), 0);
	assert_int_equal(place(&t, p, 0), first);
	stack_trie__done(&t);
	profile__free(p);
}

static void what_the_items_say_is_handed_on(void **state)
{
	struct profile *p = three_stacks();
	struct asked asked = {.p = p, .err = -E2BIG};
	struct stack_trie t;
	uint32_t node;

	(void)state;
	stack_trie__init(&t, item_of, &asked);
	assert_int_equal(stack_trie__begin(&t, p), 0);
	assert_int_equal(stack_trie__place(&t, profile__get_sample(p, 0)->stack, &node), -E2BIG);
	asked.err = 0;
	assert_path(&t, p, place(&t, p, 0), "read inner outer main");
	stack_trie__done(&t);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_callers_share_is_walked_once),
		cmocka_unit_test(below_another_root_stands_another_node),
		cmocka_unit_test(what_the_items_say_is_handed_on),
	};

	return cmocka_run_group_tests_name("stack_trie", tests, NULL, NULL);
}
