// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/clock.h"
#include "user/store/index.h"

#define DAY_S    1769817600ull /* 2026-01-31 */
#define AT(h, m) ((DAY_S + (h)*3600 + (m)*60) * NS_PER_SEC)

static struct store_name window(const char *event, uint64_t start_ns)
{
	struct store_name n;

	assert_int_equal(store_name__window(event, start_ns, 60 * NS_PER_SEC, STORE_GZIP, &n), 0);
	return n;
}

static void add(struct store_index *ix, struct store_name n)
{
	assert_int_equal(store_index__insert(ix, &n, 100), 0);
}

static void add_rollup(struct store_index *ix, const char *event, uint64_t start_ns, enum store_level level)
{
	add(ix, store_name__rollup(event, start_ns / NS_PER_SEC, level));
}

static void kill_name(struct store_index *ix, struct store_name n)
{
	for (uint32_t i = 0; i < ix->n; i++)
		if (store_name__compare(&ix->entries[i].name, &n) == 0)
			store_index__kill(ix, i);
	store_index__sweep(ix);
}

/* As "HHMM/<seconds>[!]" each. */
static const char *files_text(struct store_file *files, uint32_t n, char text[4096])
{
	text[0] = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t s = files[i].name.start_s % 86400;

		sprintf(text + strlen(text), "%s%02u%02u/%u%s%s", i ? " " : "", (unsigned)(s / 3600),
			(unsigned)(s / 60 % 60), files[i].name.seconds, files[i].name.is_late ? "L" : "",
			files[i].is_cut ? "!" : "");
	}
	free(files);
	return text;
}

/* What select gives. */
static const char *select_text(const struct store_index *ix, const char *event, uint64_t from_ns,
			       uint64_t to_ns, char text[4096])
{
	struct store_file *files;
	uint32_t n;

	assert_int_equal(store_index__select(ix, event, from_ns, to_ns, &files, &n), 0);
	return files_text(files, n, text);
}

static const char *windows_text(const struct store_index *ix, const char *event, uint64_t from_ns,
				uint64_t to_ns, char text[4096])
{
	struct store_file *files;
	uint32_t n;

	assert_int_equal(store_index__select_windows(ix, event, from_ns, to_ns, &files, &n), 0);
	return files_text(files, n, text);
}

static void entries_stay_in_order_of_time(void **state)
{
	struct store_index ix;

	(void)state;
	store_index__init(&ix, 0);
	for (uint64_t i = 0; i < 1000; i++)
		add(&ix, window("cpu", AT(0, 0) + i * 7919 % 1000 * 60 * NS_PER_SEC));
	for (uint32_t i = 1; i < ix.n; i++)
		assert_true(store_name__compare(&ix.entries[i - 1].name, &ix.entries[i].name) < 0);
	assert_int_equal(ix.n, 1000);
	assert_int_equal(ix.bytes, 100000);
	store_index__done(&ix);
}

static void the_same_name_twice_is_refused_until_it_is_gone(void **state)
{
	struct store_name n = window("cpu", AT(1, 0));
	struct store_index ix;

	(void)state;
	store_index__init(&ix, 0);
	add(&ix, n);
	assert_int_equal(store_index__insert(&ix, &n, 1), -EEXIST);
	store_index__kill(&ix, 0);
	store_index__kill(&ix, 0);
	assert_int_equal(ix.bytes, 0);
	assert_null(store_index__find(&ix, &n));
	assert_int_equal(store_index__insert(&ix, &n, 7), 0);
	assert_int_equal(ix.bytes, 7);
	assert_int_equal(ix.n, 1);
	store_index__done(&ix);
}

static void the_limit_holds(void **state)
{
	struct store_name a = window("cpu", AT(1, 0)), b = window("cpu", AT(1, 1)),
			  c = window("cpu", AT(1, 2));
	struct store_index ix;

	(void)state;
	store_index__init(&ix, 2);
	add(&ix, b);
	add(&ix, a);
	assert_int_equal(store_index__insert(&ix, &c, 1), -E2BIG);
	assert_int_equal(store_index__append(&ix, &c, 1), -E2BIG);
	assert_int_equal(ix.n, 2);
	store_index__done(&ix);
}

