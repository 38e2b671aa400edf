// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/err.h"
#include "user/config/condition.h"

static struct condition good(const char *text)
{
	struct condition c = {0};
	struct err e = {0};

	if (condition__parse(text, &c, &e))
		fail_msg("%s: %s", text, e.text);
	return c;
}

static void the_three_of_the_contract_are_understood(void **state)
{
	struct condition c;

	(void)state;
	c = good("cpu_usage_percent > 80");
	assert_int_equal(c.metric, METRIC_cpu_usage_percent);
	assert_int_equal(c.compare, COMPARE_ABOVE);
	assert_true(c.value == 80);
	c = good("memory_growth_rate > 100MB/hour");
	assert_int_equal(c.metric, METRIC_memory_growth_rate);
	assert_true(fabs(c.value - 1e8 / 3600) < 1e-6);
	c = good("goroutine_count > 10000");
	assert_int_equal(c.metric, METRIC_goroutine_count);
	assert_true(c.value == 10000);
}

static void each_operator_and_unit_is_read(void **state)
{
	struct condition c;

	(void)state;
	c = good("rss>=2GiB");
	assert_int_equal(c.compare, COMPARE_AT_LEAST);
	assert_true(c.value == 2147483648.0);
	c = good("  memory_limit_eta  <  60s ");
	assert_int_equal(c.compare, COMPARE_BELOW);
	assert_true(c.value == 60);
	c = good("run_queue_latency_p99 <= 20ms");
	assert_int_equal(c.compare, COMPARE_AT_MOST);
	assert_true(c.value == 0.02);
	c = good("psi_memory_full_percent > 12.5%");
	assert_true(c.value == 12.5);
	c = good("context_switch_rate > 60000/minute");
	assert_true(c.value == 1000);
	c = good("cpu_usage_percent > 350");
	assert_true(c.value == 350);
}

static void a_value_of_another_kind_is_refused(void **state)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{"memory_growth_rate > 100", "value of memory_growth_rate: expected a rate with its units"},
		{"memory_growth_rate > 100MB", "expected a rate with its units"},
		{"rss > 80%", "value of rss: expected a size with its unit"},
		{"rss > 2147483648", "expected a size with its unit"},
		{"cpu_usage_percent > 2GiB", "expected a percentage"},
		{"goroutine_count > 10k", "expected a whole number"},
		{"memory_limit_eta < 60", "expected a duration with its unit"},
		{"cpu_usage_percent >", "expected a percentage such as 80% or 0.5%, found nothing"},
		{"cpu_usage_percent > -3", "expected a percentage"},
		{"cpu_usage_percent > nan", "expected a percentage"},
		{"cpu_usage_percent > 80 and rss > 1GiB", "expected a percentage"},
		{"cpu_usage_percent = 80", "expected one of > >= < <= after the metric, found '= 80'"},
		{"cpu_usage_percent == 80", "expected one of > >= < <="},
		{"cpu_usage_percent", "expected one of > >= < <= after the metric, found ''"},
		{"cpu_usage_pct > 80", "unknown metric 'cpu_usage_pct', did you mean 'cpu_usage_percent'?"},
		{"gorutine_count > 8", "did you mean 'goroutine_count'?"},
		{"CPU_USAGE_PERCENT > 8", "did you mean 'cpu_usage_percent'?"},
		{"zzzzzzzz > 80", "; known here: cpu_usage_percent, "},
		{"> 80", "expected 'METRIC > VALUE', found '> 80'"},
		{"", "expected 'METRIC > VALUE'"},
	};
	struct condition c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.text[0] = '\0';
		if (!condition__parse(bad[i].text, &c, &e))
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(e.text, bad[i].what))
			fail_msg("%s -> %s", bad[i].text, e.text);
		assert_null(strchr(e.text, '\n'));
	}
}

static void a_long_text_is_refused(void **state)
{
	char text[CONDITION_TEXT_MAX + 2];
	struct condition c;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(condition__parse(text, &c, NULL), -E2BIG);
	text[CONDITION_TEXT_MAX] = '\0';
	assert_int_equal(condition__parse(text, &c, NULL), -EINVAL);
}

static void it_holds_on_its_side_of_the_value_only(void **state)
{
	struct condition above = good("cpu_usage_percent > 80"), at_least = good("cpu_usage_percent >= 80");
	struct condition below = good("cpu_usage_percent < 80"), at_most = good("cpu_usage_percent <= 80");

	(void)state;
	assert_false(condition__holds(&above, 80));
	assert_true(condition__holds(&above, 80.1));
	assert_true(condition__holds(&at_least, 80));
	assert_false(condition__holds(&at_least, 79.9));
	assert_false(condition__holds(&below, 80));
	assert_true(condition__holds(&below, 79.9));
	assert_true(condition__holds(&at_most, 80));
	assert_false(condition__holds(&at_most, 80.1));
	assert_false(condition__holds(&below, NAN));
	assert_false(condition__holds(&above, NAN));
}

static void every_metric_takes_a_value_of_its_unit(void **state)
{
	static const char *const values[] = {
		[METRIC_PERCENT] = "80", [METRIC_BYTES] = "1MiB",     [METRIC_BYTE_RATE] = "1MB/s",
		[METRIC_COUNT] = "5",    [METRIC_COUNT_RATE] = "5/s", [METRIC_DURATION] = "5s",
	};
	char text[128];

	(void)state;
	for (int id = 0; id < METRIC_N; id++) {
		if (metric__needs_name(id)) /* one line does not hold it */
			continue;
		const struct metric *m = metric__get(id);

		snprintf(text, sizeof(text), "%s > %s", m->name, values[m->unit]);
		assert_int_equal(good(text).metric, id);
		assert_int_not_equal(m->scopes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_of_the_contract_are_understood),
		cmocka_unit_test(each_operator_and_unit_is_read),
		cmocka_unit_test(a_value_of_another_kind_is_refused),
		cmocka_unit_test(a_long_text_is_refused),
		cmocka_unit_test(it_holds_on_its_side_of_the_value_only),
		cmocka_unit_test(every_metric_takes_a_value_of_its_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
