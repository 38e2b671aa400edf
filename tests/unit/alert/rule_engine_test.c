// SPDX-License-Identifier: Apache-2.0
/* What fires, when, how often, and what comes of it. */
#include "tests/unit/alert/engine.h"

#include "user/alert/notice.h"

static void one_hot_process_of_many_is_captured_once(void **state)
{
	struct fixture *f = *state;
	double values[200];

	start(f, "- {name: hot, condition: cpu_usage_percent > 80, duration: 3s, action: "
		 "capture_cpu_profile, scope: process}");
	for (int t = 0; t < 60; t++) {
		for (int i = 0; i < 200; i++)
			values[i] = i == 123 && t >= 20 && t < 25 ? 99 : i % 70;
		pass_of(f, CPU, values, 200);
	}
	assert_int_equal(f->n_captures, 1);
	assert_int_equal(f->pids[0], 124);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_resolved, 1);
	assert_int_equal(f->last.held_ns, 3 * S);
	assert_int_equal(f->last.before_ns, 30 * S);
	assert_int_equal(f->last.events, 1u << EVENT_CPU);
	assert_true(f->last.value == 99 && f->last.threshold == 80);
	assert_string_equal(f->last_cause, "held for 3s");
	assert_string_equal(f->last_path, "/c/1");
}

static void a_hold_that_is_too_short_does_not_fire(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 3s, action: keep, scope: process}");
	for (int t = 0; t < 600; t++)
		pass_one(f, CPU, t % 4 == 3 ? 79 : 99);
	assert_int_equal(f->n_firing, 0);
}

static void reload(struct fixture *f)
{
	assert_int_equal(rule_engine__prepare(f->engine, &f->rules), 0);
	rule_engine__set_rules(f->engine, &f->opts, &f->now);
}

static void values_that_hover_fire_once(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 2s, action: keep, scope: process}");
	srand(1);
	for (int t = 0; t < 3000; t++)
		pass_one(f, CPU, 76 + rand() % 12);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_captures, 1);
}

/* Three hundred cross in the same second. */
static void of_a_crowd_the_worst_few_are_captured(void **state)
{
	struct fixture *f = *state;
	struct rule_engine_stats stats;
	double values[300];

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 2s, action: keep, scope: process, "
	      "limits: {targets: 4}}");
	for (int i = 0; i < 300; i++)
		values[i] = 81 + (i * 7 % 300) / 20.0;
	for (int t = 0; t < 200; t++) {
		pass_of(f, CPU, values, 300);
		rule_engine__stats(f->engine, &stats);
		assert_true(stats.n_firing <= 4);
	}
	assert_int_equal(f->n_captures, 4);
	assert_int_equal(f->n_firing, 4);
	for (int i = 0; i < 4; i++)
		assert_true(values[f->pids[i] - 1] >= 81 + 296 / 20.0);
	assert_true(stats.left >= 296);
	/* the last that fired says how many it left */
	assert_int_equal(f->last_left, 296);
}

static void the_hour_of_the_host_bounds_captures_and_not_alarms(void **state)
{
	struct fixture *f = *state;
	double values[40];

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process, "
	      "limits: {targets: 40, captures_per_hour: 1000}}");
	f->opts.captures_per_hour = 7;
	reload(f);
	for (int i = 0; i < 40; i++)
		values[i] = 90;
	for (int t = 0; t < 100; t++)
		pass_of(f, CPU, values, 40);
	assert_int_equal(f->n_firing, 40);
	assert_int_equal(f->n_captures, 7);
	assert_string_equal(f->last_refused, "rate-limited: alerting.captures_per_hour (7) is reached");
}

