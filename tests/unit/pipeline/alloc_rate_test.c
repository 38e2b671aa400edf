// SPDX-License-Identifier: Apache-2.0
/* What windows say, some at a time and by chance, comes out as a rate. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/pipeline/alloc_rate.h"

static const struct task_key first = {.start_ns = 1, .tgid = 100}, second = {.start_ns = 2, .tgid = 200};

/* A window of a second in three has all; the others nothing. Mean: 1,000 bytes a second. */
static void a_rate_is_a_mean_of_many_windows(void **state)
{
	struct alloc_rates a;
	double sum = 0, lowest = INFINITY, highest = 0;
	uint64_t s = 1;

	(void)state;
	alloc_rates__init(&a);
	for (; s <= 300; s++) {
		double rate;

		if (s % 3 == 0)
			assert_int_equal(alloc_rates__add(&a, &first, s * NS_PER_SEC, 3000), 0);
		rate = alloc_rates__of(&a, &first, s * NS_PER_SEC);
		assert_true(alloc_rates__of(&a, &first, s * NS_PER_SEC) == rate); /* who asks takes nothing */
		sum += rate;
		if (s > 100) {
			lowest = fmin(lowest, rate);
			highest = fmax(highest, rate);
		}
	}
	assert_true(lowest > 800 && highest < 1200);
	/* nothing is lost: what was not told yet is to come; asked once a second at the very moment of a window it is a twentieth more */
	for (; s <= 500; s++)
		sum += alloc_rates__of(&a, &first, s * NS_PER_SEC);
	assert_true(fabs(sum / 300000 - 0.1 / -expm1(-0.1)) < 1e-6);
	assert_true(alloc_rates__of(&a, &second, 300 * NS_PER_SEC) == 0);
	alloc_rates__done(&a);
}

/* As where a rule on it comes with a reload: the first one who asks is told what the process does, not what it ever did. */
static void what_nobody_asked_for_is_past(void **state)
{
	struct alloc_rates a;

	(void)state;
	alloc_rates__init(&a);
	for (uint64_t s = 1; s <= 3600; s++)
		assert_int_equal(alloc_rates__add(&a, &first, s * NS_PER_SEC, 1e6), 0);
	assert_true(fabs(alloc_rates__of(&a, &first, 3600 * NS_PER_SEC) / 1e6 - 1) < 0.1);
	assert_true(alloc_rates__of(&a, &first, 3700 * NS_PER_SEC) < 1e6 / 1000);
	alloc_rates__done(&a);
}

static void who_stops_falls_to_nothing(void **state)
{
	struct alloc_rates a;

	(void)state;
	alloc_rates__init(&a);
	assert_int_equal(alloc_rates__add(&a, &first, NS_PER_SEC, 1e6), 0);
	assert_true(fabs(alloc_rates__of(&a, &first, NS_PER_SEC) - 1e5) < 1);
	assert_true(alloc_rates__of(&a, &first, 61 * NS_PER_SEC) < 1e6 / 1000);
	alloc_rates__done(&a);
}

static void processes_that_are_gone_make_room(void **state)
{
	struct task_key key = {.start_ns = 5};
	struct alloc_rates a;

	(void)state;
	alloc_rates__init(&a);
	for (key.tgid = 1; key.tgid <= ALLOC_RATES_MAX; key.tgid++)
		assert_int_equal(alloc_rates__add(&a, &key, NS_PER_SEC, 1), 0);
	assert_int_not_equal(alloc_rates__add(&a, &key, NS_PER_SEC, 1), 0);
	assert_int_equal(alloc_rates__add(&a, &key, 2 * NS_PER_SEC + ALLOC_RATE_FORGET_NS, 1), 0);
	assert_int_equal(a.n, 1);
	assert_true(alloc_rates__of(&a, &key, 3 * NS_PER_SEC + ALLOC_RATE_FORGET_NS) > 0);
	alloc_rates__done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_a_mean_of_many_windows),
		cmocka_unit_test(what_nobody_asked_for_is_past),
		cmocka_unit_test(who_stops_falls_to_nothing),
		cmocka_unit_test(processes_that_are_gone_make_room),
	};

	return cmocka_run_group_tests_name("alloc_rate", tests, NULL, NULL);
}
