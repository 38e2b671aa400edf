// SPDX-License-Identifier: Apache-2.0
/* Captures of a moment: the stacks of all threads with their deadlocks, those of all goroutines with who forgot them, and what the target used around it. */
#include <jansson.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "tests/support/captured.h"
#include "user/base/clock.h"

/* A rule of process scope, learning nothing; the rest of the agent is as small as may be. */
static void configure(const struct recording *r, const char *rule)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 5s\n  memory: {enabled: false}\n  alloc: {enabled: false}\n"
		 "  output: {directory: %s/store}\nserver: {listen: off}\n"
		 "alerting: {defaults: {scope: process, capture: {before: 5s, after: 1s}, limits: {learning: "
		 "1s}}}\n"
		 "alerts: [%s]\n",
		 r->dir, rule);
	agent__write_config(r, text);
}

static void expect_line(const struct captured *c, const char *text)
{
	char *summary = captured__read(c, "summary.txt");

	assert_non_null(summary);
	if (!strstr(summary, text))
		fail_msg("'%s' is not in\n%s", text, summary);
	free(summary);
}

/* How many threads wait for each other in the only circle; each is held up by the next one around. */
static size_t expect_circle(const struct captured *c, long long pid)
{
	json_t *deadlocks = json_object_get(captured__event(c, "threads"), "deadlocks"), *threads;
	json_t *circle = json_array_get(deadlocks, 0);
	size_t n;

	assert_int_equal(json_array_size(deadlocks), 1);
	assert_int_equal(json_integer_value(json_object_get(circle, "pid")), pid);
	threads = json_object_get(circle, "threads");
	n = json_array_size(threads);
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_array_get(threads, i), *next = json_array_get(threads, (i + 1) % n);

		assert_int_equal(json_integer_value(json_object_get(one, "holder_tid")),
				 json_integer_value(json_object_get(next, "tid")));
		assert_string_equal(json_string_value(json_object_get(one, "holder")),
				    json_string_value(json_object_get(next, "comm")));
	}
	return n;
}

/* What the rule captures of `standstill WAY`. */
static void capture_standstill(struct recording *r, const char *way, struct captured *ret)
{
	recording__start(r, ARGS("standstill", way));
	configure(r, "{name: Stuck, condition: thread_count >= 3, duration: 1s, match: {comm: standstill}, "
		     "action: capture_threads_profile}");
	agent__start(r);
	captured__expect(r, ret);
}

static void two_that_wait_for_each_other_are_told_as_a_deadlock(void **state)
{
	struct recording *r = *state;
	struct captured c;
	char text[128];

	capture_standstill(r, "two", &c);
	assert_int_equal(expect_circle(&c, r->pid), 2);
	snprintf(text, sizeof(text),
		 "DEADLOCK 2 threads of process standstill (%lld) wait for ever:", r->pid);
	expect_line(&c, text);
	expect_line(&c, "'knot_a' waits for the lock at 0x");
	agent__expect_end(r);
}

static void three_in_a_circle_are_and_who_waits_behind_them_is_not(void **state)
{
	struct recording *r = *state;
	struct captured c;

	capture_standstill(r, "three", &c);
	assert_int_equal(expect_circle(&c, r->pid), 3);
	expect_line(&c, "DEADLOCK 3 threads");
	agent__expect_end(r);
}

static void a_circle_through_a_reader_writer_lock_is_found(void **state)
{
	struct recording *r = *state;
	struct captured c;

	capture_standstill(r, "rwlock", &c);
	assert_int_equal(expect_circle(&c, r->pid), 2);
	agent__expect_end(r);
}

static void a_chain_that_ends_is_no_deadlock(void **state)
{
	struct recording *r = *state;
	struct captured c;
	struct profile *p;
	char *summary;

	capture_standstill(r, "chain", &c);
	assert_int_equal(json_array_size(json_object_get(captured__event(&c, "threads"), "deadlocks")), 0);
	summary = captured__read(&c, "summary.txt");
	assert_null(strstr(summary, "DEADLOCK"));
	free(summary);
	/* all stacks are there all the same */
	p = captured__profile(&c, "threads.pb.gz");
	assert_int_equal(profile__n_samples(p), 3);
	profile__free(p);
	agent__expect_end(r);
}

/* The largest line of the table of go statements: "      3304   99.10%  main.leaker goroutines.go:71: main.forgotten, chan receive". */
static void a_leak_of_goroutines_is_caught_with_its_go_statement_on_top(void **state)
{
	struct recording *r = *state;
	char *summary, *line, statement[64], file[64];
	struct captured c;
	double n, share;

	recording__start(r, ARGS("goroutines", "1", recording__file(r, "own.pprof"), "leak"));
	configure(r, "{name: GoroutineLeak, condition: goroutine_count > 1000, duration: 2s, "
		     "action: capture_goroutine_profile}");
	agent__start(r);
	captured__expect(r, &c);
	assert_string_equal(captured__text(&c, "rule"), "GoroutineLeak");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(c.meta, "target"), "pid")),
			 r->pid);
	summary = captured__read(&c, "summary.txt");
	line = strstr(summary, "Goroutines by the go statement that made them\n");
	assert_non_null(line);
	line = strchr(line, '\n') + 1;
	*strchr(line, '\n') = '\0';
	if (sscanf(line, "%lf %lf%% %63s %63s main.forgotten, chan receive", &n, &share, statement, file) !=
		    4 ||
	    n < 1000 || share < 90 || strcmp(statement, "main.leaker") || strncmp(file, "goroutines.go:", 14))
		fail_msg("on top is '%s'", line);
	free(summary);
	agent__expect_end(r);
}

/* The file of the minutes after comes when they are over, or when the agent ends; the seconds before were remembered for the process. */
static void what_the_target_used_around_it_is_told_second_by_second(void **state)
{
	struct recording *r = *state;
	json_t *root, *seconds, *values;
	double first, last;
	struct captured c;
	char path[4096];

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	configure(r, "{name: Hot, condition: cpu_usage_percent > 5, duration: 2s, match: {comm: calltree}, "
		     "action: keep}");
	agent__start(r);
	captured__expect(r, &c);
	snprintf(path, sizeof(path), "%s/metrics.json", c.dir);
	assert_int_not_equal(access(path, F_OK), 0);
	sleep(5);
	agent__expect_end(r);
	root = json_load_file(path, 0, NULL);
	assert_non_null(root);
	seconds = json_object_get(root, "seconds");
	values = json_object_get(json_object_get(root, "values"), "cpu_usage_percent");
	assert_int_equal(json_array_size(seconds), json_array_size(values));
	first = json_number_value(json_array_get(seconds, 0));
	last = json_number_value(json_array_get(seconds, json_array_size(seconds) - 1));
	/* it held for two seconds, and goes on for five after the capture, which was a second long */
	assert_true(first <= -2);
	assert_true(last >= 4);
	assert_true(json_array_size(seconds) >= 6);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(two_that_wait_for_each_other_are_told_as_a_deadlock),
		e2e_test(three_in_a_circle_are_and_who_waits_behind_them_is_not),
		e2e_test(a_circle_through_a_reader_writer_lock_is_found),
		e2e_test(a_chain_that_ends_is_no_deadlock),
		e2e_test(a_leak_of_goroutines_is_caught_with_its_go_statement_on_top),
		e2e_test(what_the_target_used_around_it_is_told_second_by_second),
	};

	return cmocka_run_group_tests_name("capture_state", tests, NULL, NULL);
}