static void bytes_of_the_day_are_counted_when_they_are_written(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process, "
	      "keep_firing: 0s, limits: {cooldown: 0s, captures_per_hour: 1000}}");
	f->opts.capture_bytes_per_day = 100;
	f->bytes = 40;
	reload(f);
	for (int t = 0; t < 40; t++)
		pass_one(f, CPU, t % 2 ? 10 : 90);
	assert_int_equal(f->n_firing, 20);
	assert_int_equal(f->n_captures, 3);
	assert_string_equal(f->last_refused, "rate-limited: alerting.capture_bytes_per_day is reached");
	f->now.real_ns += 25 * 3600 * S;
	pass_one(f, CPU, 10);
	pass_one(f, CPU, 90);
	assert_int_equal(f->n_captures, 4);
}

static void a_target_cools_unless_it_is_much_worse(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 1s, action: keep, scope: process, "
	      "keep_firing: 0s, limits: {cooldown: 10m, escalation: 50%}}");
	for (int t = 0; t < 300; t++)
		pass_one(f, CPU, t % 10 < 5 ? 100 : 10);
	assert_int_equal(f->n_firing, 1);
	for (int t = 0; t < 10; t++)
		pass_one(f, CPU, 151);
	assert_int_equal(f->n_firing, 2);
	pass_one(f, CPU, 10);
	f->now.real_ns += 600 * S;
	for (int t = 0; t < 10; t++)
		pass_one(f, CPU, 100);
	assert_int_equal(f->n_firing, 3);
	assert_int_equal(f->n_resolved, 2);
}

static void what_fires_on_and_gets_worse_is_captured_again_in_the_same_episode(void **state)
{
	struct fixture *f = *state;
	uint64_t episode;

	start(f, "- {name: big, condition: {metric: rss, steps: [100MB, 200MB, 400MB]}, duration: 0s, "
		 "action: keep, "
		 "scope: process, capture: {after: 5s}}");
	for (int t = 0; t < 20; t++)
		pass_one(f, METRIC_rss, 150 * MB);
	episode = f->last.episode;
	assert_int_equal(f->n_captures, 1);
	for (int t = 0; t < 20; t++)
		pass_one(f, METRIC_rss, 250 * MB);
	assert_int_equal(f->n_captures, 2);
	for (int t = 0; t < 20; t++)
		pass_one(f, METRIC_rss, 900 * MB);
	assert_int_equal(f->n_captures, 3);
	assert_int_equal(f->last.episode, episode);
	assert_int_equal(f->n_firing, 1);
}

/* 150 MB an hour, of a rule of 100: a second here is six of a rule of 30 minutes. */
static void a_leak_fires_and_a_sawtooth_does_not(void **state)
{
	struct fixture *f = *state;
	double rss = 50 * MB;
	int fired_at = 0;

	start(f, "- {name: leak, condition: memory_growth_rate > 28kB/s, duration: 300s, action: "
		 "capture_memory_profile, "
		 "scope: process}");
	for (int t = 0; t < 3000; t++)
		pass_one(f, METRIC_rss, 50 * MB + (t % 200) * 0.4 * MB + (t % 7) * 0.1 * MB);
	assert_int_equal(f->n_firing, 0);
	for (int t = 0; t < 1000 && !fired_at; t++) {
		pass_one(f, METRIC_rss, rss += 42000);
		fired_at = f->n_firing ? t : 0;
	}
	assert_int_equal(f->n_firing, 1);
	assert_true(fired_at >= 300 && fired_at <= 600);
	assert_true(f->last_value > 28000 && f->last_value < 43000);
}

static void a_rise_is_against_the_values_before_it(void **state)
{
	struct fixture *f = *state;

	start(f, "- {name: rise, condition: {metric: alloc_rate, rise: 50%, over: 60s, min: 1MB/s}, "
		 "duration: 5s, "
		 "action: keep, scope: process}");
	/* below min nothing is a rise */
	for (int t = 0; t < 120; t++)
		pass_one(f, METRIC_alloc_rate, t < 60 ? 1000 : 900000);
	assert_int_equal(f->n_firing, 0);
	for (int t = 0; t < 120; t++)
		pass_one(f, METRIC_alloc_rate, 2 * MB);
	assert_int_equal(f->n_firing, 1); /* from 0.9 to 2 */
	for (int t = 0; t < 200; t++)
		pass_one(f, METRIC_alloc_rate, 2 * MB);
	assert_int_equal(f->n_resolved, 1); /* the usual by now */
	for (int t = 0; t < 30; t++)
		pass_one(f, METRIC_alloc_rate, 2.9 * MB);
	assert_int_equal(f->n_firing, 1);
}