static void a_window_belongs_to_the_range_in_which_it_starts(void **state)
{
	struct store_index ix;
	char text[4096];

	(void)state;
	store_index__init(&ix, 0);
	for (int m = 0; m < 4; m++) {
		add(&ix, window("cpu", AT(9, m)));
		add(&ix, window("memory", AT(9, m)));
	}
	assert_string_equal(select_text(&ix, "cpu", AT(9, 1), AT(9, 3), text), "0901/60 0902/60");
	assert_string_equal(select_text(&ix, "cpu", AT(9, 1) + 1, AT(9, 3) + 1, text), "0902/60 0903/60");
	assert_string_equal(select_text(&ix, "cpu", AT(9, 1), AT(9, 1), text), "");
	assert_string_equal(select_text(&ix, NULL, AT(9, 3), UINT64_MAX, text), "0903/60 0903/60");
	assert_string_equal(select_text(&ix, "lock", 0, UINT64_MAX, text), "");
	store_index__done(&ix);
}

static void a_rollup_stands_for_its_parts(void **state)
{
	struct store_index ix;
	char text[4096];

	(void)state;
	store_index__init(&ix, 0);
	for (int h = 9; h < 12; h++)
		for (int m = 0; m < 60; m += 20)
			add(&ix, window("cpu", AT(h, m)));
	add_rollup(&ix, "cpu", AT(9, 0), STORE_HOUR);
	add_rollup(&ix, "cpu", AT(10, 0), STORE_HOUR);
	assert_string_equal(select_text(&ix, "cpu", 0, UINT64_MAX, text),
			    "0900/3600 1000/3600 1100/60 1120/60 1140/60");
	add_rollup(&ix, "cpu", AT(0, 0), STORE_DAY);
	assert_string_equal(select_text(&ix, "cpu", 0, UINT64_MAX, text), "0000/86400");
	/* another event's roll-up is nobody else's */
	add(&ix, window("memory", AT(9, 0)));
	assert_string_equal(select_text(&ix, "memory", 0, UINT64_MAX, text), "0900/60");
	store_index__done(&ix);
}

static void a_rollup_that_the_range_cuts_gives_way_to_its_parts(void **state)
{
	struct store_index ix;
	char text[4096];

	(void)state;
	store_index__init(&ix, 0);
	for (int h = 9; h < 12; h++) {
		for (int m = 0; m < 60; m += 20)
			add(&ix, window("cpu", AT(h, m)));
		add_rollup(&ix, "cpu", AT(h, 0), STORE_HOUR);
	}
	assert_string_equal(select_text(&ix, "cpu", AT(9, 30), AT(11, 30), text),
			    "0940/60 1000/3600 1100/60 1120/60");
	add_rollup(&ix, "cpu", AT(0, 0), STORE_DAY);
	assert_string_equal(select_text(&ix, "cpu", AT(9, 30), AT(11, 30), text),
			    "0940/60 1000/3600 1100/60 1120/60");
	/* one second less than the day */
	assert_string_equal(select_text(&ix, "cpu", AT(0, 0), AT(24, 0) - NS_PER_SEC, text),
			    "0900/3600 1000/3600 1100/3600");
	store_index__done(&ix);
}

static void a_cut_rollup_without_parts_stands_in_and_says_so(void **state)
{
	struct store_index ix;
	char text[4096];

	(void)state;
	store_index__init(&ix, 0);
	add_rollup(&ix, "cpu", AT(9, 0), STORE_HOUR);
	add_rollup(&ix, "cpu", AT(10, 0), STORE_HOUR);
	assert_string_equal(select_text(&ix, "cpu", AT(9, 30), AT(11, 0), text), "0900/3600! 1000/3600");
	add_rollup(&ix, "cpu", AT(0, 0), STORE_DAY);
	kill_name(&ix, store_name__rollup("cpu", AT(9, 0) / NS_PER_SEC, STORE_HOUR));
	kill_name(&ix, store_name__rollup("cpu", AT(10, 0) / NS_PER_SEC, STORE_HOUR));
	assert_string_equal(select_text(&ix, "cpu", AT(9, 30), AT(11, 0), text), "0000/86400!");
	/* it ended before, or begins after */
	assert_string_equal(select_text(&ix, "cpu", AT(24, 0), AT(30, 0), text), "");
	assert_string_equal(select_text(&ix, "cpu", 0, AT(0, 0), text), "");
	store_index__done(&ix);
}

static void a_late_window_counts_beside_the_rollup(void **state)
{
	struct store_name late = window("cpu", AT(9, 10));
	struct store_index ix;
	char text[4096];

	(void)state;
	late.is_late = true;
	store_index__init(&ix, 0);
	add(&ix, window("cpu", AT(9, 0)));
	add_rollup(&ix, "cpu", AT(9, 0), STORE_HOUR);
	add(&ix, late);
	assert_string_equal(select_text(&ix, "cpu", 0, UINT64_MAX, text), "0900/3600 0910/60L");
	assert_string_equal(select_text(&ix, "cpu", AT(9, 5), UINT64_MAX, text), "0910/60L");
	assert_false(store_index__is_covered(&ix, &late));
	assert_true(store_index__is_covered(&ix, &ix.entries[1].name));
	store_index__done(&ix);
}

