// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/window.h"
#include "tests/unit/store/window_sum.h"
#include "user/store/reader.h"
#include "user/store/rollup.h"

#define HOUR_FILE "snapshots/2026-01-31/110000Z.3600s.cpu.pb.zst"

static struct rollup *new_rollup(struct fixture *f, size_t limit_bytes)
{
	struct rollup_opts opts = {
		.store = f->store,
		.limit_bytes = limit_bytes,
		.mono_ns = fixture__mono_ns,
		.clock_ctx = f,
	};
	struct rollup *r;

	assert_int_equal(rollup__new(&opts, &r), 0);
	return r;
}

/* Steps until there is nothing left to do; how many it took. */
static int run(struct rollup *r)
{
	bool more = true;
	int n = 0;

	while (more) {
		assert_int_equal(rollup__step(r, 1, &more), 0);
		assert_true(++n < 1000);
	}
	return n;
}

/* One minute: f0 in all of them, f<minute> in this one only. */
static void put_minute(struct fixture *f, const char *event, uint64_t h, uint64_t m)
{
	struct window_value values[] = {{0, 1, 1000 + (int64_t)m},
					{(uint32_t)m + 1, 7, (int64_t)(h * 100 + m)}};

	window__put(f, event, AT(h, m), values, 2);
}

static void an_hour_is_the_exact_sum_of_its_windows(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_stats stats;
	struct profile *hour;
	struct rollup *r;

	f->real_ns = AT(12, 6);
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 60; m++)
		put_minute(f, "cpu", 11, m);
	put_minute(f, "cpu", 12, 0);
	r = new_rollup(f, 0);
	assert_in_range(run(r), 60, 63);
	hour = window__decode(f, HOUR_FILE);
	assert_int_equal(window__value(hour, "samples", 0), 60);
	assert_int_equal(window__value(hour, "cpu", 0), 60 * 1000 + 59 * 60 / 2);
	for (uint32_t m = 0; m < 60; m++) {
		assert_int_equal(window__value(hour, "samples", m + 1), 7);
		assert_int_equal(window__value(hour, "cpu", m + 1), 1100 + m);
	}
	assert_int_equal(profile__n_samples(hour), 61);
	assert_int_equal(profile__meta(hour)->time_ns, AT(11, 0));
	assert_int_equal(profile__meta(hour)->duration_ns, HOUR_NS);
	assert_true(window__has_comment(hour, "lost count_full: 60"));
	profile__free(hour);
	/* nothing was deleted, and nothing is rolled up twice */
	assert_int_equal(fixture__stats(f).n_files, 62);
	assert_int_equal(run(r), 1);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_hours, 1);
	assert_int_equal(stats.n_added, 60);
	assert_int_equal(fixture__stats(f).n_rollups, 1);
	rollup__free(r);
}

static void an_hour_waits_for_its_end_and_grace(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup *r;

	f->real_ns = AT(12, 4);
	fixture__open(f, &opts);
	put_minute(f, "cpu", 11, 30);
	r = new_rollup(f, 0);
	run(r);
	assert_false(fixture__exists(f, HOUR_FILE));
	f->real_ns = AT(12, 5);
	run(r);
	assert_true(fixture__exists(f, HOUR_FILE));
	rollup__free(r);
}

static void missed_hours_and_days_are_made_at_the_next_start(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;
	struct rollup_stats stats;
	struct profile *day;
	struct rollup *r;

	fixture__open(f, &opts);
	for (uint64_t h = 8; h < 11; h++)
		for (uint64_t m = 0; m < 60; m += 15)
			put_minute(f, "cpu", h, m);
	put_minute(f, "memory", 9, 0);
	f->real_ns = AT(24 + 12, 0);
	fixture__reopen(f, &opts);
	r = new_rollup(f, 0);
	run(r);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_hours, 4);
	assert_int_equal(stats.n_days, 2);
	day = window__decode(f, "snapshots/2026-01-31/000000Z.86400s.cpu.pb.zst");
	assert_int_equal(window__value(day, "samples", 0), 12);
	assert_int_equal(window__value(day, "cpu", 0), 3 * (4 * 1000 + 15 + 30 + 45));
	assert_int_equal(window__value(day, "cpu", 46), 845 + 945 + 1045);
	assert_true(window__has_comment(day, "lost count_full: 12"));
	profile__free(day);
	assert_string_equal(fixture__list(f, &l, NULL, 0, UINT64_MAX),
			    "000000Z.86400s.cpu.pb.zst 000000Z.86400s.memory.pb.zst");
	rollup__free(r);
}