/* Each minute half a minute of three times as much: nothing new, until a minute has half as much again. */
static void a_rise_is_against_the_same_time_before(void **state)
{
	struct fixture *f = *state;
	int t;

	start(f, "- {name: again, condition: {metric: alloc_rate, rise: 40%, ago: 60s}, duration: 8s, "
		 "action: keep, scope: process}");
	for (t = 0; t < 600; t++)
		pass_one(f, METRIC_alloc_rate, t / 30 % 2 ? 3 * MB : MB);
	assert_int_equal(f->n_firing, 0);
	for (; t < 610; t++)
		pass_one(f, METRIC_alloc_rate, 1.5 * MB);
	assert_int_equal(f->n_firing, 1);
	for (; t < 700; t++)
		pass_one(f, METRIC_alloc_rate, t / 30 % 2 ? 3 * MB : MB);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_resolved, 1);
}

static void outside_of_a_band_it_fires_on_either_side(void **state)
{
	struct fixture *f = *state;

	start(f, "- {name: band, condition: {metric: thread_count, above: 500, below: 2}, duration: 3s, "
		 "action: keep, scope: process, keep_firing: 0s, limits: {cooldown: 0s}}");
	for (int t = 0; t < 20; t++)
		pass_one(f, METRIC_thread_count, t % 2 ? 500 : 2);
	assert_int_equal(f->n_firing, 0);
	for (int t = 0; t < 5; t++)
		pass_one(f, METRIC_thread_count, 501);
	assert_int_equal(f->n_firing, 1);
	for (int t = 0; t < 5; t++)
		pass_one(f, METRIC_thread_count, 100);
	assert_int_equal(f->n_resolved, 1);
	for (int t = 0; t < 5; t++)
		pass_one(f, METRIC_thread_count, 1);
	assert_int_equal(f->n_firing, 2);
}

static void what_will_be_full_soon_is_told_before(void **state)
{
	struct fixture *f = *state;
	int t;

	start(f, "- {name: full, condition: {metric: fd_count, predict: 1000, within: 60s, over: 30s}, "
		 "duration: 3s, "
		 "action: keep, scope: process}");
	for (t = 0; t < 60; t++)
		pass_one(f, METRIC_fd_count, 100);
	assert_int_equal(f->n_firing, 0);
	for (t = 0; t < 200 && !f->n_firing; t++)
		pass_one(f, METRIC_fd_count, 100 + 5 * t);
	/* 5 a second: 60 s before 1000 is at 700 */
	assert_true(t > 110 && t < 130);
}

/* What runs out comes from above: 60 % is no "5 % or more". */
static void what_will_run_out_soon_is_told_before(void **state)
{
	struct fixture *f = *state;
	int t;

	start(f,
	      "- {name: short, condition: {metric: memory_available_percent, predict: 5%, within: 60s, over: "
	      "30s}, duration: 3s, action: keep, keep_firing: 0s}");
	for (t = 0; t < 100; t++)
		pass_two(f, 0, METRIC_memory_available_percent, 60 + t * 0.1, CPU, 1);
	assert_int_equal(f->n_firing, 0);
	for (t = 0; t < 200 && !f->n_firing; t++)
		pass_two(f, 0, METRIC_memory_available_percent, 70 - 0.5 * t, CPU, 1);
	/* half a percent a second: 60 s before 5 % is at 35 % */
	assert_true(t > 65 && t < 85);
	assert_true(f->last.lower_is_worse);
	for (int i = 0; i < 60; i++)
		pass_two(f, 0, METRIC_memory_available_percent, 4, CPU, 1);
	assert_int_equal(f->n_resolved, 0);
	for (int i = 0; i < 60; i++)
		pass_two(f, 0, METRIC_memory_available_percent, 60, CPU, 1);
	assert_int_equal(f->n_resolved, 1);
}