/* A timeline wants windows; an hour of which none are left is one point, whatever lies beside it. */
static void asked_for_windows_a_rollup_comes_where_none_is_left_and_once(void **state)
{
	struct store_name late = window("cpu", AT(9, 10));
	struct store_index ix;
	char text[4096];

	(void)state;
	late.is_late = true;
	store_index__init(&ix, 0);
	add_rollup(&ix, "cpu", AT(9, 0), STORE_HOUR);
	add_rollup(&ix, "memory", AT(9, 0), STORE_HOUR);
	add(&ix, late);
	add_rollup(&ix, "cpu", AT(10, 0), STORE_HOUR);
	add(&ix, window("cpu", AT(10, 20)));
	add(&ix, window("cpu", AT(10, 40)));
	assert_string_equal(windows_text(&ix, "cpu", AT(9, 0), AT(11, 0), text),
			    "0900/3600 0910/60L 1020/60 1040/60");
	assert_string_equal(windows_text(&ix, NULL, AT(9, 0), AT(10, 0), text),
			    "0900/3600 0900/3600 0910/60L");
	assert_string_equal(windows_text(&ix, "cpu", AT(9, 20), AT(10, 30), text), "0900/3600! 1020/60");
	add_rollup(&ix, "cpu", AT(0, 0), STORE_DAY);
	assert_string_equal(windows_text(&ix, "cpu", AT(0, 0), AT(24, 0), text),
			    "0900/3600 0910/60L 1020/60 1040/60");
	add_rollup(&ix, "memory", AT(0, 0), STORE_DAY);
	kill_name(&ix, store_name__rollup("memory", AT(9, 0) / NS_PER_SEC, STORE_HOUR));
	assert_string_equal(windows_text(&ix, "memory", AT(0, 0), AT(24, 0), text), "0000/86400");
	assert_string_equal(windows_text(&ix, "memory", AT(3, 0), AT(24, 0), text), "0000/86400!");
	store_index__done(&ix);
}

/* Whatever exists and whatever is asked: no minute twice, and none left out of the whole. */
static void no_range_counts_a_minute_twice(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 600; round++) {
		bool of_windows = round % 2;
		uint8_t seen[26 * 60];
		struct store_file *files;
		struct store_index ix;
		uint64_t from, to;
		uint32_t n;

		store_index__init(&ix, 0);
		for (int h = 0; h < 24; h++) {
			if (rand() % 4)
				for (int m = 0; m < 60; m += 10)
					add(&ix, window("cpu", AT(h, m)));
			if (rand() % 2)
				add_rollup(&ix, "cpu", AT(h, 0), STORE_HOUR);
		}
		if (rand() % 2)
			add_rollup(&ix, "cpu", AT(0, 0), STORE_DAY);
		from = AT(0, rand() % 1440);
		to = from + (uint64_t)(rand() % 1600) * 60 * NS_PER_SEC;
		if (round % 20 < 2) {
			from = 0;
			to = UINT64_MAX;
		}
		assert_int_equal(of_windows ? store_index__select_windows(&ix, "cpu", from, to, &files, &n)
					    : store_index__select(&ix, "cpu", from, to, &files, &n),
				 0);
		memset(seen, 0, sizeof(seen));
		for (uint32_t i = 0; i < n; i++) {
			uint32_t first = (uint32_t)(files[i].name.start_s - DAY_S) / 60;

			for (uint32_t m = 0; m < files[i].name.seconds / 60; m++)
				assert_int_equal(seen[first + m]++, 0);
		}
		/* a roll-up that gives way to some windows is not missed where others never were */
		for (uint32_t i = 0; from == 0 && i < ix.n; i++)
			if (!of_windows || store_name__level(&ix.entries[i].name) == STORE_WINDOW)
				assert_int_equal(seen[(ix.entries[i].name.start_s - DAY_S) / 60], 1);
		free(files);
		store_index__done(&ix);
	}
}

static enum store_verdict all_well(const struct store_name *rollup, const void *ctx)
{
	(void)rollup, (void)ctx;
	return STORE_ROLL;
}

