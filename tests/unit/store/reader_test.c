// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/window.h"
#include "tests/unit/store/window_sum.h"
#include "user/store/reader.h"
#include "user/store/rollup.h"

static void put_minute(struct fixture *f, uint64_t h, uint64_t m)
{
	struct window_value values[] = {{0, 1, 1000}, {(uint32_t)m + 1, 1, (int64_t)(h * 100 + m)}};

	window__put(f, "cpu", AT(h, m), values, 2);
}

static void roll_all(struct fixture *f)
{
	struct rollup_opts opts = {.store = f->store, .mono_ns = fixture__mono_ns, .clock_ctx = f};
	struct rollup *r;
	bool more = true;

	assert_int_equal(rollup__new(&opts, &r), 0);
	while (more)
		assert_int_equal(rollup__step(r, 100, &more), 0);
	rollup__free(r);
}

/* Minutes 0, 10, … 50 of the hours 9 to 11. */
static void fill(struct fixture *f)
{
	for (uint64_t h = 9; h < 12; h++)
		for (uint64_t m = 0; m < 60; m += 10)
			put_minute(f, h, m);
}

/* Samples of f0 in a range: how many windows were counted. */
static int64_t windows_in(struct fixture *f, uint64_t from_ns, uint64_t to_ns, struct store_report *report)
{
	struct profile *p = NULL;
	struct err err = {0};
	int64_t n;
	int rc;

	rc = window__sum(f, "cpu", from_ns, to_ns, 0, &p, report, &err);
	if (rc == -ENOENT)
		return 0;
	if (rc)
		fail_msg("%s", err.text);
	assert_true(profile__sealed(p));
	n = window__value(p, "samples", 0);
	profile__free(p);
	return n;
}

static void a_range_is_the_sum_of_its_windows_with_and_without_rollups(void **state)
{
	static const struct {
		uint64_t from_ns, to_ns;
		int64_t windows;
	} cases[] = {
		{0, UINT64_MAX, 18},         {AT(9, 0), AT(12, 0), 18}, {AT(10, 0), AT(11, 0), 6},
		{AT(9, 30), AT(11, 30), 12}, {AT(9, 30), AT(9, 40), 1}, {AT(9, 31), AT(9, 40), 0},
		{AT(8, 0), AT(9, 0), 0},
	};
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_report report;

	fixture__open(f, &opts);
	fill(f);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
			assert_int_equal(windows_in(f, cases[i].from_ns, cases[i].to_ns, &report),
					 cases[i].windows);
		/* first windows, then hours, then a day */
		f->real_ns = round == 0 ? AT(13, 0) : AT(36, 0);
		roll_all(f);
	}
	assert_int_equal(fixture__stats(f).n_files, 18 + 3 + 1);
	assert_int_equal(windows_in(f, 0, UINT64_MAX, &report), 18);
	assert_int_equal(report.n_files, 1);
}

static void values_of_a_range_are_exact(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_report report;
	struct profile *p;

	fixture__open(f, &opts);
	fill(f);
	f->real_ns = AT(13, 0);
	roll_all(f);
	assert_int_equal(window__sum(f, "cpu", AT(9, 20), AT(11, 20), 0, &p, &report, NULL), 0);
	/* four windows, an hour, two windows */
	assert_int_equal(report.n_files, 4 + 1 + 2);
	assert_int_equal(report.n_cut, 0);
	assert_int_equal(report.from_s, AT(9, 20) / NS_PER_SEC);
	assert_int_equal(report.to_s, AT(11, 11) / NS_PER_SEC);
	assert_int_equal(window__value(p, "cpu", 0), 12 * 1000);
	assert_int_equal(window__value(p, "cpu", 11), 1010 + 1110);
	assert_int_equal(window__value(p, "cpu", 31), 930 + 1030);
	profile__free(p);
}

static void a_rollup_that_holds_more_than_asked_is_reported(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_report report;

	fixture__open(f, &opts);
	fill(f);
	f->real_ns = AT(13, 0);
	roll_all(f);
	store__close(f->store);
	f->store = NULL;
	for (uint64_t h = 9; h < 12; h++)
		for (uint64_t m = 0; m < 60; m += 10) {
			char below[64], path[256];

			snprintf(below, sizeof(below), "snapshots/2026-01-31/%02u%02u00Z.60s.cpu.pb.gz",
				 (unsigned)h, (unsigned)m);
			fixture__path(f, below, path);
			assert_int_equal(unlink(path), 0);
		}
	assert_int_equal(windows_in(f, AT(9, 30), AT(11, 0), &report), 12);
	assert_int_equal(report.n_cut, 1);
	assert_int_equal(report.n_files, 2);
}

static void a_running_agents_store_is_read_without_its_lock(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_file *files;
	uint32_t n;

	fixture__open(f, &opts);
	fill(f);
	fixture__plant_window(f, "snapshots/2026-01-31/.everprof-tmp.1");
	assert_int_equal(store_reader__list(f->dir, "cpu", 0, UINT64_MAX, &files, &n, NULL), 0);
	assert_int_equal(n, 18);
	free(files);
	/* half-written files are the agent's: reading cleans nothing */
	assert_true(fixture__exists(f, "snapshots/2026-01-31/.everprof-tmp.1"));
}