static void an_event_fires_at_once_and_is_over_after_its_time(void **state)
{
	struct fixture *f = *state;
	struct host_event killed = {.kind = HOST_EVENT_OOM_KILL, .rss_bytes = 5};

	start(f, "- {name: oom, condition: oom_kill, action: capture_memory_profile, scope: process, "
		 "match: {comm: \"p*\"}, keep_firing: 10s}");
	killed.target = sample_of(f, 7, CPU, 0).target;
	rule_engine__event(f->engine, &killed, &f->now);
	rule_engine__event(f->engine, &killed, &f->now);
	assert_int_equal(f->n_captures, 1);
	assert_int_equal(f->pids[0], 7);
	assert_string_equal(f->last_cause, "oom_kill");
	/* the process is gone, the alarm stays for its time */
	for (int t = 0; t < 9; t++)
		pass_of(f, CPU, NULL, 0);
	assert_int_equal(f->n_resolved, 0);
	for (int t = 0; t < 9; t++)
		pass_of(f, CPU, NULL, 0);
	assert_int_equal(f->n_resolved, 1);
	killed.kind = HOST_EVENT_FATAL_SIGNAL;
	rule_engine__event(f->engine, &killed, &f->now);
	assert_int_equal(f->n_captures, 1);
}

static void what_is_gone_is_over(void **state)
{
	struct fixture *f = *state;
	struct rule_engine_stats stats;
	uint64_t over_ns;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process}");
	f->answers_at_once = false;
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->last_ended_ns, 0);
	pass_of(f, CPU, NULL, 0);
	assert_int_equal(f->n_resolved, 1);
	over_ns = f->now.real_ns;
	assert_int_equal(f->last_ended_ns, over_ns);
	pass_of(f, CPU, NULL, 0);
	/* its capture may come later, and is told still */
	f->last.done(f->last.ctx, &(struct capture_result){.id = "id1", .path = "/c/9"});
	assert_int_equal(f->n_captured, 1);
	assert_string_equal(f->last_path, "/c/9");
	/* nobody is told that it fires on */
	assert_int_equal(f->last_ended_ns, over_ns);
	pass_of(f, CPU, NULL, 0);
	rule_engine__stats(f->engine, &stats);
	assert_int_equal(stats.n_targets, 0);
	assert_int_equal(f->n_resolved, 1);
}

/* ---- targets that a rule does not mean any more ------------------------------------------------------------------------- */

/* Process 7 under that name and unit, and beside it processes 1..n. */
static void pass_named(struct fixture *f, const char *comm, const char *unit, enum metric_id id, double value,
		       uint32_t n)
{
	struct metric_sample s;

	tick(f);
	rule_engine__begin(f->engine, &f->now);
	for (uint32_t i = 0; i <= n; i++) {
		s = sample_of(f, i ? i : 7, id, value);
		if (!i) {
			s.target.comm = comm;
			s.target.unit = unit;
		}
		rule_engine__take(f->engine, &s);
	}
	rule_engine__end(f->engine);
}

static const char only_of_web[] =
	"- {name: hot, condition: cpu_usage_percent > 80, duration: 2s, action: keep, scope: process, "
	"keep_firing: 1h, match: {unit: web, comm: [\"p*\"]}, limits: {targets: 1, cooldown: 10m}}";

