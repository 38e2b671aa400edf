// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/alert/capture_trigger.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/event.h"

static int parse(const char *text, struct capture_trigger *t, struct err *e)
{
	static char copy[TRIGGER_TEXT_MAX + 100];

	snprintf(copy, sizeof(copy), "%s", text);
	capture_trigger__init(t, 60 * NS_PER_SEC, 10 * NS_PER_SEC);
	return capture_trigger__parse(copy, t, e);
}

static void nothing_said_is_the_machine_with_defaults(void **state)
{
	struct capture_trigger t;
	struct err e = {""};

	(void)state;
	assert_int_equal(parse("", &t, &e), 0);
	assert_string_equal(t.request.rule, "manual");
	assert_null(t.request.selection);
	assert_int_equal(t.pid, 0);
	assert_int_equal(t.request.events, 0);
	assert_int_equal(t.request.before_ns, 60 * NS_PER_SEC);
	assert_int_equal(t.request.after_ns, 10 * NS_PER_SEC);
	assert_int_equal(t.request.target.scope, SCOPE_SYSTEM);
	assert_true(t.request.baseline);
	assert_int_equal(t.request.metric, METRIC_N);
}

static void all_that_can_be_said_is_understood(void **state)
{
	struct capture_trigger t;
	struct err e = {""};

	(void)state;
	assert_int_equal(
		parse("comm=api-*\ncontainer=3fa9c1\nbefore=30s\nafter=0s\nevents=cpu,offcpu\nfrequency=499\n"
		      "baseline=no\nrule=HighLoad\ncause=a = "
		      "b\nlabel.severity=page\nannotation.summary=slow\n",
		      &t, &e),
		0);
	assert_string_equal(t.request.rule, "HighLoad");
	assert_string_equal(t.request.cause, "a = b");
	assert_ptr_equal(t.request.selection, &t.selection);
	assert_int_equal(t.selection.n, 2);
	assert_string_equal(t.selection.items[1].key, "container");
	assert_int_equal(t.request.before_ns, 30 * NS_PER_SEC);
	assert_int_equal(t.request.after_ns, 0);
	assert_int_equal(t.request.events, 1u << EVENT_CPU | 1u << EVENT_OFFCPU);
	assert_int_equal(t.request.frequency_hz, 499);
	assert_false(t.request.baseline);
	assert_int_equal(t.request.n_labels, 1);
	assert_string_equal(t.request.labels[0].key, "severity");
	assert_string_equal(t.request.annotations[0].value, "slow");
	assert_int_equal(parse("pid=4711", &t, &e), 0);
	assert_int_equal(t.pid, 4711);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"nonsense", "key=value"},
		{"colour=red", "there is no such word"},
		{"state=blocked", "there is no such word"},
		{"pid=0", "from 1 to"},
		{"pid=4194305", "from 1 to"},
		{"pid=1x", "pid"},
		{"pid=1\ncomm=a", "stands alone"},
		{"comm=", "a pattern"},
		{"before=5", "before"},
		{"before=61m", "at most 1h"},
		{"before=0s\nafter=0s", "not both 0"},
		{"events=cpu,nonsense", "there is no event 'nonsense'"},
		{"events=", "there is no event"},
		{"frequency=0", "from 1"},
		{"baseline=maybe", "yes or no"},
		{"rule=", "rule"},
		{"comm=\xff\xfe", "UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct capture_trigger t;
		struct err e = {""};

		assert_int_equal(parse(cases[i].text, &t, &e), -EINVAL);
		if (!strstr(e.text, cases[i].says))
			fail_msg("'%s' says '%s', not '%s'", cases[i].text, e.text, cases[i].says);
	}
}

static void more_than_there_is_room_for_is_refused_or_left_out(void **state)
{
	struct capture_trigger t;
	struct err e = {""};
	char text[TRIGGER_TEXT_MAX + 50];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "label.k%d=v\n", i);
	assert_int_equal(parse(text, &t, &e), 0);
	assert_int_equal(t.request.n_labels, CAPTURE_PAIRS_MAX);
	n = 0;
	for (int i = 0; i < 20; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "comm=c%d\n", i);
	assert_int_equal(parse(text, &t, &e), -EINVAL);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse(text, &t, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_machine_with_defaults),
		cmocka_unit_test(all_that_can_be_said_is_understood),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(more_than_there_is_room_for_is_refused_or_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
