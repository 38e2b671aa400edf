// SPDX-License-Identifier: Apache-2.0
/* What keeps rules from doing harm, or from saying what they do not know: few samples, programs that come back, hosts in need. */
#include "tests/unit/alert/engine.h"

/* ---- estimates -------------------------------------------------------------------------------------------------------- */

static const char share_rule[] =
	"- {name: json, condition: {metric: function_share, of: \"json_*\", above: 30%}, "
	"duration: 0s, action: keep, scope: process, keep_firing: 0s}";

static void why_of(struct fixture *f, char ret[4096])
{
	struct buf b;

	buf__init(&b, 1 << 16);
	rule_engine__print(f->engine, &b);
	snprintf(ret, 4096, "%s", buf__str(&b));
	buf__done(&b);
}

static void an_estimate_fires_when_its_lower_bound_is_above(void **state)
{
	struct fixture *f = *state;
	char why[4096];

	start(f, share_rule);
	f->profile = profile_value__of_share(0.9, 199);
	for (int t = 0; t < 100; t++)
		pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 0);
	why_of(f, why);
	assert_non_null(strstr(why, "too few samples: 199 at most in the last window, of 200"));
	/* 33 % of 200 are between 27 and 40 */
	f->profile = profile_value__of_share(0.33, 200);
	for (int t = 0; t < 100; t++)
		pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 0);
	f->profile = profile_value__of_share(0.33, 2000);
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 1);
	assert_true(f->last_value == 33);
	/* and what it fired by it does not end by: 29 % of 200 may be 33 as well */
	f->profile = profile_value__of_share(0.29, 200);
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_resolved, 0);
	f->profile = profile_value__of_share(0.1, 2000);
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_resolved, 1);
}

/* Random shares under a threshold, in random numbers of samples: chance fires as seldom as the bound says. */
static void chance_does_not_fire(void **state)
{
	struct fixture *f = *state;
	int windows = 3000;

	start(f,
	      "- {name: json, condition: {metric: function_share, of: \"json_*\", above: 30%, clear: 30%}, "
	      "duration: 0s, action: none, scope: process, keep_firing: 0s, limits: {cooldown: 0s}}");
	srand(5);
	for (int t = 0; t < windows; t++) {
		int n = 200 + rand() % 300, hits = 0;

		for (int i = 0; i < n; i++)
			hits += rand() % 100 < 28;
		f->profile = profile_value__of_share((double)hits / n, (uint64_t)n);
		pass_one(f, CPU, 99);
	}
	if (f->n_firing > (uint32_t)windows / 100)
		fail_msg("%u of %d windows fired below the threshold", f->n_firing, windows);
}

static void a_profile_that_is_old_is_not_known(void **state)
{
	struct fixture *f = *state;

	start(f, share_rule);
	f->profile = profile_value__of_share(0.9, 1000);
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 1);
	f->profile.n = 0;
	for (int t = 0; t < 9; t++)
		pass_one(f, CPU, 99);
	assert_int_equal(f->n_resolved, 0);
	for (int t = 0; t < 3; t++)
		pass_one(f, CPU, 99);
	assert_int_equal(f->n_resolved, 1);
}

/* ---- programs that come back ------------------------------------------------------------------------------------------ */

static const char crash_rule[] =
	"- {name: big, condition: rss > 100MB, duration: 1s, action: keep, scope: process, "
	"keep_firing: 0s, limits: {cooldown: 10m, learning: 2s, escalation: 25%, targets: 60}}";

/* A pass over one process of the program "worker" that began when it says. */
static void pass_worker(struct fixture *f, uint32_t pid, uint64_t start_ns, double rss)
{
	struct metric_sample s = sample_of(f, pid, METRIC_rss, rss);

	tick(f);
	s.target.comm = "worker";
	s.target.exe = "/bin/worker";
	s.target.start_ns = start_ns;
	rule_engine__begin(f->engine, &f->now);
	rule_engine__take(f->engine, &s);
	rule_engine__end(f->engine);
}

