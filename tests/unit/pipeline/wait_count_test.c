// SPDX-License-Identifier: Apache-2.0
/* Samples of waits, drawn as the hook draws them, come to the number that there was. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bpf/poisson.h"
#include "user/pipeline/wait_count.h"

#define PERIOD_NS 10000000

static uint64_t random_word(void)
{
	return (uint64_t)mrand48() << 32 ^ (uint64_t)mrand48() << 16 ^ (uint64_t)mrand48();
}

/* n waits of that length; what is taken of them stands for some. */
static struct wait_entry draw(uint32_t n, uint64_t d)
{
	struct wait_entry e = {.period_ns = PERIOD_NS};

	for (uint32_t i = 0; i < n; i++) {
		if (poisson__distance(random_word(), PERIOD_NS) >= d)
			continue;
		e.value += poisson__weight(d, PERIOD_NS);
		e.count += (uint32_t)(poisson__weight(d, PERIOD_NS) / d);
	}
	return e;
}

/* How many no entry takes. */
static double settle(struct wait_count *c, const struct wait_entry *e, int n, double exact, bool is_all)
{
	*c = (struct wait_count){};
	for (int i = 0; i < n; i++)
		wait_count__see(c, &e[i]);
	wait_count__move(c, exact);
	for (int i = 0; i < n; i++)
		wait_count__see_moved(c, &e[i]);
	return wait_count__settle(c, exact, is_all);
}

/* 1000 of 10 us: chance takes none of them, or one that stands for 1000, or two. Those of 200 ms it takes all. */
static void the_sum_is_what_was_counted_and_long_waits_stay(void **state)
{
	int n_taken = 0;

	(void)state;
	srand48(1);
	for (int round = 0; round < 200; round++) {
		struct wait_entry e[] = {draw(1000, 10000), draw(500, 40000), draw(20, 200000000)};
		struct wait_count c;
		double left = settle(&c, e, 3, 1520, false), sum = left;

		for (int i = 0; i < 3; i++)
			sum += wait_count__of(&c, &e[i]);
		assert_true(fabs(wait_count__of(&c, &e[2]) - 20) < 0.01);
		assert_true(fabs(sum - 1520) < 1.5);
		n_taken += e[0].count > 0;
	}
	assert_in_range(n_taken, 100, 150); /* 1 - 1/e of them */
}

/* Two kinds of the same length, in other rows: on average each has its own, as without; but the error of their sum is gone. */
static void what_is_given_to_rows_is_right_on_average(void **state)
{
	double mean[2] = {0}, raw = 0, square[2] = {0};
	const int rounds = 2000;

	(void)state;
	srand48(2);
	for (int round = 0; round < rounds; round++) {
		struct wait_entry e[] = {draw(300, 200000), draw(100, 200000)};
		struct wait_count c;

		settle(&c, e, 2, 400, true);
		for (int i = 0; i < 2; i++)
			mean[i] += wait_count__of(&c, &e[i]) / rounds;
		raw += e[0].count / (double)rounds;
		square[0] += pow(e[0].count - 300.0, 2) / rounds;
		square[1] += pow(wait_count__of(&c, &e[0]) - 300, 2) / rounds;
	}
	print_message("%.1f and %.1f, raw %.1f, error %.1f where it was %.1f\n", mean[0], mean[1], raw,
		      sqrt(square[1]), sqrt(square[0]));
	assert_true(fabs(mean[0] - 300) < 15);
	assert_true(fabs(mean[1] - 100) < 15);
	assert_true(square[1] < 0.7 * square[0]);
}

static void what_goes_on_at_an_end_of_the_window_changes_nothing(void **state)
{
	const struct wait_entry e = {.count = 10, .value = 100000, .period_ns = PERIOD_NS};
	struct wait_count c;

	(void)state;
	for (int exact = 9; exact <= 11; exact++) {
		assert_true(settle(&c, &e, 1, exact, true) <= 1);
		assert_true(wait_count__of(&c, &e) == 10);
	}
}

/* Those that are known stand for four times as many at most, unless there are no others. */
static void more_than_chance_explains_is_left_unless_there_are_no_others(void **state)
{
	const struct wait_entry e = {.count = 10, .value = 100000, .period_ns = PERIOD_NS};
	struct wait_count c;

	(void)state;
	assert_true(fabs(settle(&c, &e, 1, 100, false) - 60) < 0.1);
	assert_true(fabs(wait_count__of(&c, &e) - 40) < 0.1);
	assert_true(settle(&c, &e, 1, 100, true) == 0);
	assert_true(fabs(wait_count__of(&c, &e) - 100) < 0.1);
	/* nothing comes to less than nothing */
	settle(&c, &e, 1, 0, true);
	assert_true(wait_count__of(&c, &e) >= 0);
}

/* Of chance nothing is known: all alike. A row without an end of a wait stays so. */
static void without_an_interval_all_take_alike(void **state)
{
	const struct wait_entry e[] = {
		{.count = 10, .value = 1000}, {.count = 30, .value = 100}, {.value = 7}};
	struct wait_count c;

	(void)state;
	settle(&c, e, 3, 80, true);
	assert_true(fabs(wait_count__of(&c, &e[0]) - 20) < 0.01);
	assert_true(fabs(wait_count__of(&c, &e[1]) - 60) < 0.01);
	assert_true(wait_count__of(&c, &e[2]) == 0);
}

static void whole_counts_add_up(void **state)
{
	double left = 0;
	uint32_t sum = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		sum += wait_count__whole(3, 2.7, &left);
	assert_in_range(sum, 26, 27);
	assert_int_equal(wait_count__whole(0, 0, &left), 0);
	left = 0;
	assert_int_equal(wait_count__whole(5, 0.2, &left), 1); /* it was seen */
	assert_int_equal(wait_count__whole(5, 1e12, &left), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_what_was_counted_and_long_waits_stay),
		cmocka_unit_test(what_is_given_to_rows_is_right_on_average),
		cmocka_unit_test(what_goes_on_at_an_end_of_the_window_changes_nothing),
		cmocka_unit_test(more_than_chance_explains_is_left_unless_there_are_no_others),
		cmocka_unit_test(without_an_interval_all_take_alike),
		cmocka_unit_test(whole_counts_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
