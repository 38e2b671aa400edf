// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/alert/trend.h"

#define S   1000000000ull
#define NOW (5000 * S)

/* Least squares over the values themselves. */
static double exact_slope(const double *v, int n)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0;

	for (int i = 0; i < n; i++) {
		sx += i;
		sy += v[i];
		sxx += (double)i * i;
		sxy += i * v[i];
	}
	return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

static void a_line_has_its_slope_to_the_digit(void **state)
{
	struct trend t;
	double slope;

	(void)state;
	trend__init(&t, 1800 * S);
	for (uint64_t i = 0; i <= 1800; i++)
		trend__add(&t, NOW + i * S, 1e9 + 29000.0 * (double)i);
	assert_true(trend__slope(&t, NOW + 1800 * S, &slope));
	assert_true(fabs(slope / 29000 - 1) < 1e-6);
}

static void noise_and_teeth_have_the_slope_of_all_their_values(void **state)
{
	double v[1800], slope, exact;
	struct trend t;

	(void)state;
	srand(1);
	for (int kind = 0; kind < 3; kind++) {
		trend__init(&t, 1800 * S);
		for (int i = 0; i < 1800; i++) {
			v[i] = kind == 0   ? 1e8 + rand() % 10000000 + 20000.0 * i
			       : kind == 1 ? 1e8 + (i % 300) * 1e6
					   : 1e8 + (i / 600) * 5e7;
			trend__add(&t, NOW + (uint64_t)i * S, v[i]);
		}
		exact = exact_slope(v, 1800);
		assert_true(trend__slope(&t, NOW + 1799 * S, &slope));
		/* within what a piece hides: a fraction of what the values vary by, over the time */
		assert_true(fabs(slope - exact) < 0.02 * (fabs(exact) + 1e8 / 1800));
	}
}

static void old_values_do_not_count(void **state)
{
	struct trend t;
	double slope, mean;

	(void)state;
	trend__init(&t, 60 * S);
	for (uint64_t i = 0; i < 600; i++)
		trend__add(&t, NOW + i * S, i < 500 ? 1e6 * (double)i : 7);
	assert_true(trend__slope(&t, NOW + 599 * S, &slope));
	assert_true(fabs(slope) < 1e-9);
	assert_true(trend__mean(&t, NOW + 599 * S, &mean));
	assert_true(mean == 7);
}

static void too_little_is_not_known(void **state)
{
	struct trend t;
	double v;

	(void)state;
	trend__init(&t, 60 * S);
	assert_false(trend__slope(&t, NOW, &v));
	assert_false(trend__mean(&t, NOW, &v));
	for (uint64_t i = 0; i < 15; i++) {
		trend__add(&t, NOW + i * S, (double)i);
		assert_false(trend__slope(&t, NOW + i * S, &v));
	}
	for (uint64_t i = 15; i < 18; i++)
		trend__add(&t, NOW + i * S, (double)i);
	assert_true(trend__slope(&t, NOW + 17 * S, &v));
	assert_true(fabs(v - 1) < 1e-9);
	/* and nothing is known any more when nothing came for as long */
	assert_false(trend__slope(&t, NOW + 200 * S, &v));
	assert_false(trend__mean(&t, NOW + 200 * S, &v));
}

static void a_value_of_before_is_found_within_a_piece(void **state)
{
	struct trend t;
	double v;

	(void)state;
	trend__init(&t, 3600 * S);
	for (uint64_t i = 0; i <= 3600; i++)
		trend__add(&t, NOW + i * S, (double)i);
	assert_true(trend__at(&t, NOW + 3600 * S - 3600 * S, &v));
	assert_true(v >= 0 && v <= 120);
	assert_true(trend__at(&t, NOW + 1800 * S, &v));
	assert_true(fabs(v - 1800) <= 120);
	assert_false(trend__at(&t, NOW - 300 * S, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_its_slope_to_the_digit),
		cmocka_unit_test(noise_and_teeth_have_the_slope_of_all_their_values),
		cmocka_unit_test(old_values_do_not_count),
		cmocka_unit_test(too_little_is_not_known),
		cmocka_unit_test(a_value_of_before_is_found_within_a_piece),
	};

	return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
