// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/err.h"
#include "user/config/units.h"

#define MS 1000000ull
#define S  (1000 * MS)

static uint64_t duration(const char *text)
{
	uint64_t ns = 12345;
	struct err e = {0};

	if (units__parse_duration(text, &ns, &e))
		fail_msg("%s: %s", text, e.text);
	return ns;
}

static uint64_t size(const char *text)
{
	uint64_t bytes = 12345;
	struct err e = {0};

	if (units__parse_size(text, &bytes, &e))
		fail_msg("%s: %s", text, e.text);
	return bytes;
}

static void durations_have_their_worth(void **state)
{
	(void)state;
	assert_int_equal(duration("500ms"), 500 * MS);
	assert_int_equal(duration("30s"), 30 * S);
	assert_int_equal(duration("5m"), 300 * S);
	assert_int_equal(duration("1h"), 3600 * S);
	assert_int_equal(duration("7d"), 604800 * S);
	assert_int_equal(duration("1w"), 604800 * S);
	assert_int_equal(duration("1.5h"), 5400 * S);
	assert_int_equal(duration("0.001s"), MS);
	assert_int_equal(duration("1h30m"), 5400 * S);
	assert_int_equal(duration("1d2h3m4s5ms"), 93784 * S + 5 * MS);
	assert_int_equal(duration(" 10 s "), 10 * S);
	assert_int_equal(duration("0"), 0);
}

static void a_duration_without_its_unit_is_refused(void **state)
{
	static const char *const bad[] = {"60",   "1.5",  "60 60s", "s",    "",     "-5s", "5 s s", "5mm",
					  "1m1m", "1m1h", "1h30",   "1e3s", "0x5s", "5S",  "5.s",   ".5s",
					  "1,5s", "5m\n", "5min",   "1_0s", "inf",  "30s,"};
	struct err e;
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ns = 77;
		e.text[0] = '\0';
		if (units__parse_duration(bad[i], &ns, &e) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(ns, 77);
		assert_non_null(strstr(e.text, "expected a duration with its unit"));
		assert_null(strchr(e.text, '\n'));
	}
}

static void sizes_are_decimal_or_binary_as_written(void **state)
{
	(void)state;
	assert_int_equal(size("64KiB"), 65536);
	assert_int_equal(size("10MB"), 10000000);
	assert_int_equal(size("2GiB"), 2147483648ull);
	assert_int_equal(size("1kB"), 1000);
	assert_int_equal(size("1KB"), 1000);
	assert_int_equal(size("512B"), 512);
	assert_int_equal(size("1.5KiB"), 1536);
	assert_int_equal(size("1 TiB"), 1ull << 40);
	assert_int_equal(size("16383PiB"), 16383ull << 50);
	assert_int_equal(size("0"), 0);
}

