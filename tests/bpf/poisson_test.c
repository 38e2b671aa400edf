// SPDX-License-Identifier: Apache-2.0
/* The integer arithmetic of bpf/poisson.h against the same in floating point, and sums of what it takes against what there was. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/poisson.h"

static uint64_t random64(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x * 0x2545f4914f6cdd1dull;
}

static void weight_is_length_by_chance(void **state)
{
	static const uint64_t intervals[] = {1000,     20000,      1000000,
					     20000000, 1000000000, POISSON_INTERVAL_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
		for (double x = 1e-4; x < 100; x *= 1.01) {
			uint64_t d = (uint64_t)(x * (double)intervals[i]);
			double want, got;

			if (d < 100)
				continue;
			want = (double)d / -expm1(-(double)d / (double)intervals[i]);
			got = (double)poisson__weight(d, intervals[i]);
			assert_true(fabs(got - want) < 1e-4 * want + 2);
		}
	}
}

static void waits_of_a_nanosecond_and_of_a_day_have_a_weight(void **state)
{
	(void)state;
	assert_in_range(poisson__weight(1, 20000000), 20000000, 20000001);
	assert_int_equal(poisson__weight(86400000000000ull, 20000000), 86400000000000ull);
	assert_int_equal(poisson__weight(86400000000000ull, POISSON_INTERVAL_MAX), 86400000000000ull);
	assert_int_equal(poisson__weight(5, 0), 5);
}

static void distances_are_exponential(void **state)
{
	const uint64_t interval = 20000000;
	const int n = 4000000;
	double sum = 0, squares = 0;
	int below = 0, far = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		double x = (double)poisson__distance(random64(), interval) / (double)interval;

		sum += x;
		squares += x * x;
		below += x < 0.1;
		far += x > 3;
	}
	/* four standard errors */
	assert_true(fabs(sum / n - 1) < 4.0 / sqrt(n) + 5e-5);
	assert_true(fabs(squares / n - 2) < 4 * sqrt(20.0 / n) + 2e-4);
	assert_true(fabs((double)below / n - -expm1(-0.1)) < 4 * sqrt(0.1 / n) + 1e-4);
	assert_true(fabs((double)far / n - exp(-3)) < 4 * sqrt(0.05 / n) + 1e-4);
}

static void ends_of_the_random_range_are_distances_too(void **state)
{
	(void)state;
	assert_true(poisson__distance(0, POISSON_INTERVAL_MAX) > 40 * POISSON_INTERVAL_MAX);
	assert_true(poisson__distance(0, POISSON_INTERVAL_MAX) < 50 * POISSON_INTERVAL_MAX);
	assert_true(poisson__distance(UINT64_MAX, POISSON_INTERVAL_MAX) < POISSON_INTERVAL_MAX / 1000);
}

/* Waits from a microsecond to seconds, as a machine has them: what was taken adds up to what there was, for each length. */
static void sums_of_what_is_taken_are_right(void **state)
{
	static const struct {
		uint64_t d;
		int n;
	} lengths[] = {
		{1000, 2000000}, {50000, 400000}, {3000000, 40000}, {40000000, 4000}, {2000000000, 40}};
	const uint64_t interval = 20000000;
	double taken[5] = {0}, squares[5] = {0};
	int64_t left = (int64_t)poisson__distance(random64(), interval);

	(void)state;
	for (int round = 0; round < 40; round++) {
		for (size_t k = 0; k < 5; k++) {
			for (int i = 0; i < lengths[k].n / 40; i++) {
				left -= (int64_t)lengths[k].d;
				if (left >= 0)
					continue;
				taken[k] += (double)poisson__weight(lengths[k].d, interval);
				squares[k] += pow((double)poisson__weight(lengths[k].d, interval), 2);
				left = (int64_t)poisson__distance(random64(), interval);
			}
		}
	}
	for (size_t k = 0; k < 5; k++) {
		double want = (double)lengths[k].d * lengths[k].n;

		assert_true(fabs(taken[k] - want) <= 4 * sqrt(squares[k]) + 1e-4 * want);
	}
	assert_true(fabs(taken[4] / 80e9 - 1) < 1e-9); /* none of the long ones is missed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weight_is_length_by_chance),
		cmocka_unit_test(waits_of_a_nanosecond_and_of_a_day_have_a_weight),
		cmocka_unit_test(distances_are_exponential),
		cmocka_unit_test(ends_of_the_random_range_are_distances_too),
		cmocka_unit_test(sums_of_what_is_taken_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