static void a_program_that_is_started_again_and_again_is_one_alarm(void **state)
{
	struct fixture *f = *state;

	start(f, crash_rule);
	for (uint32_t life = 0; life < 50; life++) {
		uint64_t began = f->now.boot_ns;

		for (int t = 0; t < 8; t++)
			pass_worker(f, 100 + life, began, 120 * MB);
	}
	assert_int_equal(f->n_firing, 1);
	/* worse than what was captured, it is another matter */
	for (int t = 0; t < 8; t++)
		pass_worker(f, 200, f->now.boot_ns - (uint64_t)t * S, 200 * MB);
	assert_int_equal(f->n_firing, 2);
	/* and when it has cooled it fires again */
	f->now.mono_ns += 600 * S;
	f->now.real_ns += 600 * S;
	f->now.boot_ns += 600 * S;
	for (int t = 0; t < 8; t++)
		pass_worker(f, 300, f->now.boot_ns - (uint64_t)t * S, 120 * MB);
	assert_int_equal(f->n_firing, 3);
}

static void siblings_that_were_there_before_fire_for_themselves(void **state)
{
	struct fixture *f = *state;
	uint64_t began;

	start(f, crash_rule);
	began = f->now.boot_ns;
	for (uint32_t pid = 1; pid <= 10; pid++)
		for (int t = 0; t < 4; t++)
			pass_worker(f, pid, began, 120 * MB);
	assert_int_equal(f->n_firing, 10);
}

/* ---- the clock -------------------------------------------------------------------------------------------------------- */

#define DAY (24 * 3600 * S)

/* How many alarms there were of a hold of three seconds. */
static uint32_t hold(struct fixture *f)
{
	uint32_t before = f->n_firing;

	for (int t = 0; t < 3; t++)
		pass_one(f, CPU, 99);
	pass_one(f, CPU, 10);
	return f->n_firing - before;
}

static void a_clock_that_is_set_back_makes_nothing_cool_for_longer_than_it_would(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 1s, action: keep, scope: process, "
	      "keep_firing: 0s, limits: {cooldown: 10m, captures_per_hour: 2}}");
	f->bytes = 60;
	f->opts.capture_bytes_per_day = 100;
	assert_int_equal(rule_engine__prepare(f->engine, &f->rules), 0);
	rule_engine__set_rules(f->engine, &f->opts, &f->now);
	assert_int_equal(hold(f), 1);
	f->now.real_ns -= 300 * DAY;
	assert_int_equal(hold(f), 0);
	f->now.real_ns += 590 * S;
	assert_int_equal(hold(f), 0);
	f->now.real_ns += 10 * S;
	assert_int_equal(hold(f), 1);
	assert_int_equal(f->n_captures, 2);
	/* what was captured before that counts as of then, in the hour and in the day */
	f->now.real_ns += 700 * S;
	assert_int_equal(hold(f), 1);
	assert_int_equal(f->n_captures, 2);
	f->now.real_ns += 3600 * S;
	assert_int_equal(hold(f), 1);
	assert_int_equal(f->n_captures, 2);
	assert_string_equal(f->last_refused, "rate-limited: alerting.capture_bytes_per_day is reached");
	f->now.real_ns += 25 * 3600 * S;
	assert_int_equal(hold(f), 1);
	assert_int_equal(f->n_captures, 3);
}

/* Whoever is told refuses an alarm that ends before it begins. */
static void an_alarm_over_a_clock_that_is_set_back_ends_when_it_began_at_the_earliest(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 1s, action: none, scope: process, "
	      "keep_firing: 0s}");
	for (int t = 0; t < 3; t++)
		pass_one(f, CPU, 99);
	f->now.real_ns -= 3600 * S;
	pass_one(f, CPU, 99);
	pass_one(f, CPU, 10);
	assert_int_equal(f->n_resolved, 1);
	assert_true(f->last_fired_ns <= f->now.real_ns && f->last_since_ns <= f->last_fired_ns);
	assert_true(f->last_fired_ns > f->now.real_ns - 5 * S);
}