static enum store_verdict verdict_on_nine(const struct store_name *rollup, const void *ctx)
{
	if (store_name__level(rollup) == STORE_HOUR && rollup->start_s == DAY_S + 9 * 3600)
		return *(const enum store_verdict *)ctx;
	return STORE_ROLL;
}

static int next_at(struct store_index *ix, uint64_t now_ns, struct store_name *ret)
{
	return store_index__next_rollup(ix, now_ns / NS_PER_SEC, 120, all_well, NULL, ret);
}

/* As another run would. */
static void look_again(struct store_index *ix)
{
	memset(ix->settled_s, 0, sizeof(ix->settled_s));
}

static void an_hour_is_due_after_its_end_and_grace(void **state)
{
	struct store_index ix;
	struct store_name n;

	(void)state;
	store_index__init(&ix, 0);
	add(&ix, window("cpu", AT(9, 10)));
	add(&ix, window("cpu", AT(10, 10)));
	assert_int_equal(next_at(&ix, AT(9, 59), &n), -ENOENT);
	assert_int_equal(next_at(&ix, AT(10, 2) - NS_PER_SEC, &n), -ENOENT);
	assert_int_equal(next_at(&ix, AT(10, 2), &n), 0);
	assert_int_equal(n.start_s, DAY_S + 9 * 3600);
	assert_int_equal(store_name__level(&n), STORE_HOUR);
	add(&ix, n);
	assert_int_equal(next_at(&ix, AT(10, 2), &n), -ENOENT);
	assert_int_equal(next_at(&ix, AT(11, 2), &n), 0);
	assert_int_equal(n.start_s, DAY_S + 10 * 3600);
	store_index__done(&ix);
}

static void a_day_waits_for_its_hours(void **state)
{
	enum store_verdict verdict = STORE_ROLL_REFUSED;
	struct store_index ix;
	struct store_name n, *parts;
	uint32_t n_parts;

	(void)state;
	store_index__init(&ix, 0);
	add(&ix, window("cpu", AT(9, 10)));
	add(&ix, window("cpu", AT(10, 10)));
	add_rollup(&ix, "cpu", AT(10, 0), STORE_HOUR);
	assert_int_equal(next_at(&ix, AT(25, 0), &n), 0);
	assert_int_equal(n.start_s, DAY_S + 9 * 3600);
	/* the hour cannot be rolled up: then the day must not be either, or its minutes would vanish from it */
	assert_int_equal(
		store_index__next_rollup(&ix, AT(25, 0) / NS_PER_SEC, 120, verdict_on_nine, &verdict, &n),
		-ENOENT);
	/* nothing of the hour can be read: there is nothing to wait for */
	verdict = STORE_ROLL_EMPTY;
	look_again(&ix);
	assert_int_equal(
		store_index__next_rollup(&ix, AT(25, 0) / NS_PER_SEC, 120, verdict_on_nine, &verdict, &n), 0);
	assert_int_equal(store_name__level(&n), STORE_DAY);
	assert_int_equal(store_index__parts(&ix, &n, &parts, &n_parts), 0);
	assert_int_equal(n_parts, 1);
	assert_int_equal(parts[0].start_s, DAY_S + 10 * 3600);
	free(parts);
	look_again(&ix);
	assert_int_equal(next_at(&ix, AT(24, 1), &n), 0);
	assert_int_equal(store_name__level(&n), STORE_HOUR);
	store_index__done(&ix);
}

static void late_windows_are_no_parts(void **state)
{
	struct store_name late = window("cpu", AT(9, 10)), n, *parts;
	struct store_index ix;
	uint32_t n_parts;

	(void)state;
	late.is_late = true;
	store_index__init(&ix, 0);
	add(&ix, late);
	assert_int_equal(next_at(&ix, AT(12, 0), &n), -ENOENT);
	add(&ix, window("cpu", AT(9, 20)));
	add(&ix, window("memory", AT(9, 20)));
	assert_int_equal(next_at(&ix, AT(12, 0), &n), 0);
	assert_int_equal(store_index__parts(&ix, &n, &parts, &n_parts), 0);
	assert_int_equal(n_parts, 1);
	free(parts);
	store_index__done(&ix);
}

static enum store_verdict count_and_refuse(const struct store_name *rollup, const void *ctx)
{
	(void)rollup;
	++*(uint32_t *)ctx;
	return STORE_ROLL_REFUSED;
}

static uint32_t looks(struct store_index *ix, uint64_t now_ns)
{
	struct store_name n;
	uint32_t count = 0;

	assert_int_equal(store_index__next_rollup(ix, now_ns / NS_PER_SEC, 120, count_and_refuse, &count, &n),
			 -ENOENT);
	return count;
}

