// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/pipeline/usage_series.h"

static void add(struct usage_series *s, struct usage_allowance *a, uint32_t pass, uint32_t rss)
{
	usage_series__add(s, a, &(struct usage_point){.pass = pass, .rss_kib = rss, .threads = 1});
}

static uint32_t at(const struct usage_series *s, uint32_t pass)
{
	const struct usage_point *p = usage_series__at(s, pass);

	return p ? p->rss_kib : 0;
}

static void what_stays_the_same_is_one_point(void **state)
{
	struct usage_allowance a = {.limit_bytes = 1 << 20};
	struct usage_series s = {0};

	(void)state;
	for (uint32_t i = 10; i < 500; i++)
		add(&s, &a, i, i < 300 ? 5 : 6);
	assert_int_equal(s.n, 2);
	assert_int_equal(at(&s, 9), 0);
	assert_int_equal(at(&s, 10), 5);
	assert_int_equal(at(&s, 299), 5);
	assert_int_equal(at(&s, 300), 6);
	assert_int_equal(at(&s, 9999), 6);
	usage_series__done(&s, &a);
	assert_int_equal(a.used_bytes, 0);
}

static void every_change_is_there_for_as_long_as_the_series_is(void **state)
{
	struct usage_allowance a = {.limit_bytes = 1 << 20};
	struct usage_series s = {0};

	(void)state;
	for (uint32_t i = 1; i <= 5000; i++)
		add(&s, &a, i, i);
	assert_int_equal(s.n, USAGE_SERIES_MAX);
	for (uint32_t i = 5000 - USAGE_SERIES_MAX + 1; i <= 5000; i++)
		assert_int_equal(at(&s, i), i);
	assert_int_equal(at(&s, 5000 - USAGE_SERIES_MAX), 0);
	assert_int_equal(a.used_bytes, USAGE_SERIES_MAX * sizeof(struct usage_point));
	usage_series__done(&s, &a);
}

static void without_an_allowance_it_is_shorter(void **state)
{
	struct usage_allowance a = {.limit_bytes = 8 * sizeof(struct usage_point)};
	struct usage_series s = {0}, none = {0};

	(void)state;
	for (uint32_t i = 1; i <= 100; i++)
		add(&s, &a, i, i);
	assert_int_equal(s.n, 8);
	assert_int_equal(at(&s, 93), 93);
	assert_int_equal(at(&s, 92), 0);
	assert_true(a.n_refused > 0);
	add(&none, &a, 101, 1); /* nothing is left for it */
	assert_int_equal(none.n, 0);
	assert_null(usage_series__at(&none, 101));
	usage_series__done(&none, &a);
	usage_series__done(&s, &a);
	assert_int_equal(a.used_bytes, 0);
}

static void old_points_go_but_the_one_that_still_holds(void **state)
{
	struct usage_allowance a = {.limit_bytes = 1 << 20};
	struct usage_series s = {0};

	(void)state;
	add(&s, &a, 1, 1);
	add(&s, &a, 2, 2);
	add(&s, &a, 2 + USAGE_SERIES_MAX, 3);
	assert_int_equal(s.n, 2);
	assert_int_equal(at(&s, 1), 0);
	assert_int_equal(at(&s, 3), 2);
	usage_series__done(&s, &a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stays_the_same_is_one_point),
		cmocka_unit_test(every_change_is_there_for_as_long_as_the_series_is),
		cmocka_unit_test(without_an_allowance_it_is_shorter),
		cmocka_unit_test(old_points_go_but_the_one_that_still_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
