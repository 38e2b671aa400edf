// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/clock.h"
#include "user/store/name.h"

/* 2026-01-31 14:30:07 UTC */
#define DAY_S   1769817600ull
#define START_S (DAY_S + 14 * 3600 + 30 * 60 + 7)

static void assert_formats(const struct store_name *n, const char *date, const char *file)
{
	char got_date[STORE_DATE_MAX], got_file[STORE_NAME_MAX];
	struct store_name again;
	uint64_t day_s;

	store_name__format_date(n, got_date);
	store_name__format(n, got_file);
	assert_string_equal(got_date, date);
	assert_string_equal(got_file, file);
	assert_int_equal(store_name__parse_date(got_date, &day_s), 0);
	assert_int_equal(store_name__parse(got_file, day_s, &again), 0);
	assert_int_equal(store_name__compare(n, &again), 0);
}

static void a_window_is_named_by_its_start_length_and_event(void **state)
{
	struct store_name n;

	(void)state;
	assert_int_equal(store_name__window("cpu", START_S * NS_PER_SEC + 999999999,
					    60 * NS_PER_SEC + 4 * NS_PER_MS, STORE_GZIP, &n),
			 0);
	assert_formats(&n, "2026-01-31", "143007Z.60s.cpu.pb.gz");
	n.serial = 12;
	assert_formats(&n, "2026-01-31", "143007Z.60s.cpu.12.pb.gz");
	n.is_late = true;
	assert_formats(&n, "2026-01-31", "143007Z.60s.cpu.late.12.pb.gz");
	n.serial = 0;
	n.codec = STORE_ZSTD;
	assert_formats(&n, "2026-01-31", "143007Z.60s.cpu.late.pb.zst");
}

static void a_length_is_rounded_and_never_zero(void **state)
{
	struct store_name n;

	(void)state;
	assert_int_equal(store_name__window("cpu", 0, 0, STORE_GZIP, &n), 0);
	assert_int_equal(n.seconds, 1);
	assert_int_equal(store_name__window("cpu", 0, 1499999999, STORE_GZIP, &n), 0);
	assert_int_equal(n.seconds, 1);
	assert_int_equal(store_name__window("cpu", 0, 1500000000, STORE_GZIP, &n), 0);
	assert_int_equal(n.seconds, 2);
}

static void rollups_are_named_by_their_hour_and_day(void **state)
{
	struct store_name hour = store_name__rollup("offcpu", START_S, STORE_HOUR);
	struct store_name day = store_name__rollup("offcpu", START_S, STORE_DAY);

	(void)state;
	assert_formats(&hour, "2026-01-31", "140000Z.3600s.offcpu.pb.zst");
	assert_formats(&day, "2026-01-31", "000000Z.86400s.offcpu.pb.zst");
	assert_int_equal(store_name__level(&hour), STORE_HOUR);
	assert_int_equal(store_name__level(&day), STORE_DAY);
}

static void a_window_never_looks_like_a_rollup(void **state)
{
	struct store_name n;

	(void)state;
	assert_int_equal(
		store_name__window("cpu", (DAY_S + 3600) * NS_PER_SEC, 3600 * NS_PER_SEC, STORE_ZSTD, &n), 0);
	assert_int_equal(store_name__level(&n), STORE_WINDOW);
	assert_formats(&n, "2026-01-31", "010000Z.3600s.cpu.2.pb.zst");
	assert_int_equal(
		store_name__window("cpu", (DAY_S + 3600) * NS_PER_SEC, 3600 * NS_PER_SEC, STORE_GZIP, &n), 0);
	assert_int_equal(store_name__level(&n), STORE_WINDOW);
	assert_formats(&n, "2026-01-31", "010000Z.3600s.cpu.pb.gz");
}

static void a_late_window_is_within_no_rollup(void **state)
{
	struct store_name hour = store_name__rollup("cpu", START_S, STORE_HOUR);
	struct store_name day = store_name__rollup("cpu", START_S, STORE_DAY);
	struct store_name other = store_name__rollup("memory", START_S, STORE_HOUR);
	struct store_name n;

	(void)state;
	assert_int_equal(store_name__window("cpu", START_S * NS_PER_SEC, NS_PER_SEC, STORE_GZIP, &n), 0);
	assert_true(store_name__is_within(&n, &hour));
	assert_true(store_name__is_within(&n, &day));
	assert_true(store_name__is_within(&hour, &day));
	assert_false(store_name__is_within(&day, &hour));
	assert_false(store_name__is_within(&hour, &hour));
	assert_false(store_name__is_within(&n, &other));
	n.is_late = true;
	assert_false(store_name__is_within(&n, &hour));
}

