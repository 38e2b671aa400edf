/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/profile/stack_table.h"

/* A whole stack, leaf first: its id. */
static uint32_t push_all(struct stack_table *t, const uint32_t *items, uint32_t n)
{
	uint32_t id = 0;

	while (n--)
		assert_int_equal(stack_table__push(t, id, items[n], &id), 0);
	return id;
}

static void same_callers_share_nodes(void **state)
{
	struct stack_table t;
	uint32_t read_id, write_id, again;

	(void)state;
	stack_table__init(&t, 0);
	/* leaf first: read <- run <- main, write <- run <- main */
	read_id = push_all(&t, (uint32_t[]){30, 20, 10}, 3);
	write_id = push_all(&t, (uint32_t[]){40, 20, 10}, 3);
	again = push_all(&t, (uint32_t[]){30, 20, 10}, 3);
	assert_int_equal(stack_table__count(&t), 4);
	assert_int_equal(read_id, again);
	assert_int_not_equal(read_id, write_id);
	assert_int_equal(stack_table__node(&t, read_id)->parent, stack_table__node(&t, write_id)->parent);
	assert_int_equal(push_all(&t, (uint32_t[]){10}, 1), 1);
	stack_table__done(&t);
}

static void what_is_appended_stands_beside_its_equals(void **state)
{
	struct stack_table t;
	uint32_t a, b, leaf, out[4];

	(void)state;
	stack_table__init(&t, 1 << 20);
	assert_int_equal(stack_table__append(&t, 0, 10, &a), 0);
	assert_int_equal(stack_table__append(&t, 0, 10, &b), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(stack_table__append(&t, b, 20, &leaf), 0);
	assert_int_equal(stack_table__get(&t, leaf, out, 4), 2);
	assert_int_equal(out[0], 20);
	assert_int_equal(out[1], 10);
	assert_int_equal(stack_table__append(&t, leaf + 1, 30, &leaf), -EINVAL);
	/* no index was made */
	assert_true(stack_table__bytes(&t) < 1 << 10);
	stack_table__done(&t);
}

static void a_stack_comes_back_leaf_first_and_tells_its_depth_past_the_buffer(void **state)
{
	struct stack_table t;
	uint32_t id, out[2] = {0};

	(void)state;
	stack_table__init(&t, 0);
	id = push_all(&t, (uint32_t[]){3, 2, 1}, 3);
	assert_int_equal(stack_table__get(&t, id, out, 2), 3);
	assert_int_equal(out[0], 3);
	assert_int_equal(out[1], 2);
	assert_int_equal(stack_table__get(&t, 0, out, 2), 0);
	stack_table__done(&t);
}

static void a_parent_that_is_not_there_is_refused(void **state)
{
	struct stack_table t;
	uint32_t id = 77;

	(void)state;
	stack_table__init(&t, 0);
	assert_int_equal(stack_table__push(&t, 1, 5, &id), -EINVAL);
	assert_int_equal(id, 77);
	stack_table__done(&t);
}

static void a_million_nodes_stay_findable_at_seventeen_bytes_and_a_quarter_of_slack_each(void **state)
{
	struct stack_table t;
	uint32_t id, n = 1000000;

	(void)state;
	stack_table__init(&t, 0);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(stack_table__push(&t, i / 3, i, &id), 0);
	assert_int_equal(stack_table__count(&t), n);
	for (uint32_t i = 0; i < n; i++)
		assert_true(!stack_table__push(&t, i / 3, i, &id) && id == i + 1);
	assert_int_equal(stack_table__count(&t), n);
	assert_true(stack_table__bytes(&t) < 22 * (size_t)n);
	stack_table__done(&t);
}

static void past_the_limit_pushing_fails_and_what_is_there_stays(void **state)
{
	struct stack_table t;
	uint32_t id, i = 0;
	int err;

	(void)state;
	stack_table__init(&t, 64 * 1024);
	while (!(err = stack_table__push(&t, 0, i, &id)))
		i++;
	assert_int_equal(err, -E2BIG);
	assert_true(i > 2000);
	assert_true(stack_table__bytes(&t) <= 64 * 1024);
	assert_int_equal(stack_table__push(&t, 0, i - 1, &id), 0);
	assert_int_equal(id, i);
	assert_int_equal(stack_table__push(&t, 0, 5, &id), 0);
	assert_int_equal(id, 6);
	stack_table__done(&t);
}

static void a_trimmed_table_is_read_only_and_smaller(void **state)
{
	struct stack_table t;
	uint32_t id, out[1];

	(void)state;
	stack_table__init(&t, 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(stack_table__push(&t, 0, i, &id), 0);
	stack_table__trim(&t);
	assert_int_equal(stack_table__bytes(&t), 100 * sizeof(struct stack_node));
	assert_int_equal(stack_table__push(&t, 0, 5, &id), -EROFS);
	assert_int_equal(stack_table__get(&t, 100, out, 1), 1);
	assert_int_equal(out[0], 99);
	stack_table__done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_callers_share_nodes),
		cmocka_unit_test(what_is_appended_stands_beside_its_equals),
		cmocka_unit_test(a_stack_comes_back_leaf_first_and_tells_its_depth_past_the_buffer),
		cmocka_unit_test(a_parent_that_is_not_there_is_refused),
		cmocka_unit_test(
			a_million_nodes_stay_findable_at_seventeen_bytes_and_a_quarter_of_slack_each),
		cmocka_unit_test(past_the_limit_pushing_fails_and_what_is_there_stays),
		cmocka_unit_test(a_trimmed_table_is_read_only_and_smaller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
