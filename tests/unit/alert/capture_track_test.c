// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/alert/capture_track.h"
#include "user/base/clock.h"

#define FIRED (1000 * NS_PER_SEC)

static const struct metric_target seven = {.scope = SCOPE_PROCESS, .pid = 7, .start_ns = 123456789};

static struct metric_sample sample(uint32_t pid, uint64_t at_ns, double cpu, double psi)
{
	struct metric_sample s = {
		.target = {.scope = SCOPE_PROCESS, .pid = pid, .start_ns = 123456789, .cgroup_id = 5},
		.at_ns = at_ns,
		.known = 1ull << METRIC_cpu_usage_percent | 1ull << METRIC_fd_count};

	s.values[METRIC_cpu_usage_percent] = cpu;
	s.values[METRIC_fd_count] = psi;
	return s;
}

static double value_at(const struct capture_track *t, enum metric_id metric, uint64_t at_ns)
{
	return capture_track__mean(t, metric, at_ns, at_ns + 1);
}

static void past_and_passes_are_one_series_in_the_order_of_time(void **state)
{
	struct capture_track t;
	struct metric_sample s;

	(void)state;
	assert_int_equal(capture_track__init(&t, &seven, METRIC_fd_count, FIRED, 1), 0);
	/* metric after metric, as they are remembered; too old and unknown ones are not taken */
	for (int i = -400; i < 0; i += 100)
		capture_track__put(&t, METRIC_cpu_usage_percent, FIRED + i * (int64_t)NS_PER_SEC, 10 - i);
	for (int i = -400; i < 0; i += 50)
		capture_track__put(&t, METRIC_rss, FIRED + i * (int64_t)NS_PER_SEC, 4096);
	capture_track__put(&t, METRIC_rss, FIRED - 10 * NS_PER_SEC, NAN);
	capture_track__put(&t, METRIC_alloc_rate, FIRED - 20 * NS_PER_SEC, 1);
	assert_int_equal(t.n_rows, 6);
	for (uint32_t i = 1; i < t.n_rows; i++)
		assert_true(t.rows[i - 1].at_ns < t.rows[i].at_ns);
	assert_true(isnan(value_at(&t, METRIC_cpu_usage_percent, FIRED - 400 * NS_PER_SEC)));
	assert_true(value_at(&t, METRIC_cpu_usage_percent, FIRED - 200 * NS_PER_SEC) == 210);
	assert_true(isnan(value_at(&t, METRIC_cpu_usage_percent, FIRED - 150 * NS_PER_SEC)));
	/* of the target alone */
	s = sample(8, FIRED + NS_PER_SEC, 50, 3);
	capture_track__take(&t, &s);
	assert_int_equal(t.n_rows, 6);
	s = sample(7, FIRED + NS_PER_SEC, 50, 3);
	capture_track__take(&t, &s);
	s = sample(7, FIRED + 2 * NS_PER_SEC, 100, 5);
	capture_track__take(&t, &s);
	assert_int_equal(t.n_rows, 8);
	assert_true(capture_track__mean(&t, METRIC_cpu_usage_percent, FIRED, FIRED + 10 * NS_PER_SEC) == 75);
	assert_true(capture_track__mean(&t, METRIC_fd_count, FIRED, FIRED + 10 * NS_PER_SEC) == 4);
	/* to the end of the five minutes, and no further */
	assert_false(capture_track__is_over(&t, FIRED + TRACK_SIDE_NS));
	assert_true(capture_track__is_over(&t, FIRED + TRACK_SIDE_NS + 1));
	s = sample(7, FIRED + TRACK_SIDE_NS + 1, 1, 1);
	capture_track__take(&t, &s);
	assert_int_equal(t.n_rows, 8);
	capture_track__done(&t);
}

static void a_start_in_ticks_is_the_same_process(void **state)
{
	struct capture_track t;
	struct metric_target coarse = seven;
	struct metric_sample s = sample(7, FIRED, 1, 1);

	(void)state;
	coarse.start_ns = 120000000; /* as /proc tells it, in hundredths */
	assert_int_equal(capture_track__init(&t, &coarse, METRIC_N, FIRED, 1), 0);
	capture_track__take(&t, &s);
	assert_int_equal(t.n_rows, 1);
	s.target.start_ns += 20000000; /* the number was given again */
	s.at_ns++;
	capture_track__take(&t, &s);
	assert_int_equal(t.n_rows, 1);
	capture_track__done(&t);
}

static void it_does_not_grow_for_ever(void **state)
{
	struct capture_track t;

	(void)state;
	assert_int_equal(capture_track__init(&t, &seven, METRIC_N, FIRED, 1), 0);
	for (uint64_t i = 0; i < 2 * TRACK_ROWS_MAX; i++)
		capture_track__put(&t, METRIC_rss, FIRED + i * NS_PER_MS, 1);
	assert_int_equal(t.n_rows, TRACK_ROWS_MAX);
	capture_track__done(&t);
}

static void as_json_it_has_a_time_and_a_value_a_metric_in_each_row(void **state)
{
	struct capture_track t;
	json_t *root, *values;

	(void)state;
	assert_int_equal(capture_track__init(&t, &seven, METRIC_N, FIRED, 42), 0);
	capture_track__put(&t, METRIC_cpu_usage_percent, FIRED - 500 * NS_PER_MS, 12.3);
	capture_track__put(&t, METRIC_rss, FIRED, 8192);
	root = capture_track__json(&t);
	assert_non_null(root);
	assert_int_equal(json_integer_value(json_object_get(root, "fired_unix_ns")), 42);
	assert_true(json_real_value(json_array_get(json_object_get(root, "seconds"), 0)) == -0.5);
	values = json_object_get(root, "values");
	assert_int_equal(json_object_size(values), 2); /* those of which anything is known */
	assert_true(json_number_value(json_array_get(json_object_get(values, "cpu_usage_percent"), 0)) ==
		    12.3);
	assert_true(json_is_null(json_array_get(json_object_get(values, "cpu_usage_percent"), 1)));
	assert_int_equal(json_integer_value(json_array_get(json_object_get(values, "rss"), 1)), 8192);
	json_decref(root);
	capture_track__done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(past_and_passes_are_one_series_in_the_order_of_time),
		cmocka_unit_test(a_start_in_ticks_is_the_same_process),
		cmocka_unit_test(it_does_not_grow_for_ever),
		cmocka_unit_test(as_json_it_has_a_time_and_a_value_a_metric_in_each_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
