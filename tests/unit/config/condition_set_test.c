// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/arena.h"
#include "user/base/err.h"
#include "user/config/condition_set.h"
#include "user/config/yaml.h"

#define S 1000000000ull

static struct arena arena;

static int set_up(void **state)
{
	(void)state;
	arena__init(&arena, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena__done(&arena);
	return 0;
}

static int parse(const char *text, struct condition_set *ret, struct err *e)
{
	struct yaml y;
	int err;

	e->text[0] = '\0';
	assert_int_equal(yaml__parse("f", text, strlen(text), &y, e), 0);
	err = condition_set__take(y.root, &arena, ret, e);
	yaml__done(&y);
	return err;
}

static struct condition_set good(const char *text)
{
	struct condition_set c = {0};
	struct err e;

	if (parse(text, &c, &e))
		fail_msg("%s: %s", text, e.text);
	return c;
}

static void each_form_is_what_it_says(void **state)
{
	struct condition_set c;

	(void)state;
	c = good("{metric: rss, above: 2GiB, clear: 1GiB}");
	assert_int_equal(c.terms[0].kind, CONDITION_COMPARE);
	assert_true(c.terms[0].value == 2147483648.0 && c.terms[0].clear == 1073741824.0);
	c = good("{metric: rss, below: 1000B}");
	assert_int_equal(c.terms[0].compare, COMPARE_BELOW);
	assert_true(c.terms[0].clear > 1099.9 && c.terms[0].clear < 1100.1);
	c = good("{metric: thread_count, above: 500, below: 2}");
	assert_int_equal(c.terms[0].kind, CONDITION_OUTSIDE);
	assert_true(condition__holds(c.terms, 501) && condition__holds(c.terms, 1) &&
		    !condition__holds(c.terms, 2));
	c = good("{metric: thread_count, above: 2, below: 500}");
	assert_int_equal(c.terms[0].kind, CONDITION_INSIDE);
	assert_true(!condition__holds(c.terms, 501) && !condition__holds(c.terms, 2) &&
		    condition__holds(c.terms, 3));
	c = good("{metric: alloc_rate, rise: 50%, over: 10m, min: 1MB/s}");
	assert_int_equal(c.terms[0].kind, CONDITION_RISE);
	assert_true(c.terms[0].value == 0.5 && c.terms[0].min == 1e6 && c.terms[0].over_ns == 600 * S);
	c = good("{metric: rss, steps: [1GB, 2GB]}");
	assert_true(c.terms[0].n_steps == 2 && c.terms[0].steps[1] == 2e9 && c.terms[0].value == 1e9);
	c = good("{metric: fd_count, predict: 65536, within: 10m}");
	assert_true(c.terms[0].value == 65536 && c.terms[0].within_ns == 600 * S &&
		    c.terms[0].over_ns == 300 * S);
	c = good("{metric: function_share, of: \"json_*\", above: 25%, self: true, samples: 50}");
	assert_string_equal(c.terms[0].of, "json_*");
	assert_true(c.terms[0].is_self && c.terms[0].samples == 50 && c.terms[0].value == 25);
	c = good("{metric: library_share, of: libz.so.1, below: 5%}");
	assert_true(!c.terms[0].is_self && c.terms[0].samples == 200);
	c = good("profile_drift > 30%");
	assert_int_equal(c.terms[0].samples, 200);
	c = good("oom_kill");
	assert_true(condition_set__is_event(&c));
	c = good("{any: [oom_kill, fatal_signal]}");
	assert_true(condition_set__is_event(&c) && c.n_terms == 2);
}

static enum outcome join(const char *text, enum outcome a, enum outcome b, enum outcome d)
{
	const struct condition_set c = good(text);
	const enum outcome terms[CONDITION_TERMS_MAX] = {a, b, d};

	assert_int_equal(c.n_terms, 3);
	return condition_set__join(&c, terms);
}

static void any_and_all_join_two_levels(void **state)
{
	static const char any[] = "{any: [rss > 1GB, {all: [fd_count > 1, thread_count > 1]}]}";
	static const char all[] = "{all: [rss > 1GB, {any: [fd_count > 1, thread_count > 1]}]}";
	static const char list[] = "[rss > 1GB, fd_count > 1, thread_count > 1]";

	(void)state;
	assert_int_equal(join(any, OUTCOME_HIT, OUTCOME_MISS, OUTCOME_MISS), OUTCOME_HIT);
	assert_int_equal(join(any, OUTCOME_MISS, OUTCOME_HIT, OUTCOME_HIT), OUTCOME_HIT);
	assert_int_equal(join(any, OUTCOME_MISS, OUTCOME_HIT, OUTCOME_MISS), OUTCOME_MISS);
	assert_int_equal(join(any, OUTCOME_MISS, OUTCOME_HIT, OUTCOME_BETWEEN), OUTCOME_BETWEEN);
	assert_int_equal(join(any, OUTCOME_UNKNOWN, OUTCOME_HIT, OUTCOME_HIT), OUTCOME_HIT);
	assert_int_equal(join(all, OUTCOME_HIT, OUTCOME_MISS, OUTCOME_MISS), OUTCOME_MISS);
	assert_int_equal(join(all, OUTCOME_HIT, OUTCOME_MISS, OUTCOME_HIT), OUTCOME_HIT);
	assert_int_equal(join(all, OUTCOME_UNKNOWN, OUTCOME_MISS, OUTCOME_HIT), OUTCOME_UNKNOWN);
	assert_int_equal(join(list, OUTCOME_HIT, OUTCOME_HIT, OUTCOME_BETWEEN), OUTCOME_BETWEEN);
	assert_int_equal(join(list, OUTCOME_HIT, OUTCOME_HIT, OUTCOME_HIT), OUTCOME_HIT);
	assert_int_equal(join(list, OUTCOME_HIT, OUTCOME_UNKNOWN, OUTCOME_MISS), OUTCOME_MISS);
}

static const struct {
	const char *text, *what;
} bad[] = {
	{"", "expected 'METRIC > VALUE', found nothing"},
	{"{any: []}", "expected a list of conditions"},
	{"{any: [rss > 1GB, {any: [rss > 2GB]}]}", "expected 'all' inside of 'any'"},
	{"[[rss > 1GB]]", "expected 'any' inside of 'all'"},
	{"{any: [rss > 1GB, {all: [rss > 1GB, {any: [rss > 2GB]}]}]}",
	 "two levels of any and all are the most"},
	{"{metric: rss}", "expected one of: above, below, rise, steps, predict; found none"},
	{"{above: 1GB}", "expected 'metric' in the section"},
	{"{metric: rs, above: 1GB}", "unknown metric 'rs', did you mean 'rss'?"},
	{"{metric: rss, above: 1}", "above: value of rss: expected a size with its unit"},
	{"{metric: rss, above: 1GB, rise: 5%, over: 1m}", "found more"},
	{"{metric: rss, abov: 1GB}", "unknown key 'abov', did you mean 'above'?"},
	{"{metric: rss, above: 1GB, clear: 2GB}", "clear: expected a value on the calm side"},
	{"{metric: rss, below: 2GB, clear: 1GB}", "clear: expected a value on the calm side"},
	{"{metric: rss, below: 2GB, above: 1GB, clear: 1GB}", "clear: a band has none"},
	{"{metric: rss, below: 2GB, above: 2GB}", "expected above and below to differ"},
	{"{metric: rss, rise: 50%}", "rise: expected either 'over'"},
	{"{metric: rss, rise: 50%, over: 1m, ago: 1h}", "rise: expected either 'over'"},
	{"{metric: rss, rise: 0%, over: 1m}", "rise: expected a percentage above 0%"},
	{"{metric: rss, rise: 50%, over: 1s}", "over: expected a duration from 10s to 7d, found '1s'"},
	{"{metric: rss, steps: 1GB}", "steps: expected a list of 1 to 8 values"},
	{"{metric: rss, steps: [2GB, 1GB]}", "steps: expected each value above the one before, found '1GB'"},
	{"{metric: rss, predict: 1GB}", "predict: expected 'within' beside it"},
	{"{metric: rss, above: 1GB, over: 1m}", "over: means nothing in this kind of condition"},
	{"{metric: rss, above: [1GB]}", "above: expected a value, found a list"},
	{"function_share > 20%",
	 "function_share needs the name of what it is of: {metric: function_share, of:"},
	{"{metric: function_share, above: 20%}",
	 "expected 'of' beside it, the name of what function_share is of"},
	{"{metric: rss, above: 1GB, of: f}", "of: means nothing for rss"},
	{"{metric: profile_drift, above: 20%, self: true}", "self: means nothing for profile_drift"},
	{"{metric: rss, above: 1GB, samples: 300}", "samples: means nothing for rss"},
	{"{metric: function_share, of: f, above: 20%, self: yes}",
	 "self: expected true or false, found 'yes'"},
	{"{metric: function_share, of: f, above: 20%, samples: 3}",
	 "samples: expected a number from 20 to 1000000"},
	{"[oom_kill, rss > 1GB]", "an event happens once and does not join with a metric"},
	{"[oom_kill, new_build]", "events join by 'any' only"},
	{"[rss > 1GB, rss > 1GB, rss > 1GB, rss > 1GB, rss > 1GB, rss > 1GB, rss > 1GB, rss > 1GB, rss > "
	 "1GB, rss > "
	 "1GB, rss > 1GB, rss > 1GB, rss > 1GB]",
	 "more than 12 conditions"},
};

static void what_means_nothing_is_refused(void **state)
{
	struct condition_set c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (!parse(bad[i].text, &c, &e))
			fail_msg("was taken: %s", bad[i].text);
		if (!strstr(e.text, bad[i].what) || strchr(e.text, '\n'))
			fail_msg("%s\n%s\nexpected: %s", bad[i].text, e.text, bad[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_form_is_what_it_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_and_all_join_two_levels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_means_nothing_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("condition_set", tests, NULL, NULL);
}