static void what_a_rule_does_not_mean_any_more_is_over(void **state)
{
	struct rule_engine_stats stats;
	struct fixture *f = *state;

	start(f, only_of_web);
	for (int t = 0; t < 5; t++)
		pass_named(f, "p", "web", CPU, 99, 0);
	assert_int_equal(f->n_firing, 1);
	/* another program from now on, which burns as well */
	for (int t = 0; t < 12; t++)
		pass_named(f, "other", "web", CPU, 99, 0);
	assert_int_equal(f->n_resolved, 1);
	rule_engine__stats(f->engine, &stats);
	assert_int_equal(stats.n_firing, 0);
	/* what it was before cools still */
	for (int t = 0; t < 12; t++)
		pass_named(f, "p", "web", CPU, 99, 0);
	assert_int_equal(f->n_firing, 1);
	for (int t = 0; t < 12; t++)
		pass_named(f, "other", "web", CPU, 99, 0);
	f->now.real_ns += 600 * S;
	for (int t = 0; t < 4; t++)
		pass_named(f, "p", "web", CPU, 99, 0);
	assert_int_equal(f->n_firing, 2);
}

/* It takes the place of nobody: the rule lets one fire. */
static void what_is_not_meant_any_more_leaves_its_place_to_others(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 2s, action: keep, scope: process, "
	      "match: {comm: [\"p*\"]}, limits: {targets: 1}}");
	for (int t = 0; t < 5; t++)
		pass_named(f, "p7", NULL, CPU, 99, 0);
	for (int t = 0; t < 15; t++)
		pass_named(f, "other", NULL, CPU, 99, 1);
	assert_int_equal(f->n_firing, 2);
	assert_int_equal(f->pids[1], 1);
}

/* For a second its unit is not known. */
static void a_name_that_is_not_known_for_a_moment_ends_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, only_of_web);
	for (int t = 0; t < 60; t++)
		pass_named(f, "p", t % 11 == 10 ? NULL : "web", CPU, 99, 0);
	assert_int_equal(f->n_firing, 1);
	assert_int_equal(f->n_resolved, 0);
	for (int t = 0; t < 5; t++)
		pass_named(f, "p", NULL, CPU, 99, 0);
	assert_int_equal(f->n_resolved, 0);
}

static void a_hold_ends_where_the_rule_does_not_mean_its_target(void **state)
{
	struct fixture *f = *state;

	start(f, only_of_web);
	for (int t = 0; t < 30; t++)
		pass_named(f, "p", t % 3 ? "web" : "db", CPU, 99, 0);
	assert_int_equal(f->n_firing, 0);
}

static void a_capture_that_is_under_way_is_told_after_that(void **state)
{
	struct fixture *f = *state;

	start(f, only_of_web);
	f->answers_at_once = false;
	for (int t = 0; t < 5; t++)
		pass_named(f, "p", "web", CPU, 99, 0);
	for (int t = 0; t < 12; t++)
		pass_named(f, "p", "db", CPU, 99, 0);
	assert_int_equal(f->n_resolved, 1);
	f->now.real_ns += 600 * S; /* nothing cools, and the alert waits for its capture alone */
	pass_named(f, "p", "db", CPU, 99, 0);
	f->last.done(f->last.ctx, &(struct capture_result){.id = "id1", .path = "/c/9"});
	assert_int_equal(f->n_captured, 1);
	assert_string_equal(f->last_path, "/c/9");
}

/* An event is over after its time, whoever its process is by then. */
static void an_event_of_what_has_another_name_now_is_over_after_its_time(void **state)
{
	struct host_event died = {.kind = HOST_EVENT_FATAL_SIGNAL};
	struct fixture *f = *state;

	start(f, "- {name: died, condition: fatal_signal, action: keep, scope: process, match: {comm: "
		 "\"before\"}, keep_firing: 30s}");
	died.target = sample_of(f, 7, CPU, 0).target;
	died.target.comm = "before";
	rule_engine__event(f->engine, &died, &f->now);
	assert_int_equal(f->n_firing, 1);
	for (int t = 0; t < 30; t++)
		pass_named(f, "after", NULL, CPU, 10, 0);
	assert_int_equal(f->n_resolved, 0);
	for (int t = 0; t < 5; t++)
		pass_named(f, "after", NULL, CPU, 10, 0);
	assert_int_equal(f->n_resolved, 1);
}

