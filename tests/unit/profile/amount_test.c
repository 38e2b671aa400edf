/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/profile/amount.h"

static void values_are_shown_in_the_unit_that_fits(void **state)
{
	static const struct {
		int64_t value;
		const char *unit, *text;
	} cases[] = {
		{0, "nanoseconds", "0"},
		{7, "nanoseconds", "7ns"},
		{1500, "nanoseconds", "1.50us"},
		{10101010, "nanoseconds", "10.10ms"},
		{999999999, "nanoseconds", "1.00s"},
		{12345678901, "nanoseconds", "12.35s"},
		{-2500000000, "nanoseconds", "-2.50s"},
		{35999000000000, "nanoseconds", "35999.00s"},
		{36000000000000, "nanoseconds", "10.00h"},
		{INT64_MAX, "nanoseconds", "2562047.79h"},
		{1500, "milliseconds", "1.50s"},
		{3, "seconds", "3.00s"},
		{999, "bytes", "999B"},
		{1000, "bytes", "1.00kB"},
		{1500000, "bytes", "1.50MB"},
		{-2000000000, "bytes", "-2.00GB"},
		{1234567, "count", "1234567"},
		{5, "", "5"},
		{5, "widgets", "5 widgets"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(amount__format(cases[i].value, cases[i].unit).text, cases[i].text);
}

static void a_long_unit_is_cut(void **state)
{
	char unit[500];

	(void)state;
	for (size_t i = 0; i < sizeof(unit); i++)
		unit[i] = 'u';
	unit[sizeof(unit) - 1] = '\0';
	assert_int_equal(amount__format(INT64_MIN, unit).text[AMOUNT_TEXT_MAX - 1], '\0');
}

static void a_share_of_nothing_is_a_dash(void **state)
{
	(void)state;
	assert_string_equal(amount__percent(1, 3).text, "33.33%");
	assert_string_equal(amount__percent(-5, 10).text, "-50.00%");
	assert_string_equal(amount__percent(0, 10).text, "0.00%");
	assert_string_equal(amount__percent(5, 0).text, "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_shown_in_the_unit_that_fits),
		cmocka_unit_test(a_long_unit_is_cut),
		cmocka_unit_test(a_share_of_nothing_is_a_dash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
