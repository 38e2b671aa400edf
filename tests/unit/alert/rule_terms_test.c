// SPDX-License-Identifier: Apache-2.0
/* Rules of more than one term: each has a unit of its own, and another may speak in each pass. */
#include "tests/unit/alert/engine.h"

static const char both[] =
	"- {name: big, condition: {all: [thread_count > 10, rss > 500MB]}, duration: 3s, action: keep, "
	"scope: process, keep_firing: 0s, capture: {after: 1s}}";

static void pass_both(struct fixture *f, double threads, double rss, int times)
{
	while (times--)
		pass_two(f, 1, METRIC_thread_count, threads, METRIC_rss, rss);
}

static void another_term_that_speaks_is_no_worse_for_its_unit(void **state)
{
	struct fixture *f = *state;

	start(f, both);
	pass_both(f, 20, 600 * MB, 5); /* twice the threshold, 1.2 times */
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->last.metric, METRIC_thread_count);
	pass_both(f, 11, 600 * MB, 5);
	pass_both(f, 11, 1100 * MB, 5);
	assert_int_equal(f->n_captures, 1);
	/* half as much again as what was captured: now it is */
	pass_both(f, 11, 1500 * MB, 5);
	assert_int_equal(f->n_captures, 2);
	assert_int_equal(f->last.metric, METRIC_rss);
	assert_true(f->last.value == 1500 * MB && f->last.threshold == 500 * MB);
	pass_both(f, 30, 600 * MB, 5);
	assert_int_equal(f->n_captures, 2);
	pass_both(f, 40, 600 * MB, 5);
	assert_int_equal(f->n_captures, 3);
	assert_int_equal(f->n_firing, 1);
}

static void the_worst_is_told_with_its_own_unit(void **state)
{
	struct fixture *f = *state;

	start(f, both);
	pass_both(f, 20, 600 * MB, 5);
	pass_both(f, 11, 600 * MB, 5);
	pass_both(f, 1, 600 * MB, 1);
	assert_int_equal(f->n_resolved, 1);
	assert_int_equal(f->last_metric, METRIC_thread_count);
	assert_true(f->last_worst == 20 && f->last_threshold == 10);
	f->now.real_ns += 3600 * S;
	pass_both(f, 20, 600 * MB, 5);
	pass_both(f, 11, 1200 * MB, 5);
	pass_both(f, 1, 600 * MB, 1);
	assert_int_equal(f->n_resolved, 2);
	assert_int_equal(f->last_metric, METRIC_rss);
	assert_true(f->last_worst == 1200 * MB && f->last_threshold == 500 * MB);
}

/* Of one less is worse, of the other more: which of them speaks makes nothing worse. */
static void a_term_with_below_beside_one_with_above_captures_once(void **state)
{
	struct fixture *f = *state;

	start(f, "- {name: short, condition: {any: [memory_available_percent < 10, cpu_usage_percent > 80]}, "
		 "duration: 0s, action: keep, keep_firing: 0s}");
	for (int t = 0; t < 40; t++)
		pass_two(f, 0, METRIC_memory_available_percent, t % 2 ? 50 : 8, CPU, t % 2 ? 90 : 50);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_captures, 1);
	pass_two(f, 0, METRIC_memory_available_percent, 50, CPU, 50);
	assert_int_equal(f->n_resolved, 1);
	assert_int_equal(f->last_metric, METRIC_memory_available_percent);
	assert_true(f->last_worst == 8 && f->last_threshold == 10);
}

static void steps_beside_another_term_are_captured_once_each(void **state)
{
	struct fixture *f = *state;

	start(f, "- {name: grows, condition: {any: [cpu_usage_percent > 80, {metric: rss, steps: [1GB, 2GB, "
		 "4GB]}]}, duration: 0s, action: keep, scope: process, capture: {after: 1s}, limits: "
		 "{escalation: 0%}}");
	pass_two(f, 1, CPU, 90, METRIC_rss, 1);
	pass_two(f, 1, CPU, 90, METRIC_rss, 1050 * MB);
	pass_two(f, 1, CPU, 10, METRIC_rss, 1050 * MB);
	assert_int_equal(f->n_captures, 1);
	for (int t = 0; t < 5; t++)
		pass_two(f, 1, CPU, 90, METRIC_rss, (2100 + t) * MB);
	assert_int_equal(f->n_captures, 2);
	for (int t = 0; t < 5; t++)
		pass_two(f, 1, CPU, 10, METRIC_rss, (4100 + t) * MB);
	assert_int_equal(f->n_captures, 3);
}

static void the_series_of_a_capture_is_of_its_metric(void **state)
{
	struct capture_point points[16];
	struct fixture *f = *state;
	uint32_t n;

	start(f, both);
	f->answers_at_once = false;
	pass_both(f, 11, 800 * MB, 3);
	pass_both(f, 20, 600 * MB, 1);
	pass_both(f, 11, 800 * MB, 3);
	assert_int_equal(f->n_captures, 1);
	n = f->last.series(f->last.ctx, 0, points, 16);
	assert_int_equal(f->last.metric, METRIC_thread_count);
	assert_int_equal(n, 1);
	assert_true(points[0].value == 20);
	f->last.done(f->last.ctx, &(struct capture_result){.id = "id1", .path = "/c/1"});
}

/* What shrinks is measured, and nothing lies further from growing. */
static void a_value_below_zero_is_a_value(void **state)
{
	struct fixture *f = *state;
	struct buf b;

	start(f, "- {name: leak, condition: memory_growth_rate > 100MB/hour, duration: 10s, action: keep, "
		 "scope: "
		 "process}");
	for (int t = 0; t < 20; t++)
		pass_one(f, METRIC_rss, (500 - t) * MB);
	buf__init(&b, 1 << 16);
	rule_engine__print(f->engine, &b);
	assert_non_null(strstr(buf__str(&b), "1 of 1 measured"));
	assert_non_null(strstr(buf__str(&b), "memory_growth_rate is -1MB/s of pid 1 (p1)"));
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_term_that_speaks_is_no_worse_for_its_unit),
		TEST(the_worst_is_told_with_its_own_unit),
		TEST(a_term_with_below_beside_one_with_above_captures_once),
		TEST(steps_beside_another_term_are_captured_once_each),
		TEST(the_series_of_a_capture_is_of_its_metric),
		TEST(a_value_below_zero_is_a_value),
	};

	return cmocka_run_group_tests_name("rule_terms", tests, NULL, NULL);
}
