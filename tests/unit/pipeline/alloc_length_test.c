// SPDX-License-Identifier: Apache-2.0
/* By what a profile is multiplied; that many are right together is in alloc_estimate_test. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/pipeline/alloc_length.h"

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) < (most))

#define FILE_NS 1e9

static void stretches_are_brought_to_the_length(void **state)
{
	struct alloc_length l = alloc_length__of(FILE_NS, 0.8 * FILE_NS, 40, false);

	(void)state;
	assert_near(l.windows, 1.25, 1e-9);
	assert_near(l.aids, 1, 1e-9);
	l = alloc_length__of(FILE_NS, 1.25 * FILE_NS, 40, false);
	assert_near(l.windows, 0.8, 1e-9);
}

static void times_without_windows_are_not_made_up(void **state)
{
	struct alloc_length l = alloc_length__of(FILE_NS, FILE_NS / 20, 5, false);

	(void)state;
	assert_near(l.windows, 1, 1e-9);
	assert_near(l.aids, 1, 1e-9);
	l = alloc_length__of(FILE_NS, 0, 0, false);
	assert_near(l.windows, 1, 1e-9);
	assert_near(l.aids, 1, 1e-9);
}

static void who_has_a_window_speaks_for_those_without(void **state)
{
	struct alloc_length l = alloc_length__of(FILE_NS, FILE_NS, 1, false);

	(void)state;
	assert_near(l.aids, 6.0 / 5, 1e-9);
	assert_near(l.windows, 6.0 / 5, 1e-9);
	l = alloc_length__of(FILE_NS, 200 * FILE_NS, 2, false); /* one in a hundred has one */
	assert_near(l.aids, 100, 0.1);
	assert_near(l.windows, 0.5, 0.001); /* of two that stand for a hundred each */
	l = alloc_length__of(FILE_NS, FILE_NS, 1, true);
	assert_near(l.aids, 1, 1e-9);
	assert_near(l.windows, 1, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stretches_are_brought_to_the_length),
		cmocka_unit_test(times_without_windows_are_not_made_up),
		cmocka_unit_test(who_has_a_window_speaks_for_those_without),
	};

	return cmocka_run_group_tests_name("alloc_length", tests, NULL, NULL);
}
