/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/pipeline/deadlock.h"

#define NO   DEADLOCK_NOBODY
#define MANY 20000

static void who_waits_for_nobody_is_in_no_circle(void **state)
{
	const uint32_t holder_of[] = {NO, 0, 1, NO, 3};
	uint32_t circle[5];

	(void)state;
	assert_int_equal(deadlock__find(holder_of, 5, circle), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(circle[i], 0);
}

static void circles_are_numbered_and_who_leads_into_one_is_not_in_it(void **state)
{
	/* 0 <-> 1, 2 -> 0, 3 -> 2, 4 -> 5 -> 6 -> 4, 7 -> itself, 8 -> 7 */
	const uint32_t holder_of[] = {1, 0, 0, 2, 5, 6, 4, 7, 7}, want[] = {1, 1, 0, 0, 2, 2, 2, 3, 0};
	uint32_t circle[9];

	(void)state;
	assert_int_equal(deadlock__find(holder_of, 9, circle), 3);
	assert_memory_equal(circle, want, sizeof(want));
}

static void a_long_chain_before_its_circle_is_walked_once(void **state)
{
	uint32_t *holder_of = malloc(MANY * sizeof(*holder_of)), *circle = malloc(MANY * sizeof(*circle));

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		holder_of[i] = i + 1;
	holder_of[MANY - 1] = MANY - 2;
	assert_int_equal(deadlock__find(holder_of, MANY, circle), 1);
	for (uint32_t i = 0; i < MANY - 2; i++)
		assert_int_equal(circle[i], 0);
	assert_int_equal(circle[MANY - 2], 1);
	assert_int_equal(circle[MANY - 1], 1);
	free(holder_of);
	free(circle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_for_nobody_is_in_no_circle),
		cmocka_unit_test(circles_are_numbered_and_who_leads_into_one_is_not_in_it),
		cmocka_unit_test(a_long_chain_before_its_circle_is_walked_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
