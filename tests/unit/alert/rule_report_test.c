// SPDX-License-Identifier: Apache-2.0
/* What the engine says of itself: to a page as JSON, to people as text. */
#include "tests/unit/alert/engine.h"

static struct buf text;

static void expect_in(const char *what)
{
	if (!strstr(buf__str(&text), what))
		fail_msg("expected: %s\nfound: %s", what, buf__str(&text));
}

static void report(struct fixture *f)
{
	buf__done(&text);
	buf__init(&text, 1 << 20);
	rule_engine__report_rules(f->engine, "host", &text);
}

static const char hot[] =
	"- {name: hot, condition: cpu_usage_percent > 80, duration: 3s, action: keep, scope: process, "
	"keep_firing: 0s, limits: {captures_per_hour: 2, targets: 1}}";

static void a_calm_rule_tells_who_is_nearest(void **state)
{
	struct fixture *f = *state;

	start(f, hot);
	pass_of(f, CPU, (double[]){10, 79.5, NAN}, 3);
	report(f);
	expect_in("\"state\":\"inactive\"");
	expect_in("\"scope\":\"process\",\"targets\":3,\"measured\":2,\"pending\":0,\"firing\":0");
	expect_in("\"metric\":\"cpu_usage_percent\",\"value\":79.5,\"threshold\":80,\"nearest\":\"p2\","
		  "\"nearestPid\":2");
	expect_in("\"limits\":{\"targets\":1,\"capturesPerHour\":2,\"capturesInHour\":0,\"cooldown\":600}");
	expect_in("\"nextCapture\":null");
	expect_in("\"alerts\":[]");
	buf__done(&text);
}

static void what_is_not_known_is_null(void **state)
{
	struct fixture *f = *state;

	start(f, hot);
	report(f);
	expect_in("\"why\":\"nothing was measured "
		  "yet\",\"metric\":\"cpu_usage_percent\",\"value\":null,\"threshold\":null,"
		  "\"nearest\":\"\",\"nearestPid\":0");
	pass_of(f, CPU, (double[]){NAN}, 1);
	report(f);
	expect_in("no data: the metric is not known of any of 1 targets (yet)");
	buf__done(&text);
}

static void an_alarm_tells_its_episode_and_how_long_it_cools(void **state)
{
	struct fixture *f = *state;
	char episode[64];

	start(f, hot);
	for (int t = 0; t < 5; t++)
		pass_one(f, CPU, t == 4 ? 95 : 90);
	assert_int_equal(f->n_captures, 1);
	report(f);
	snprintf(episode, sizeof(episode), "\"worst\":95,\"episode\":\"%llx\",\"capture\":\"id1\"",
		 (unsigned long long)f->last.episode);
	expect_in("\"state\":\"firing\"");
	expect_in("\"threshold\":80,");
	expect_in(episode);
	/* it fired in the fourth second, and cools for ten minutes */
	expect_in("\"coolingUntil\":\"2023-11-14T22:25:04.000Z\"");
	/* over: what is told no more has no episode, and the rule says why it waits */
	pass_one(f, CPU, 1);
	for (int t = 0; t < 4; t++)
		pass_one(f, CPU, 90);
	report(f);
	expect_in("\"state\":\"pending\"");
	expect_in("holds, but is cooling for 594s more");
	buf__done(&text);
}

/* Each with when it began and ended and how bad it was; the oldest go when there are too many. */
static void alarms_that_are_over_are_told(void **state)
{
	struct fixture *f = *state;
	const char *at;
	int n = 0;

	start(f, "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, "
		 "scope: process, keep_firing: 0s, "
		 "limits: {captures_per_hour: 1, cooldown: 0s}}");
	buf__init(&text, 1 << 20);
	pass_one(f, CPU, 90);
	rule_engine__report_alerts(f->engine, "host", &text);
	expect_in("\"resolved\":[]");
	pass_one(f, CPU, 97);
	pass_one(f, CPU, 1);
	buf__clear(&text);
	rule_engine__report_alerts(f->engine, "host", &text);
	expect_in("\"alerts\":[],\"resolved\":[{\"rule\":\"hot\",\"of\":\"pid 1 (p1)\","
		  "\"worst\":\"97%\",\"capture\":\"id1\",\"firedAt\":\"2023-11-14T22:15:01.000Z\","
		  "\"endedAt\":\"2023-11-14T22:"
		  "15:03.000Z\"}]");
	for (int t = 0; t < 300; t++)
		pass_one(f, CPU, t % 2 ? 1 : 90);
	buf__clear(&text);
	rule_engine__report_alerts(f->engine, "host", &text);
	for (at = buf__str(&text); (at = strstr(at, "\"firedAt\"")); at++)
		n++;
	assert_int_equal(n, 128);
	expect_in("\"capture\":\"\",\"firedAt\":\"2023-11-14T22:20:02.000Z\",\"endedAt\":\"2023-11-14T22:20:"
		  "03.000Z\"}]");
	buf__done(&text);
}

