/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/err.h"
#include "user/query/time_point.h"

#define S   1000000000ull
#define NOW (1700000000 * S)

static void every_form_gives_the_moment_it_says(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{"now", NOW},
		{"now-1h", NOW - 3600 * S},
		{"now-1h30m", NOW - 5400 * S},
		{"now-0", NOW},
		{"now-1000000h", 0},
		{"1700000000", 1700000000 * S},
		{"0", 0},
		{"2023-11-14", 1699920000 * S},
		{"2023-11-14T22:13", 1699999980 * S},
		{"2023-11-14T22:13:20", 1700000000 * S},
		{"2023-11-14T22:13:20Z", 1700000000 * S},
		{"2023-11-14 22:13:20", 1700000000 * S},
		{"2024-02-29", 1709164800 * S},
		{"1970-01-01", 0},
		{"2261-12-31T23:59:59Z", 9214646399 * S},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t ns = 1;

		assert_int_equal(time_point__parse(cases[i].text, NOW, &ns, NULL), 0);
		assert_true(ns == cases[i].ns);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"later",
		"now+1h",
		"now-",
		"now-1",
		"now-1x",
		"nowadays",
		"2023-11",
		"2023-02-29",
		"2023-13-01",
		"2023-11-14T25:00",
		"2023-11-14T22",
		"2023-11-14x",
		"99999999999",
		"1969-12-31",
		"2262-01-01",
		"2023-11-14T22:13:60",
		"-5",
		"2023-11-14T22:13:20+01:00",
		"23-1-1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct err e = {""};
		uint64_t ns = 77;

		assert_int_equal(time_point__parse(texts[i], NOW, &ns, &e), -EINVAL);
		assert_int_equal(ns, 77);
		assert_non_null(strstr(e.text, "is no time: expected now, now-1h"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_gives_the_moment_it_says),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
