/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/pipeline/alloc_rounds.h"

#define TID 7

/* As windows are opened: a measurement before each. Returns the window's number. */
static uint32_t window(struct alloc_rounds *r, double scale)
{
	alloc_rounds__next(r);
	alloc_rounds__next(r);
	alloc_rounds__begin_window(r, scale);
	return alloc_rounds__number(r);
}

static double scale_of(const struct alloc_rounds *r, uint32_t number, uint32_t tid)
{
	double scale = 0;

	assert_int_equal(alloc_rounds__scale(r, number, tid, &scale), 0);
	return scale;
}

static void all_windows_that_are_kept_can_be_asked_for(void **state)
{
	static struct alloc_rounds r;
	struct alloc_gate gate = {0};
	uint32_t numbers[ALLOC_WINDOWS_KEPT + 1];
	double scale;

	(void)state;
	alloc_rounds__init(&r, &gate);
	for (uint32_t i = 0; i <= ALLOC_WINDOWS_KEPT; i++)
		numbers[i] = window(&r, 10 + i);
	for (uint32_t i = 1; i <= ALLOC_WINDOWS_KEPT; i++)
		assert_true(scale_of(&r, numbers[i], TID) == 10 + i);
	assert_int_equal(alloc_rounds__scale(&r, numbers[0], TID, &scale), -ESTALE);
	assert_true(alloc_rounds__last_scale(&r) == 10 + ALLOC_WINDOWS_KEPT);
	/* our own calls, by which a probe's cost is measured, are nobody's that came too late */
	alloc_rounds__next(&r);
	assert_int_equal(alloc_rounds__scale(&r, alloc_rounds__number(&r), TID, &scale), -ENOENT);
	window(&r, 1);
	assert_int_equal(alloc_rounds__scale(&r, alloc_rounds__number(&r) - 1, TID, &scale), -ENOENT);
}

/* What the kernel kept of the first one would be taken for the second's, if numbers came again. */
static void who_comes_second_has_no_number_of_the_first(void **state)
{
	static struct alloc_rounds r;
	struct alloc_gate gate = {0};
	uint32_t last = 0, first;
	double scale;

	(void)state;
	alloc_rounds__init(&r, &gate);
	first = window(&r, 1);
	for (int i = 0; i < 5; i++)
		last = window(&r, 1);
	alloc_rounds__init(&r, &gate);
	alloc_rounds__next(&r);
	assert_true(alloc_rounds__number(&r) > last);
	assert_true(window(&r, 2) > last);
	assert_int_equal(alloc_rounds__scale(&r, first, TID, &scale), -ENOENT);
	assert_int_equal(alloc_rounds__scale(&r, last, TID, &scale), -ENOENT);
}

static void a_correction_is_of_one_thread_and_one_window(void **state)
{
	static struct alloc_rounds r;
	struct alloc_gate gate = {.round = UINT32_MAX - 2}; /* numbers begin anew after that */
	uint32_t before, corrected, after;

	(void)state;
	alloc_rounds__init(&r, &gate);
	before = window(&r, 10);
	corrected = window(&r, 10);
	alloc_rounds__correct(&r, TID, 1.5);
	after = window(&r, 10);
	assert_true(scale_of(&r, before, TID) == 10);
	assert_true(scale_of(&r, corrected, TID) == 15);
	assert_true(scale_of(&r, corrected, TID + 1) == 10);
	assert_true(scale_of(&r, after, TID) == 10);
	for (uint32_t i = 0; i < 2 * ALLOC_CORRECTED_MAX; i++) /* without room: uncorrected */
		alloc_rounds__correct(&r, 100 + i, 2);
	assert_true(scale_of(&r, after, 100 + ALLOC_CORRECTED_MAX - 1) == 20);
	assert_true(scale_of(&r, after, 100 + ALLOC_CORRECTED_MAX) == 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_windows_that_are_kept_can_be_asked_for),
		cmocka_unit_test(who_comes_second_has_no_number_of_the_first),
		cmocka_unit_test(a_correction_is_of_one_thread_and_one_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