static void a_window_that_comes_late_counts_once_beside_the_hour(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;
	struct rollup *r;
	bool more;

	f->real_ns = AT(12, 6);
	fixture__open(f, &opts);
	put_minute(f, "cpu", 11, 0);
	put_minute(f, "cpu", 11, 1);
	r = new_rollup(f, 0);
	assert_int_equal(rollup__step(r, 1, &more), 0);
	assert_true(more);
	/* the set of parts is closed from the first step on */
	put_minute(f, "cpu", 11, 2);
	put_minute(f, "memory", 11, 2);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110200Z.60s.cpu.late.pb.gz"));
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110200Z.60s.memory.pb.gz"));
	run(r);
	put_minute(f, "cpu", 11, 0);
	put_minute(f, "cpu", 11, 0);
	assert_string_equal(
		fixture__list(f, &l, "cpu", 0, UINT64_MAX),
		"110000Z.3600s.cpu.pb.zst 110000Z.60s.cpu.late.pb.gz 110000Z.60s.cpu.late.2.pb.gz "
		"110200Z.60s.cpu.late.pb.gz");
	run(r);
	assert_int_equal(fixture__stats(f).n_rollups, 2);
	rollup__free(r);
}

/* How many windows that put_minute wrote are counted in all. */
static int64_t counted(struct fixture *f)
{
	struct profile *p;
	struct err err = {""};
	int64_t n;

	if (window__sum(f, "cpu", 0, UINT64_MAX, 0, &p, NULL, &err))
		fail_msg("%s", err.text);
	n = window__value(p, "samples", 0);
	profile__free(p);
	return n;
}

/* The clock of a virtual machine: a day ahead for half an hour, then back to where it was, then on over midnight. */
static void a_clock_that_is_set_over_a_day_and_back_counts_each_window_once(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup *r;
	int64_t n = 0;

	f->real_ns = AT(11, 0);
	fixture__open(f, &opts);
	r = new_rollup(f, 0);
	for (uint64_t m = 0; m < 30; m++, n++)
		put_minute(f, "cpu", 11, m);
	for (uint64_t m = 30; m < 60; m++, n++) {
		f->real_ns = AT(24 + 11, m);
		put_minute(f, "cpu", 24 + 11, m);
		run(r); /* the first day is over: its hour and its day are made of what there is */
		assert_int_equal(counted(f), n + 1);
	}
	assert_true(fixture__exists(f, "snapshots/2026-01-31/000000Z.86400s.cpu.pb.zst"));
	for (uint64_t m = 25; m < 13 * 60 + 30; m += 5, n++) {
		f->real_ns = AT(11, m);
		put_minute(f, "cpu", 11 + m / 60, m % 60);
		run(r);
		assert_int_equal(counted(f), n + 1);
	}
	/* and once everything that can be rolled up is, windows that hours hold included */
	f->real_ns = AT(24 * 4, 0);
	run(r);
	assert_int_equal(counted(f), n);
	store__set_limits(f->store, 0, HOUR_NS, 0);
	assert_int_equal(store__enforce(f->store), 0);
	assert_true(fixture__stats(f).n_deleted[STORE_DELETED_ROLLED] > 0);
	assert_int_equal(counted(f), n);
	rollup__free(r);
}