/* As many threads at 09:20 as at 09:00 are not twice as many. */
static void of_a_state_the_last_window_of_the_range_counts(void **state)
{
	static const char *const events[] = {"threads", "goroutine", "heap"};
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_report report;
	struct profile *p;

	fixture__open(f, &opts);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		for (uint64_t m = 0; m < 60; m += 10)
			window__put(f, events[i], AT(9, m),
				    (struct window_value[]){{0, 7, 70}, {(uint32_t)m + 1, 5, 50}}, 2);
		fixture__plant(f, "snapshots/2026-01-31/095500Z.60s.threads.pb.gz", "\x1f\x8b\x08 torn", 8);
		f->real_ns = AT(36, 0);
		roll_all(f);
		assert_int_equal(fixture__stats(f).n_rollups, 0);
		assert_int_equal(window__sum(f, events[i], AT(9, 10), AT(9, 50), 0, &p, &report, NULL), 0);
		assert_int_equal(window__value(p, "samples", 0), 7);
		assert_int_equal(window__value(p, "samples", 41), 5);
		assert_int_equal(window__value(p, "samples", 11), 0);
		assert_int_equal(report.n_files, 1);
		assert_int_equal(report.from_s, AT(9, 40) / NS_PER_SEC);
		profile__free(p);
		/* one that cannot be read gives way to the one before it */
		assert_int_equal(window__sum(f, events[i], 0, UINT64_MAX, 0, &p, &report, NULL), 0);
		assert_int_equal(window__value(p, "samples", 51), 5);
		assert_int_equal(report.n_damaged, i == 0);
		profile__free(p);
	}
}

static void damaged_and_other_files_are_skipped_and_counted(void **state)
{
	struct window_value value = {1, 1, 1};
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_report report;
	struct buf b;

	fixture__open(f, &opts);
	fill(f);
	fixture__plant(f, "snapshots/2026-01-31/092200Z.60s.cpu.pb.gz", "\x1f\x8b\x08 torn", 8);
	buf__init(&b, 1 << 20);
	window__encode(&value, 1, "microseconds", AT(9, 23), MIN_NS, COMPRESSION_GZIP, &b);
	fixture__plant(f, "snapshots/2026-01-31/092300Z.60s.cpu.pb.gz", b.data, b.len);
	buf__done(&b);
	assert_int_equal(windows_in(f, 0, UINT64_MAX, &report), 18);
	assert_int_equal(report.n_damaged, 1);
	assert_int_equal(report.n_other_types, 1);
	assert_int_equal(report.n_files, 18);
}

static void what_is_not_there_is_said(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct profile *p = NULL;
	struct err err = {0};
	uint64_t from, to;

	assert_int_equal(window__sum(f, "cpu", 0, UINT64_MAX, 0, &p, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "not an everprof store"));
	fixture__open(f, &opts);
	assert_int_equal(window__sum(f, "cpu", 0, UINT64_MAX, 0, &p, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "has no cpu profile"));
	assert_int_equal(store_reader__span(f->dir, "cpu", &from, &to, &err), -ENOENT);
	assert_null(p);
}

static void a_range_over_the_memory_limit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct profile *p = NULL;
	struct err err = {0};

	fixture__open(f, &opts);
	fill(f);
	assert_int_equal(window__sum(f, "cpu", 0, UINT64_MAX, 4096, &p, NULL, &err), -E2BIG);
	assert_null(p);
}

static void the_span_ends_with_the_newest_window(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	uint64_t from, to;

	fixture__open(f, &opts);
	put_minute(f, 9, 0);
	put_minute(f, 10, 23);
	assert_int_equal(fixture__put(f, "memory", AT(8, 0), MIN_NS, 20), 0);
	f->real_ns = AT(13, 0);
	fixture__plant_window(f, "snapshots/2026-01-31/100000Z.3600s.cpu.pb.zst");
	assert_int_equal(store_reader__span(f->dir, "cpu", &from, &to, NULL), 0);
	assert_int_equal(from, AT(9, 0));
	assert_int_equal(to, AT(10, 24));
	assert_int_equal(store_reader__span(f->dir, NULL, &from, &to, NULL), 0);
	assert_int_equal(from, AT(8, 0));
	/* nothing but a roll-up is left of the last hour */
	fixture__plant_window(f, "snapshots/2026-01-31/110000Z.3600s.cpu.pb.zst");
	assert_int_equal(store_reader__span(f->dir, "cpu", &from, &to, NULL), 0);
	assert_int_equal(to, AT(12, 0));
}

/* Until its machine had asked for the time, an agent wrote some windows as of years ahead. */
static void what_a_wrong_clock_dated_ahead_is_not_the_newest(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	uint64_t from, to;

	fixture__open(f, &opts);
	fixture__plant_window(f, "snapshots/2407-03-01/100000Z.60s.cpu.pb.gz");
	assert_int_equal(store_reader__span(f->dir, "cpu", &from, &to, NULL), 0);
	assert_true(to > AT(10, 24)); /* there is nothing else */
	put_minute(f, 10, 23);
	assert_int_equal(store_reader__span(f->dir, "cpu", &from, &to, NULL), 0);
	assert_int_equal(to, AT(10, 24));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_range_is_the_sum_of_its_windows_with_and_without_rollups),
		fixture_test(values_of_a_range_are_exact),
		fixture_test(a_rollup_that_holds_more_than_asked_is_reported),
		fixture_test(a_running_agents_store_is_read_without_its_lock),
		fixture_test(of_a_state_the_last_window_of_the_range_counts),
		fixture_test(damaged_and_other_files_are_skipped_and_counted),
		fixture_test(what_is_not_there_is_said),
		fixture_test(a_range_over_the_memory_limit_is_refused),
		fixture_test(the_span_ends_with_the_newest_window),
		fixture_test(what_a_wrong_clock_dated_ahead_is_not_the_newest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