static void events_that_are_not_a_small_word_are_refused(void **state)
{
	static const char *const bad[] = {"",       "CPU", "off_cpu",          "../x", "a/b",
					  "cpu.gz", "9p",  "sixteenletterswd", "c p"};
	struct store_name n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(store_name__window(bad[i], 0, NS_PER_SEC, STORE_GZIP, &n), -EINVAL);
	assert_int_equal(store_name__window(NULL, 0, NS_PER_SEC, STORE_GZIP, &n), -EINVAL);
	assert_int_equal(store_name__window("cpu", UINT64_MAX, NS_PER_SEC, STORE_GZIP, &n), -EINVAL);
	assert_int_equal(store_name__window("cpu", 0, 86401 * NS_PER_SEC, STORE_GZIP, &n), -EINVAL);
	assert_int_equal(store_name__window("threadcreate", 0, NS_PER_SEC, STORE_GZIP, &n), 0);
}

static void names_that_we_would_not_write_are_not_ours(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"notes.txt",
		"143007Z.60s.cpu.pb.gz~",
		"143007Z.60s.cpu.pb.gz.bak",
		" 143007Z.60s.cpu.pb.gz",
		"143007Z.060s.cpu.pb.gz",
		"143007Z.0s.cpu.pb.gz",
		"143007Z.-1s.cpu.pb.gz",
		"143007Z.86401s.cpu.pb.gz",
		"143007Z.99999999999s.cpu.pb.gz",
		"243007Z.60s.cpu.pb.gz",
		"146007Z.60s.cpu.pb.gz",
		"143060Z.60s.cpu.pb.gz",
		"143007z.60s.cpu.pb.gz",
		"143007Z.60s.cpu.0.pb.gz",
		"143007Z.60s.cpu.1.pb.gz",
		"143007Z.60s.cpu.02.pb.gz",
		"143007Z.60s.cpu.10000.pb.gz",
		"143007Z.60s.cpu.2.late.pb.gz",
		"143007Z.60s.cpu.late.late.pb.gz",
		"143007Z.60s.CPU.pb.gz",
		"143007Z.60s..pb.gz",
		"143007Z.60s.cpu.pb",
		"143007Z.60s.cpu.pb.zstd",
		"143007Z.60s.cpu",
		"143007Z.60s."
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.pb.gz",
	};
	struct store_name n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (store_name__parse(bad[i], DAY_S, &n) != -EINVAL)
			fail_msg("accepted '%s'", bad[i]);
	assert_int_equal(store_name__parse("143007Z.60s.late.pb.gz", DAY_S, &n), 0);
	assert_string_equal(n.event, "late");
	assert_false(n.is_late);
}

static void days_that_do_not_exist_are_not_ours(void **state)
{
	static const char *const bad[] = {
		"2026-02-29", "2026-13-01", "2026-00-10",  "2026-01-00", "2026-1-01", "1969-12-31",
		"2500-01-01", "20260131",   "2026-01-31x", "lost+found", ""};
	uint64_t day_s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (store_name__parse_date(bad[i], &day_s) != -EINVAL)
			fail_msg("accepted '%s'", bad[i]);
	assert_int_equal(store_name__parse_date("2026-01-31", &day_s), 0);
	assert_int_equal(day_s, DAY_S);
	assert_int_equal(store_name__parse_date("2024-02-29", &day_s), 0);
	assert_int_equal(day_s, 1709164800);
	assert_int_equal(store_name__parse_date("1970-01-01", &day_s), 0);
	assert_int_equal(day_s, 0);
}

static void text_order_is_time_order_within_a_day(void **state)
{
	char before[STORE_NAME_MAX] = "", now[STORE_NAME_MAX];
	struct store_name n;

	(void)state;
	for (uint64_t s = 0; s < 86400; s += 599) {
		assert_int_equal(
			store_name__window("cpu", (DAY_S + s) * NS_PER_SEC, 60 * NS_PER_SEC, STORE_GZIP, &n),
			0);
		store_name__format(&n, now);
		assert_true(strcmp(before, now) < 0);
		strcpy(before, now);
	}
}

static void the_codec_is_read_from_the_bytes(void **state)
{
	enum store_codec codec;

	(void)state;
	assert_int_equal(store_name__parse_codec("\x1f\x8b\x08", 3, &codec), 0);
	assert_int_equal(codec, STORE_GZIP);
	assert_int_equal(store_name__parse_codec("\x28\xb5\x2f\xfd", 4, &codec), 0);
	assert_int_equal(codec, STORE_ZSTD);
	assert_int_equal(store_name__parse_codec("\x28\xb5\x2f", 3, &codec), -EINVAL);
	assert_int_equal(store_name__parse_codec("\x0a\x04", 2, &codec), -EINVAL);
	assert_int_equal(store_name__parse_codec("", 0, &codec), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_is_named_by_its_start_length_and_event),
		cmocka_unit_test(a_length_is_rounded_and_never_zero),
		cmocka_unit_test(rollups_are_named_by_their_hour_and_day),
		cmocka_unit_test(a_window_never_looks_like_a_rollup),
		cmocka_unit_test(a_late_window_is_within_no_rollup),
		cmocka_unit_test(events_that_are_not_a_small_word_are_refused),
		cmocka_unit_test(names_that_we_would_not_write_are_not_ours),
		cmocka_unit_test(days_that_do_not_exist_are_not_ours),
		cmocka_unit_test(text_order_is_time_order_within_a_day),
		cmocka_unit_test(the_codec_is_read_from_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