static void an_unfinished_rollup_begins_anew_after_a_kill(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct profile *hour;
	struct rollup *r;
	bool more;

	f->real_ns = AT(12, 6);
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 10; m++)
		put_minute(f, "cpu", 11, m);
	r = new_rollup(f, 0);
	assert_int_equal(rollup__step(r, 4, &more), 0);
	rollup__free(r);
	fixture__reopen(f, &opts);
	assert_false(fixture__exists(f, HOUR_FILE));
	r = new_rollup(f, 0);
	run(r);
	hour = window__decode(f, HOUR_FILE);
	assert_int_equal(window__value(hour, "samples", 0), 10);
	profile__free(hour);
	rollup__free(r);
}

static void a_damaged_window_is_left_counted_and_told(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_stats stats;
	struct profile *hour;
	struct rollup *r;

	f->real_ns = AT(12, 6);
	fixture__plant(f, "snapshots/2026-01-31/110100Z.60s.cpu.pb.gz", "\x1f\x8b\x08 torn", 8);
	fixture__plant(f, "snapshots/2026-01-31/110200Z.60s.cpu.pb.gz", "", 0);
	fixture__plant(f, "snapshots/2026-01-31/110300Z.60s.cpu.pb.zst", "\x28\xb5\x2f\xfdxxxxxxxx", 12);
	fixture__open(f, &opts);
	put_minute(f, "cpu", 11, 0);
	r = new_rollup(f, 0);
	run(r);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_added, 1);
	assert_int_equal(stats.n_damaged, 3);
	hour = window__decode(f, HOUR_FILE);
	assert_int_equal(window__value(hour, "samples", 0), 1);
	assert_true(window__has_comment(hour, "lost windows_damaged: 3"));
	profile__free(hour);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110100Z.60s.cpu.pb.gz"));
	assert_int_equal(fixture__logged(f, "110100Z.60s.cpu.pb.gz"), 1);
	rollup__free(r);
}

static void an_hour_without_a_readable_window_is_tried_once_and_blocks_no_day(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_stats stats;
	struct rollup *r;

	f->real_ns = AT(36, 0);
	fixture__plant(f, "snapshots/2026-01-31/110100Z.60s.cpu.pb.gz", "\x1f\x8b\x08 torn", 8);
	fixture__open(f, &opts);
	put_minute(f, "cpu", 10, 0);
	r = new_rollup(f, 0);
	run(r);
	run(r);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_damaged, 1);
	assert_int_equal(stats.n_hours, 1);
	assert_int_equal(stats.n_days, 1);
	assert_false(fixture__exists(f, HOUR_FILE));
	rollup__free(r);
}

static void an_hour_whose_types_changed_stays_as_windows_and_its_day_too(void **state)
{
	struct window_value value = {1, 1, 1};
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_stats stats;
	struct fixture_list l;
	struct rollup *r;
	struct buf b;

	f->real_ns = AT(36, 0);
	fixture__open(f, &opts);
	put_minute(f, "cpu", 10, 0);
	put_minute(f, "cpu", 11, 0);
	buf__init(&b, 1 << 20);
	window__encode(&value, 1, "microseconds", AT(11, 1), MIN_NS, COMPRESSION_GZIP, &b);
	assert_int_equal(store__put(f->store, "cpu", AT(11, 1), MIN_NS, b.data, b.len), 0);
	buf__done(&b);
	r = new_rollup(f, 0);
	run(r);
	run(r);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_refused, 1);
	assert_int_equal(stats.n_days, 0);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "100000Z.3600s.cpu.pb.zst 110000Z.60s.cpu.pb.gz 110100Z.60s.cpu.pb.gz");
	rollup__free(r);
}

static void an_hour_that_does_not_fit_the_memory_stays_as_windows(void **state)
{
	enum { N = 5000 };
	struct window_value *values = calloc(N, sizeof(*values));
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_stats stats;
	struct rollup *r;

	assert_non_null(values);
	f->real_ns = AT(12, 6);
	fixture__open(f, &opts);
	for (uint32_t m = 0; m < 8; m++) {
		for (uint32_t i = 0; i < N; i++)
			values[i] = (struct window_value){m * N + i, 1, 1};
		window__put(f, "cpu", AT(11, m), values, N);
	}
	free(values);
	r = new_rollup(f, 3 << 20);
	run(r);
	run(r);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_refused, 1);
	assert_true(stats.n_added >= 1);
	assert_int_equal(stats.n_hours, 0);
	assert_int_equal(fixture__stats(f).n_files, 8);
	assert_int_equal(fixture__logged(f, "more than fits the memory limit"), 1);
	rollup__free(r);
}

