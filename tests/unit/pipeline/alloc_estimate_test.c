// SPDX-License-Identifier: Apache-2.0
/* Samples of windows whose truth is known: are totals right, and is the stated error the one that totals have? */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/pipeline/alloc_estimate.h"

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) < (most))

static const struct task_key first = {.start_ns = 1, .tgid = 100}, second = {.start_ns = 2, .tgid = 200};

static void totals_are_sums_by_process_and_in_all(void **state)
{
	struct alloc_estimate e;
	struct alloc_total t;

	(void)state;
	alloc_estimate__init(&e);
	assert_int_equal(alloc_estimate__add(&e, &first, 1, 10, 1000, 0, NULL), 0);
	assert_int_equal(alloc_estimate__add(&e, &second, 1, 5, 50, 0, NULL), 0);
	assert_int_equal(alloc_estimate__add(&e, &first, 2, 20, 2000, 0, NULL), 0);
	t = alloc_estimate__total(&e.all, 2);
	assert_near(t.objects, 35, 1e-9);
	assert_near(t.bytes, 3050, 1e-9);
	alloc_estimate__sort(&e);
	assert_int_equal(e.n, 2);
	assert_int_equal(e.processes[0].key.tgid, 100);
	t = alloc_estimate__total(&e.processes[0].moments, 2);
	assert_near(t.objects, 30, 1e-9);
	/* two windows of 10 and 20: their sum is known to sqrt(2) * the standard deviation of 7.07 */
	assert_near(t.objects_error, 10, 1e-9);
	alloc_estimate__done(&e);
}

static void rows_of_a_window_may_come_late(void **state)
{
	struct alloc_estimate e;
	struct alloc_total t;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 1; round <= 100; round++) {
		alloc_estimate__add(&e, &first, round, 1, 0, 0, NULL);
		if (round > 5) /* of one that ended a while ago */
			alloc_estimate__add(&e, &first, round - 5, 1, 0, 0, NULL);
	}
	t = alloc_estimate__total(&e.all, 100);
	assert_near(t.objects, 195, 1e-9);
	/* 95 windows of 2 and 5 of 1 */
	assert_near(t.objects_error, sqrt((95 * 4 + 5 - 195.0 * 195 / 100) * 100 / 99), 1e-6);
	alloc_estimate__done(&e);
}

/* A thousand profiles of a program that is seen in one window of three: two thirds are within a standard error. */
static void the_error_is_the_one_that_totals_have(void **state)
{
	enum { PROFILES = 1000, WINDOWS = 100 };
	const double truth = WINDOWS * 300.0 / 3;
	int within = 0;

	(void)state;
	srand48(7);
	for (int i = 0; i < PROFILES; i++) {
		struct alloc_estimate e;
		struct alloc_total t;

		alloc_estimate__init(&e);
		for (uint32_t round = 1; round <= WINDOWS; round++)
			if (drand48() < 1.0 / 3)
				alloc_estimate__add(&e, &first, round, 300, 0, 0, NULL);
		t = alloc_estimate__total(&e.all, WINDOWS);
		within += fabs(t.objects - truth) < t.objects_error;
		alloc_estimate__done(&e);
	}
	assert_in_range(within, PROFILES * 63 / 100, PROFILES * 73 / 100);
}

static void what_is_not_known_of_the_probes_cost_is_part_of_the_error(void **state)
{
	struct alloc_estimate e;
	struct alloc_total t;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 1; round <= 50; round++)
		alloc_estimate__add(&e, &first, round, 10, 0, 0.2, NULL);
	t = alloc_estimate__total(&e.all, 50);
	assert_near(t.objects_error, 100, 1e-6);
	alloc_estimate__done(&e);
}

static void processes_past_the_limit_are_in_the_total(void **state)
{
	struct alloc_estimate e;
	struct task_key key = {.start_ns = 1};

	(void)state;
	alloc_estimate__init(&e);
	for (key.tgid = 1; key.tgid <= ALLOC_ESTIMATES_MAX; key.tgid++)
		assert_int_equal(alloc_estimate__add(&e, &key, 1, 1, 1, 0, NULL), 0);
	assert_int_not_equal(alloc_estimate__add(&e, &key, 1, 1, 1, 0, NULL), 0);
	assert_int_equal(e.n_left_out, 1);
	assert_near(alloc_estimate__total(&e.all, 1).objects, ALLOC_ESTIMATES_MAX + 1, 1e-9);
	alloc_estimate__clear(&e);
	assert_int_equal(alloc_estimate__add(&e, &key, 2, 1, 1, 0, NULL), 0);
	assert_near(alloc_estimate__total(&e.all, 1).objects, 1, 1e-9);
	alloc_estimate__done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals_are_sums_by_process_and_in_all),
		cmocka_unit_test(rows_of_a_window_may_come_late),
		cmocka_unit_test(the_error_is_the_one_that_totals_have),
		cmocka_unit_test(what_is_not_known_of_the_probes_cost_is_part_of_the_error),
		cmocka_unit_test(processes_past_the_limit_are_in_the_total),
	};

	return cmocka_run_group_tests_name("alloc_estimate", tests, NULL, NULL);
}