/* Nothing is left of alerts whose memory is that of another program. */
static void trends_of_what_is_not_meant_any_more_are_forgotten(void **state)
{
	struct rule_engine_stats stats;
	struct fixture *f = *state;

	start(f, "- {name: leak, condition: memory_growth_rate > 1kB/s, duration: 10s, action: keep, scope: "
		 "process, match: {comm: \"p*\"}}");
	f->opts.max_trends = 1;
	reload(f);
	for (int t = 0; t < 5; t++)
		pass_named(f, "p", NULL, METRIC_rss, 1e6, 0);
	for (int t = 0; t < 12; t++)
		pass_named(f, "other", NULL, METRIC_rss, 1e6, 0);
	rule_engine__stats(f->engine, &stats);
	assert_int_equal(stats.no_room, 0);
	/* there is room for one more */
	for (int t = 0; t < 20; t++)
		pass_named(f, "other", NULL, METRIC_rss, 1e6 * t, 1);
	rule_engine__stats(f->engine, &stats);
	assert_int_equal(stats.no_room, 0);
	assert_int_equal(f->n_firing, 1);
}

static void nothing_fires_while_it_is_learning(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process, "
	      "limits: {learning: 3m}}");
	for (int t = 0; t < 79; t++) /* the agent began 100 s ago */
		pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 0);
	pass_one(f, CPU, 99);
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 1);
}

static void a_refused_capture_is_an_alarm_with_its_reason(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process}\n"
	      "- {name: told, condition: cpu_usage_percent > 80, duration: 0s, action: none, scope: "
	      "process}");
	f->is_full = true;
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_firing, 2);
	assert_int_equal(f->n_captures, 0);
	f->is_full = false;
	pass_one(f, CPU, 99);
	assert_int_equal(f->n_captures, 0);
}

static void a_capture_that_failed_leads_nobody_anywhere(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process, "
	      "keep_firing: 0s}");
	f->answers_at_once = false;
	pass_one(f, CPU, 90);
	assert_string_equal(f->last_id, "id1");
	f->last.done(f->last.ctx, &(struct capture_result){.id = "id1", .path = "", .err = -ENOSPC});
	assert_int_equal(f->n_captured, 1);
	assert_string_equal(f->last_id, "");
	pass_one(f, CPU, 10);
	assert_int_equal(f->n_resolved, 1);
	assert_string_equal(f->last_id, "");
}

static void a_reload_keeps_what_was_not_changed(void **state)
{
	static const char before[] =
		"- {name: a, condition: cpu_usage_percent > 80, duration: 10s, action: keep, scope: "
		"process}\n"
		"- {name: b, condition: cpu_usage_percent > 90, duration: 0s, action: keep, scope: process}\n"
		"- {name: c, condition: cpu_usage_percent > 91, duration: 0s, action: keep, scope: process}";
	static const char refused[] =
		"- {name: d, condition: cpu_usage_percent > 92, duration: 0s, action: keep, scope: process}";
	static const char after[] =
		"- {name: c, condition: cpu_usage_percent > 91, duration: 0s, action: keep, scope: process}\n"
		"- {name: b, condition: cpu_usage_percent > 95, duration: 0s, action: keep, scope: process}\n"
		"- {name: a, condition: cpu_usage_percent > 80, duration: 10s, action: keep, scope: process}";
	struct fixture *f = *state;

	start(f, before);
	for (int t = 0; t < 6; t++)
		pass_one(f, CPU, 94);
	assert_int_equal(f->n_firing, 2); /* b and c; a is pending */
	read_rules(f, refused);
	assert_int_equal(rule_engine__prepare(f->engine, &f->rules), 0);
	assert_int_equal(f->n_resolved, 0);
	read_rules(f, after);
	reload(f);
	assert_int_equal(f->n_resolved, 1); /* b is another rule now */
	for (int t = 0; t < 4; t++)
		pass_one(f, CPU, 94);
	assert_int_equal(f->n_firing, 2);
	pass_one(f, CPU, 94);
	assert_int_equal(f->n_firing, 3); /* a, after its ten seconds, five of them before */
	assert_int_equal(f->n_resolved, 1);
}