/* Two captures an hour: the third may begin an hour after the first. */
static void the_next_capture_is_when_the_limits_let_it(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process, "
	      "keep_firing: 0s, limits: {captures_per_hour: 2, cooldown: 0s}}");
	for (int t = 0; t < 4; t++)
		pass_one(f, CPU, t % 2 ? 1 : 90);
	assert_int_equal(f->n_captures, 2);
	report(f);
	expect_in("\"capturesInHour\":2");
	expect_in("\"nextCapture\":\"2023-11-14T23:15:01.000Z\"");
	f->now.mono_ns += 3600 * S;
	f->now.real_ns += 3600 * S;
	f->now.boot_ns += 3600 * S;
	pass_one(f, CPU, 1);
	report(f);
	expect_in("\"capturesInHour\":0");
	expect_in("\"nextCapture\":null");
	buf__done(&text);
}

static void a_rule_looked_at_closely_shows_each_target(void **state)
{
	struct fixture *f = *state;

	start(f, hot);
	buf__init(&text, 1 << 20);
	pass_of(f, CPU, (double[]){10, 90, NAN}, 3);
	assert_int_equal(rule_engine__look_at(f->engine, "none"), -ENOENT);
	assert_int_equal(rule_engine__look_at(f->engine, "hot"), 0);
	assert_int_equal(rule_engine__print_close_up(f->engine, "hot", &text), -EAGAIN);
	pass_of(f, CPU, (double[]){10, 90, NAN}, 3);
	assert_int_equal(rule_engine__look_at(f->engine, "hot"), 0);
	assert_int_equal(rule_engine__print_close_up(f->engine, "hot", &text), 0);
	/* the worst first, what is not known last */
	expect_in("pending              90%          80%  pid 2 (p2): pending: 1s of 3s\n"
		  "inactive             10%          80%  pid 1 (p1): does not hold\n"
		  "inactive               -          80%  pid 3 (p3): no data\n");
	/* when nothing is there any more, nothing is shown */
	pass_of(f, CPU, NULL, 0);
	buf__clear(&text);
	assert_int_equal(rule_engine__print_close_up(f->engine, "hot", &text), 0);
	expect_in("nothing matches\n");
	buf__done(&text);
}

static void an_alarm_tells_which_of_its_terms_a_number_is_of(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: big, condition: {all: [thread_count > 10, rss > 500MB]}, duration: 0s, action: keep, "
	      "scope: process, annotations: {limit: \"{threshold}\"}}");
	pass_two(f, 1, METRIC_thread_count, 20, METRIC_rss, 600 * MB);
	pass_two(f, 1, METRIC_thread_count, 11, METRIC_rss, 600 * MB);
	report(f);
	expect_in("\"annotations\":{\"limit\":\"500MB\",\"value\":\"600MB\"");
	expect_in("\"value\":\"600000000\"");
	expect_in(
		"\"metric\":\"rss\",\"worstMetric\":\"thread_count\",\"threshold\":500000000,\"worst\":20,");
	buf__done(&text);
}

/* Anybody names a process; who looks at rules is root. */
static void a_name_moves_no_cursor(void **state)
{
	static const char name[] = "a\033[2Jb\xc2\x9b";
	struct fixture *f = *state;

	start(f, hot);
	pass_named_one(f, name, CPU, 10);
	assert_int_equal(rule_engine__look_at(f->engine, "hot"), 0);
	for (int t = 0; t < 8; t++) {
		pass_named_one(f, name, CPU, t ? 90 : 10);
		buf__done(&text);
		buf__init(&text, 1 << 20);
		rule_engine__print(f->engine, &text);
		expect_in("pid 1 (a?[2Jb?)");
		assert_int_equal(rule_engine__print_close_up(f->engine, "hot", &text), 0);
		if (strpbrk(buf__str(&text), "\033\xc2"))
			fail_msg("in second %d: %s", t, buf__str(&text));
	}
	expect_in("firing");
	buf__done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_calm_rule_tells_who_is_nearest),
		TEST(what_is_not_known_is_null),
		TEST(an_alarm_tells_its_episode_and_how_long_it_cools),
		TEST(alarms_that_are_over_are_told),
		TEST(the_next_capture_is_when_the_limits_let_it),
		TEST(a_rule_looked_at_closely_shows_each_target),
		TEST(an_alarm_tells_which_of_its_terms_a_number_is_of),
		TEST(a_name_moves_no_cursor),
	};

	return cmocka_run_group_tests_name("rule_report", tests, NULL, NULL);
}