static void ambiguous_sizes_are_refused(void **state)
{
	static const char *const bad[] = {"64",    "64K", "64M",   "10mb", "10Mb",
					  "1GiBB", "GiB", "1 G B", "",     "1KiB1B"};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (units__parse_size(bad[i], &bytes, NULL) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void what_does_not_fit_64_bits_is_out_of_range(void **state)
{
	uint64_t v;
	double rate;

	(void)state;
	assert_int_equal(units__parse_duration("18446744073709551615ns", &v, NULL), 0);
	assert_int_equal(v, UINT64_MAX);
	assert_int_equal(units__parse_duration("18446744073709551616ns", &v, NULL), -ERANGE);
	assert_int_equal(units__parse_duration("18446744073709551615s", &v, NULL), -ERANGE);
	assert_int_equal(units__parse_duration("213503d1h", &v, NULL), 0);
	assert_int_equal(units__parse_duration("213503d23h34m33s1000ms", &v, NULL), -ERANGE);
	assert_int_equal(units__parse_duration("99999999999999999999999999999999s", &v, NULL), -ERANGE);
	assert_int_equal(units__parse_size("16384PiB", &v, NULL), -ERANGE);
	assert_int_equal(units__parse_count("18446744073709551616", &v, NULL), -ERANGE);
	assert_int_not_equal(units__parse_share("18446744073709551615%", &v, NULL), 0);
	assert_int_not_equal(units__parse_size_rate("99999999PiB/s", &rate, NULL), 0);
}

static void shares_are_millionths(void **state)
{
	uint64_t ppm;

	(void)state;
	assert_int_equal(units__parse_share("80%", &ppm, NULL), 0);
	assert_int_equal(ppm, 800000);
	assert_int_equal(units__parse_share("80", &ppm, NULL), 0);
	assert_int_equal(ppm, 800000);
	assert_int_equal(units__parse_share("0.5 %", &ppm, NULL), 0);
	assert_int_equal(ppm, 5000);
	assert_int_equal(units__parse_share("0.00019%", &ppm, NULL), 0);
	assert_int_equal(ppm, 1);
	assert_int_equal(units__parse_share("80%%", &ppm, NULL), -EINVAL);
	assert_int_equal(units__parse_share("%", &ppm, NULL), -EINVAL);
	assert_int_equal(units__parse_share("80ms", &ppm, NULL), -EINVAL);
}

static void counts_are_whole(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(units__parse_count("10000", &n, NULL), 0);
	assert_int_equal(n, 10000);
	assert_int_equal(units__parse_count("010", &n, NULL), 0);
	assert_int_equal(n, 10);
	assert_int_equal(units__parse_count("1_000", &n, NULL), -EINVAL);
	assert_int_equal(units__parse_count("1.0", &n, NULL), -EINVAL);
	assert_int_equal(units__parse_count("10m", &n, NULL), -EINVAL);
	assert_int_equal(units__parse_count("-1", &n, NULL), -EINVAL);
}

static void rates_are_of_a_second(void **state)
{
	double v;

	(void)state;
	assert_int_equal(units__parse_size_rate("100MB/hour", &v, NULL), 0);
	assert_true(v > 27777.77 && v < 27777.78);
	assert_int_equal(units__parse_size_rate("2MiB / s", &v, NULL), 0);
	assert_true(v == 2097152);
	assert_int_equal(units__parse_size_rate("0/s", &v, NULL), 0);
	assert_true(v == 0);
	assert_int_equal(units__parse_size_rate("100/hour", &v, NULL), -EINVAL);
	assert_int_equal(units__parse_size_rate("100MB", &v, NULL), -EINVAL);
	assert_int_equal(units__parse_size_rate("100MB/", &v, NULL), -EINVAL);
	assert_int_equal(units__parse_size_rate("100MB/fortnight", &v, NULL), -EINVAL);
	assert_int_equal(units__parse_count_rate("90/minute", &v, NULL), 0);
	assert_true(v == 1.5);
	assert_int_equal(units__parse_count_rate("90", &v, NULL), -EINVAL);
}

static void a_formatted_value_reads_back_as_itself(void **state)
{
	static const uint64_t values[] = {0,          1,          999,        1000,      1024,
					  65536,      1000000,    90 * S,     60 * S,    3600 * S,
					  86400 * S,  604800 * S, UINT64_MAX, 123456789, 1500 * MS,
					  1ull << 50, 5000,       10000,      2500};
	char text[UNITS_TEXT_MAX];
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		units__format_duration(values[i], text);
		assert_int_equal(duration(text), values[i]);
		units__format_size(values[i], text);
		assert_int_equal(size(text), values[i]);
		units__format_share(values[i] % 1000000000, text);
		assert_int_equal(units__parse_share(text, &back, NULL), 0);
		assert_int_equal(back, values[i] % 1000000000);
	}
	units__format_duration(604800 * S, text);
	assert_string_equal(text, "7d");
	units__format_duration(90 * S, text);
	assert_string_equal(text, "90s");
	units__format_size(2147483648ull, text);
	assert_string_equal(text, "2GiB");
	units__format_share(2500, text);
	assert_string_equal(text, "0.25%");
	units__format_share(1000001, text);
	assert_string_equal(text, "100.0001%");
}

static void hostile_text_is_quoted_on_one_short_line(void **state)
{
	char longer[500];

	(void)state;
	assert_string_equal(units__quote("a\nb\x1b[31m\xff").text, "a?b?[31m?");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_true(strlen(units__quote(longer).text) < UNITS_QUOTE_MAX + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_their_worth),
		cmocka_unit_test(a_duration_without_its_unit_is_refused),
		cmocka_unit_test(sizes_are_decimal_or_binary_as_written),
		cmocka_unit_test(ambiguous_sizes_are_refused),
		cmocka_unit_test(what_does_not_fit_64_bits_is_out_of_range),
		cmocka_unit_test(shares_are_millionths),
		cmocka_unit_test(counts_are_whole),
		cmocka_unit_test(rates_are_of_a_second),
		cmocka_unit_test(a_formatted_value_reads_back_as_itself),
		cmocka_unit_test(hostile_text_is_quoted_on_one_short_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