static void a_program_that_comes_back_cools_over_a_clock_that_is_set_back(void **state)
{
	struct fixture *f = *state;

	start(f, crash_rule);
	for (int t = 0; t < 8; t++)
		pass_worker(f, 7, 5000 * S, 120 * MB);
	assert_int_equal(f->n_firing, 1);
	f->now.real_ns -= 300 * DAY;
	pass_of(f, CPU, NULL, 0);
	tick(f);
	for (uint32_t life = 0; life < 10; life++) {
		uint64_t began = f->now.boot_ns;

		for (int t = 0; t < 8; t++)
			pass_worker(f, 100 + life, began, 120 * MB);
	}
	assert_int_equal(f->n_firing, 1);
	f->now.real_ns += 600 * S;
	for (int t = 0; t < 8; t++)
		pass_worker(f, 300, f->now.boot_ns - (uint64_t)t * S, 120 * MB);
	assert_int_equal(f->n_firing, 2);
}

/* ---- exec, hosts in need ---------------------------------------------------------------------------------------------- */

static void what_runs_another_program_is_learned_anew(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: none, scope: process, "
	      "limits: {learning: 10s}}");
	for (int t = 0; t < 30; t++) {
		struct metric_sample s = sample_of(f, 7, CPU, t < 5 ? 10 : 99);

		s.target.exec_id = t < 5 ? 3 : 4;
		tick(f);
		rule_engine__begin(f->engine, &f->now);
		rule_engine__take(f->engine, &s);
		rule_engine__end(f->engine);
		/* at 5 it is another program; ten seconds later it is known */
		assert_int_equal(f->n_firing, t < 15 ? 0 : 1);
	}
}

static void pass_host(struct fixture *f, double cpu, double available, double process)
{
	struct metric_sample s = sample_of(f, 0, CPU, cpu);

	s.values[METRIC_memory_available_percent] = available;
	s.known |= 1ull << METRIC_memory_available_percent;
	tick(f);
	rule_engine__begin(f->engine, &f->now);
	rule_engine__take(f->engine, &s);
	s = sample_of(f, 7, CPU, process);
	rule_engine__take(f->engine, &s);
	rule_engine__end(f->engine);
}

static void a_host_in_need_is_not_burdened_with_more(void **state)
{
	static const struct {
		double cpu, available;
		bool in_need;
	} hosts[] = {{50, 50, false}, {96, 50, true}, {50, 4, true}, {95, 5, false}};
	struct fixture *f = *state;

	start(f, "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: "
		 "[capture_lock_profile], scope: "
		 "process, keep_firing: 0s, limits: {cooldown: 0s}, capture: {frequency: 400}}");
	for (size_t i = 0; i < 4; i++) {
		pass_host(f, hosts[i].cpu, hosts[i].available, 99);
		/* what is there is kept in any case */
		assert_int_equal(f->n_captures, i + 1);
		assert_int_equal(f->last.only_recorded, hosts[i].in_need);
		assert_int_equal(f->last.frequency_hz, hosts[i].in_need ? 0 : 400);
		pass_host(f, 50, 50, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_estimate_fires_when_its_lower_bound_is_above),
		TEST(chance_does_not_fire),
		TEST(a_profile_that_is_old_is_not_known),
		TEST(a_program_that_is_started_again_and_again_is_one_alarm),
		TEST(siblings_that_were_there_before_fire_for_themselves),
		TEST(a_clock_that_is_set_back_makes_nothing_cool_for_longer_than_it_would),
		TEST(an_alarm_over_a_clock_that_is_set_back_ends_when_it_began_at_the_earliest),
		TEST(a_program_that_comes_back_cools_over_a_clock_that_is_set_back),
		TEST(what_runs_another_program_is_learned_anew),
		TEST(a_host_in_need_is_not_burdened_with_more),
	};

	return cmocka_run_group_tests_name("rule_guard", tests, NULL, NULL);
}