static void what_is_settled_is_not_looked_at_every_second(void **state)
{
	struct store_index ix;

	(void)state;
	store_index__init(&ix, 0);
	for (int m = 0; m < 12 * 60; m++) {
		add(&ix, window("cpu", AT(0, m)));
		add(&ix, window("memory", AT(0, m)));
	}
	assert_true(looks(&ix, AT(10, 30)) > 10);
	assert_int_equal(looks(&ix, AT(10, 31)), 0);
	add(&ix, window("cpu", AT(12, 0)));
	assert_int_equal(looks(&ix, AT(10, 31)), 0);
	assert_true(looks(&ix, AT(11, 2)) > 0); /* the next hour is over */
	assert_int_equal(looks(&ix, AT(11, 3)), 0);
	store_index__done(&ix);
}

/* Of events that cannot be added up, and of hours that do not fit, as they happen to fall. */
static enum store_verdict verdict_by_name(const struct store_name *rollup, const void *ctx)
{
	uint64_t hour = rollup->start_s / 3600;

	(void)ctx;
	if (store_name__level(rollup) != STORE_HOUR || hour % 7)
		return STORE_ROLL;
	return hour % 2 ? STORE_ROLL_EMPTY : STORE_ROLL_REFUSED;
}

/* A change of the files, or none: a window now or long ago, a roll-up, or one of them deleted. */
static void change(struct store_index *ix, int now_m)
{
	static const char *const events[] = {"cpu", "heap"};
	const char *event = events[rand() % 2];
	uint64_t any_ns = AT(0, rand() % (now_m + 1));
	struct store_name n = window(event, rand() % 4 ? AT(0, now_m) : any_ns);

	if (rand() % 3 == 0)
		n = store_name__rollup(event, any_ns / NS_PER_SEC, rand() % 3 ? STORE_HOUR : STORE_DAY);
	n.is_late = rand() % 10 == 0 && store_name__level(&n) == STORE_WINDOW;
	if (rand() % 3)
		store_index__insert(ix, &n, 100);
	else if (ix->n)
		kill_name(ix, ix->entries[(uint32_t)rand() % ix->n].name);
}

static void what_is_due_is_the_same_as_of_a_look_at_all(void **state)
{
	uint32_t n_due = 0;

	(void)state;
	srand(11);
	for (int round = 0; round < 40; round++) {
		struct store_index ix;

		store_index__init(&ix, 0);
		for (int step = 0, now_m = 0; step < 1500; step++) {
			struct store_name n = {0}, of_all = {0};
			struct store_index all;
			uint64_t now_s;
			int rc;

			now_m += step % 400 == 399 ? -90 : rand() % 12; /* the clock is set back, too */
			change(&ix, now_m > 0 ? now_m : 0);
			now_s = AT(0, now_m) / NS_PER_SEC;
			all = ix;
			look_again(&all);
			rc = store_index__next_rollup(&all, now_s, 120, verdict_by_name, NULL, &of_all);
			assert_int_equal(store_index__next_rollup(&ix, now_s, 120, verdict_by_name, NULL, &n),
					 rc);
			if (rc)
				continue;
			assert_int_equal(store_name__compare(&n, &of_all), 0);
			n_due++;
			if (rand() % 4)
				add(&ix, n);
		}
		store_index__done(&ix);
	}
	assert_true(n_due > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_settled_is_not_looked_at_every_second),
		cmocka_unit_test(what_is_due_is_the_same_as_of_a_look_at_all),
		cmocka_unit_test(entries_stay_in_order_of_time),
		cmocka_unit_test(the_same_name_twice_is_refused_until_it_is_gone),
		cmocka_unit_test(the_limit_holds),
		cmocka_unit_test(a_window_belongs_to_the_range_in_which_it_starts),
		cmocka_unit_test(a_rollup_stands_for_its_parts),
		cmocka_unit_test(a_rollup_that_the_range_cuts_gives_way_to_its_parts),
		cmocka_unit_test(a_cut_rollup_without_parts_stands_in_and_says_so),
		cmocka_unit_test(a_late_window_counts_beside_the_rollup),
		cmocka_unit_test(asked_for_windows_a_rollup_comes_where_none_is_left_and_once),
		cmocka_unit_test(no_range_counts_a_minute_twice),
		cmocka_unit_test(an_hour_is_due_after_its_end_and_grace),
		cmocka_unit_test(a_day_waits_for_its_hours),
		cmocka_unit_test(late_windows_are_no_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