static void patterns_choose_by_every_kind_that_is_given(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process, "
	      "match: {comm: [\"p1*\", p3], label: {pid: [3, 11, 12]}}, limits: {targets: 60}}");
	{
		double values[20];

		for (int i = 0; i < 20; i++)
			values[i] = 99;
		pass_of(f, CPU, values, 20);
	}
	assert_int_equal(f->n_firing, 3);
}

static void room_is_bounded_and_what_has_none_is_counted(void **state)
{
	struct fixture *f = *state;
	struct rule_engine_stats stats;
	double values[300];

	start(f, "- {name: leak, condition: memory_growth_rate > 1kB/s, duration: 10s, action: keep, scope: "
		 "process}");
	f->opts.max_targets = 100;
	f->opts.max_alerts = 50;
	f->opts.max_trends = 20;
	reload(f);
	for (int t = 0; t < 5; t++) {
		for (int i = 0; i < 300; i++)
			values[i] = 1e6 * t;
		pass_of(f, METRIC_rss, values, 300);
	}
	rule_engine__stats(f->engine, &stats);
	assert_int_equal(stats.n_targets, 100);
	assert_int_equal(stats.no_room, 5 * (200 + 50 + 30));
}

/* Random loads under random limits: no limit is ever passed, and what fires is over in the end. */
static void limits_hold_whatever_comes(void **state)
{
	struct fixture *f = *state;
	struct rule_engine_stats stats;
	double values[60];
	char text[512];

	srand(99);
	for (int run = 0; run < 40; run++) {
		int targets = 1 + rand() % 6, hour = 1 + rand() % 9, host = 1 + rand() % 9, allowed;

		*f = (struct fixture){.arena = f->arena};
		snprintf(text, sizeof(text),
			 "- {name: a, condition: cpu_usage_percent > 80, duration: %ds, action: keep, scope: "
			 "process, "
			 "keep_firing: %ds, limits: {cooldown: %ds, targets: %d, captures_per_hour: %d, "
			 "escalation: 10%%}}",
			 rand() % 4, rand() % 4, rand() % 60, targets, hour);
		start(f, text);
		f->opts.captures_per_hour = (uint64_t)host;
		reload(f);
		f->answers_at_once = rand() % 2;
		for (int t = 0; t < 300; t++) {
			for (int i = 0; i < 60; i++)
				values[i] = rand() % 3 ? 60 + rand() % 60 : NAN;
			pass_of(f, CPU, values, (uint32_t)(rand() % 60));
			rule_engine__stats(f->engine, &stats);
			assert_true(stats.n_firing <= (uint32_t)targets);
		}
		allowed = hour < host ? hour : host;
		assert_true(f->n_captures <= (uint32_t)allowed);
		pass_of(f, CPU, NULL, 0);
		assert_int_equal(f->n_firing, f->n_resolved);
		rule_engine__free(f->engine);
		f->engine = NULL;
	}
}

