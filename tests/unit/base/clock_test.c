// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "user/base/clock.h"

static void names_are_those_of_date_u(void **state)
{
	char date[11], hms[7];

	(void)state;
	/* date -u -d @1769903999 */
	clock__format_date(1769903999ull * NS_PER_SEC + 999999999, date);
	clock__format_hms(1769903999ull * NS_PER_SEC + 999999999, hms);
	assert_string_equal(date, "2026-01-31");
	assert_string_equal(hms, "235959");
	clock__format_date(1709164800ull * NS_PER_SEC, date);
	clock__format_hms(1709164800ull * NS_PER_SEC, hms);
	assert_string_equal(date, "2024-02-29");
	assert_string_equal(hms, "000000");
	clock__format_date(0, date);
	assert_string_equal(date, "1970-01-01");
}

static void time_zone_does_not_matter(void **state)
{
	char hms[7];

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	clock__format_hms(0, hms);
	assert_string_equal(hms, "000000");
	unsetenv("TZ");
	tzset();
}

static void offset_turns_monotonic_into_wall_clock(void **state)
{
	int64_t error_ns;

	(void)state;
	error_ns = (int64_t)clock__mono_ns() + clock__mono_to_real_ns() - (int64_t)clock__real_ns();
	/* generous: a loaded machine may put us aside between the calls */
	assert_in_range(error_ns + (int64_t)NS_PER_SEC / 2, 0, NS_PER_SEC);
}

static void clocks_go_forward(void **state)
{
	const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
	uint64_t mono = clock__mono_ns(), boot = clock__boot_ns();

	(void)state;
	nanosleep(&nap, NULL);
	assert_true(clock__mono_ns() - mono >= 20 * NS_PER_MS);
	assert_true(clock__boot_ns() - boot >= 20 * NS_PER_MS);
	assert_true(clock__boot_ns() >= mono);
}

static void cpu_clocks_count_work_and_not_sleep(void **state)
{
	const struct timespec nap = {.tv_nsec = 200 * 1000 * 1000};
	uint64_t thread = clock__thread_cpu_ns(), process = clock__process_cpu_ns();

	(void)state;
	nanosleep(&nap, NULL);
	assert_true(clock__thread_cpu_ns() - thread < 100 * NS_PER_MS);
	thread = clock__thread_cpu_ns();
	while (clock__thread_cpu_ns() - thread < 20 * NS_PER_MS)
		;
	assert_true(clock__process_cpu_ns() - process >= 20 * NS_PER_MS);
}

static void limit_is_past_when_either_clock_is(void **state)
{
	struct clock_limit l = clock__limit(3600 * NS_PER_SEC, 3600 * NS_PER_SEC);

	(void)state;
	assert_false(clock__is_past(&l));
	assert_true(clock__is_past(&(struct clock_limit){.mono_ns = l.mono_ns}));
	assert_true(clock__is_past(&(struct clock_limit){.thread_cpu_ns = l.thread_cpu_ns}));
	l = clock__limit(NS_PER_MS, 3600 * NS_PER_SEC);
	while (!clock__is_past(&l))
		;
	assert_true(clock__thread_cpu_ns() > l.thread_cpu_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_date_u),
		cmocka_unit_test(time_zone_does_not_matter),
		cmocka_unit_test(offset_turns_monotonic_into_wall_clock),
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(cpu_clocks_count_work_and_not_sleep),
		cmocka_unit_test(limit_is_past_when_either_clock_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
