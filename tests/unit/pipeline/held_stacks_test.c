// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/pipeline/held_stacks.h"

#define SIZE (offsetof(struct unfinished_record, stack) + 16)

static struct held_stacks held;
static uint64_t seen[HELD_STACKS_MAX];
static uint32_t n_seen;

static int see(void *ctx, void *record, size_t size)
{
	const struct unfinished_record *r = record;

	(void)ctx;
	assert_int_equal(size, SIZE);
	assert_int_equal(r->stack[15], (uint8_t)r->time_ns);
	seen[n_seen++] = r->time_ns;
	return 0;
}

static int add(uint32_t tgid, uint64_t time_ns, uint64_t until_ns)
{
	static struct unfinished_record r;

	r.key.tgid = tgid;
	r.time_ns = time_ns;
	r.stack[15] = (uint8_t)time_ns;
	r.stack_bytes = 16;
	return held_stacks__add(&held, &r, until_ns);
}

static int setup(void **state)
{
	(void)state;
	n_seen = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	held_stacks__done(&held);
	assert_int_equal(held.bytes, 0);
	return 0;
}

static void an_answer_is_for_older_stacks_of_its_process(void **state)
{
	const struct task_key seven = {.tgid = 7};

	(void)state;
	assert_int_equal(add(7, 1, 100), 0);
	assert_int_equal(add(8, 2, 100), 0);
	assert_int_equal(add(7, 3, 100), 0);
	assert_int_equal(add(7, 5, 100), 0);
	held_stacks__answer(&held, &seven, 5, see, NULL);
	assert_int_equal(n_seen, 2);
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 3);
	assert_int_equal(held.n, 2);
	assert_int_equal(held.bytes, 2 * SIZE);
}

static void none_waits_longer_than_it_may(void **state)
{
	(void)state;
	assert_int_equal(add(7, 1, 100), 0);
	assert_int_equal(add(8, 2, 101), 0);
	held_stacks__expire(&held, 99, see, NULL);
	assert_int_equal(n_seen, 0);
	held_stacks__expire(&held, 100, see, NULL);
	assert_int_equal(n_seen, 1);
	assert_int_equal(seen[0], 1);
	held_stacks__expire(&held, UINT64_MAX, see, NULL);
	assert_int_equal(n_seen, 2);
	assert_int_equal(held.n, 0);
}

static void there_is_room_for_so_many(void **state)
{
	(void)state;
	for (int i = 0; i < HELD_STACKS_MAX; i++)
		assert_int_equal(add(7, 1, 100), 0);
	assert_int_equal(add(7, 1, 100), -E2BIG);
	held_stacks__expire(&held, 100, see, NULL);
	held.bytes = HELD_BYTES_MAX - SIZE + 1;
	assert_int_equal(add(7, 1, 100), -E2BIG);
	held.bytes = 0;
}

/* A deep stack is kept with the piece where it begins. */
static void both_pieces_of_a_stack_are_kept(void **state)
{
	static struct unfinished_record r = {.stack_bytes = 16, .root_bytes = 4096};

	(void)state;
	unfinished_record__root(&r)[4095] = 7;
	assert_int_equal(held_stacks__add(&held, &r, 100), 0);
	assert_int_equal(held.bytes, offsetof(struct unfinished_record, stack) + 16 + 4096);
	assert_int_equal(unfinished_record__root(held.stacks[0].record)[4095], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_is_for_older_stacks_of_its_process, setup,
						teardown),
		cmocka_unit_test_setup_teardown(none_waits_longer_than_it_may, setup, teardown),
		cmocka_unit_test_setup_teardown(there_is_room_for_so_many, setup, teardown),
		cmocka_unit_test_setup_teardown(both_pieces_of_a_stack_are_kept, setup, teardown),
	};

	return cmocka_run_group_tests_name("held_stacks", tests, NULL, NULL);
}