/* What stands in a capture is what was told: no braces are left, and it holds since it held, which is before it fired. */
static void a_capture_says_what_is_told(void **state)
{
	struct fixture *f = *state;
	char since[NOTICE_TIME_MAX], text[256];
	uint64_t begun;

	start(f,
	      "- {name: Hot, condition: cpu_usage_percent > 80, duration: 5s, action: keep, scope: process, "
	      "keep_firing: 0s, annotations: {summary: \"{target} has {value} since {since} on {host}: "
	      "{capture} "
	      "{other}\"}}");
	pass_one(f, CPU, 10);
	pass_one(f, CPU, 90);
	begun = f->now.real_ns;
	while (!f->n_firing)
		pass_one(f, CPU, 90);
	assert_true(f->last_fired_ns == f->now.real_ns && f->last_since_ns == begun &&
		    begun < f->now.real_ns);
	notice__time(begun, since);
	snprintf(text, sizeof(text), "pid 1 (p1) has 90%% since %s on h1: this capture {other}", since);
	assert_string_equal(f->last_annotation, text);
	/* who is told that it is over may look into it as well */
	*f->last_path = '\0';
	pass_one(f, CPU, 10);
	assert_int_equal(f->n_resolved, 1);
	assert_string_equal(f->last_path, "/c/1");
}

/* The folder is that of the capture that is named: of a new alarm's, or of none. */
static void a_new_alarm_has_no_old_folder(void **state)
{
	struct fixture *f = *state;

	start(f,
	      "- {name: Hot, condition: cpu_usage_percent > 80, duration: 0s, action: keep, scope: process, "
	      "keep_firing: 0s, limits: {cooldown: 0s}}");
	pass_one(f, CPU, 90);
	assert_string_equal(f->last_path, "/c/1");
	pass_one(f, CPU, 10);
	f->answers_at_once = false;
	pass_one(f, CPU, 90);
	assert_int_equal(f->n_firing, 2);
	assert_string_equal(f->last_path, "");
	f->last.done(f->last.ctx, &(struct capture_result){.id = "id2", .path = "/c/2"});
	assert_string_equal(f->last_path, "/c/2");
	pass_one(f, CPU, 10);
	assert_int_equal(f->n_resolved, 2);
	assert_string_equal(f->last_path, "/c/2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_hot_process_of_many_is_captured_once),
		TEST(a_hold_that_is_too_short_does_not_fire),
		TEST(values_that_hover_fire_once),
		TEST(of_a_crowd_the_worst_few_are_captured),
		TEST(the_hour_of_the_host_bounds_captures_and_not_alarms),
		TEST(bytes_of_the_day_are_counted_when_they_are_written),
		TEST(a_target_cools_unless_it_is_much_worse),
		TEST(what_fires_on_and_gets_worse_is_captured_again_in_the_same_episode),
		TEST(a_leak_fires_and_a_sawtooth_does_not),
		TEST(a_rise_is_against_the_values_before_it),
		TEST(a_rise_is_against_the_same_time_before),
		TEST(outside_of_a_band_it_fires_on_either_side),
		TEST(what_will_be_full_soon_is_told_before),
		TEST(what_will_run_out_soon_is_told_before),
		TEST(a_capture_that_failed_leads_nobody_anywhere),
		TEST(an_event_fires_at_once_and_is_over_after_its_time),
		TEST(what_is_gone_is_over),
		TEST(what_a_rule_does_not_mean_any_more_is_over),
		TEST(what_is_not_meant_any_more_leaves_its_place_to_others),
		TEST(a_name_that_is_not_known_for_a_moment_ends_nothing),
		TEST(a_hold_ends_where_the_rule_does_not_mean_its_target),
		TEST(a_capture_that_is_under_way_is_told_after_that),
		TEST(an_event_of_what_has_another_name_now_is_over_after_its_time),
		TEST(trends_of_what_is_not_meant_any_more_are_forgotten),
		TEST(nothing_fires_while_it_is_learning),
		TEST(a_refused_capture_is_an_alarm_with_its_reason),
		TEST(a_reload_keeps_what_was_not_changed),
		TEST(patterns_choose_by_every_kind_that_is_given),
		TEST(room_is_bounded_and_what_has_none_is_counted),
		TEST(limits_hold_whatever_comes),
		TEST(a_capture_says_what_is_told),
		TEST(a_new_alarm_has_no_old_folder),
	};

	return cmocka_run_group_tests_name("rule_engine", tests, NULL, NULL);
}