static void levels_are_not_added_up_over_time(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup *r;

	f->real_ns = AT(36, 0);
	fixture__open(f, &opts);
	put_minute(f, "heap", 11, 0);
	put_minute(f, "threads", 11, 0);
	put_minute(f, "goroutine", 11, 0);
	r = new_rollup(f, 0);
	run(r);
	assert_int_equal(fixture__stats(f).n_rollups, 0);
	assert_int_equal(fixture__stats(f).n_files, 3);
	rollup__free(r);
}

static void windows_that_were_deleted_meanwhile_are_counted(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_stats stats;
	struct rollup *r;
	char path[256];
	bool more;

	f->real_ns = AT(12, 6);
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 3; m++)
		put_minute(f, "cpu", 11, m);
	r = new_rollup(f, 0);
	assert_int_equal(rollup__step(r, 1, &more), 0);
	fixture__path(f, "snapshots/2026-01-31/110100Z.60s.cpu.pb.gz", path);
	assert_int_equal(unlink(path), 0);
	run(r);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_gone, 1);
	assert_int_equal(stats.n_added, 2);
	assert_int_equal(stats.n_hours, 1);
	rollup__free(r);
}

static void an_hour_begun_in_a_folder_that_vanished_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_stats stats;
	struct rollup *r;
	bool more;

	f->real_ns = AT(12, 6);
	fixture__open(f, &opts);
	put_minute(f, "cpu", 11, 0);
	put_minute(f, "cpu", 11, 1);
	r = new_rollup(f, 0);
	assert_int_equal(rollup__step(r, 1, &more), 0);
	folder__remove(f->dir);
	while (more)
		rollup__step(r, 1, &more);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_hours, 0);
	/* and the next one works */
	put_minute(f, "cpu", 11, 5);
	f->mono_ns += 10 * NS_PER_SEC;
	run(r);
	rollup__stats(r, &stats);
	assert_int_equal(stats.n_hours, 1);
	rollup__free(r);
}

/* Room is short: resolution goes, time stays. */
static void a_full_store_keeps_the_hours(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;
	struct rollup *r;

	f->real_ns = AT(12, 6);
	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 30; m++)
		put_minute(f, "cpu", 11, m);
	r = new_rollup(f, 0);
	run(r);
	rollup__free(r);
	opts.max_bytes = fixture__stats(f).bytes - 1;
	fixture__reopen(f, &opts);
	assert_int_equal(fixture__stats(f).n_files, 1);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX), "110000Z.3600s.cpu.pb.zst");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(an_hour_is_the_exact_sum_of_its_windows),
		fixture_test(an_hour_waits_for_its_end_and_grace),
		fixture_test(missed_hours_and_days_are_made_at_the_next_start),
		fixture_test(a_window_that_comes_late_counts_once_beside_the_hour),
		fixture_test(a_clock_that_is_set_over_a_day_and_back_counts_each_window_once),
		fixture_test(an_unfinished_rollup_begins_anew_after_a_kill),
		fixture_test(a_damaged_window_is_left_counted_and_told),
		fixture_test(an_hour_without_a_readable_window_is_tried_once_and_blocks_no_day),
		fixture_test(an_hour_whose_types_changed_stays_as_windows_and_its_day_too),
		fixture_test(an_hour_that_does_not_fit_the_memory_stays_as_windows),
		fixture_test(levels_are_not_added_up_over_time),
		fixture_test(windows_that_were_deleted_meanwhile_are_counted),
		fixture_test(an_hour_begun_in_a_folder_that_vanished_is_given_up),
		fixture_test(a_full_store_keeps_the_hours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
