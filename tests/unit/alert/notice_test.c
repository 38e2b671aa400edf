// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/alert/notice.h"
#include "user/base/buf.h"

#define S 1000000000ull

static const struct rule rule = {
	.name = "HighCPUUsage",
	.condition = {.text = "cpu_usage_percent > 80"},
	.labels = {.items = {{"severity", "page"}, {"comm", "ours"}, {"alertname", "x"}}, .n = 3},
	.annotations =
		{.items = {{"summary",
			    "{target} is at {value} of {threshold} {unknown} { {rule}: \"{capture}\""}},
		 .n = 1},
};
static const struct metric_target process = {
	.scope = SCOPE_PROCESS, .pid = 4711, .comm = "api", .exe = "/usr/bin/a\"b", .cgroup = "/x"};
static const struct notice_opts opts = {.host = "h1", .url = "http://h1:9909/", .real_ns = 1700000000 * S};

static struct alert_news news(void)
{
	return (struct alert_news){.kind = NEWS_FIRING,
				   .rule = &rule,
				   .target = &process,
				   .metric = METRIC_cpu_usage_percent,
				   .value = 93.5,
				   .threshold = 80,
				   .since_real_ns = 1699999940 * S,
				   .fired_real_ns = 1700000000 * S + 123000000,
				   .capture = "abc",
				   .path = "",
				   .refused = ""};
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s)
		fail_msg("there is no '%s' in %s", key, json_dumps(o, 0));
	return s;
}

static void the_webhook_has_all_that_version_4_has(void **state)
{
	static const char *const keys[] = {
		"version",     "groupKey",     "truncatedAlerts",   "status",      "receiver",
		"groupLabels", "commonLabels", "commonAnnotations", "externalURL", "alerts"};
	struct alert_news n = news();
	json_t *o, *a;
	struct buf b;

	(void)state;
	buf__init(&b, 1 << 16);
	notice__write_webhook(&n, &opts, &b);
	o = json_loads(buf__str(&b), 0, NULL);
	assert_non_null(o);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_non_null(json_object_get(o, keys[i]));
	assert_string_equal(text(o, "version"), "4");
	assert_string_equal(text(o, "status"), "firing");
	a = json_array_get(json_object_get(o, "alerts"), 0);
	assert_string_equal(text(a, "startsAt"), "2023-11-14T22:13:20.123Z");
	assert_string_equal(text(a, "endsAt"), "0001-01-01T00:00:00Z");
	assert_string_equal(text(a, "generatorURL"), "http://h1:9909/#capture=abc");
	assert_int_equal(strlen(text(a, "fingerprint")), 16);
	assert_string_equal(text(json_object_get(a, "annotations"), "summary"),
			    "pid 4711 (api) is at 93.5% of 80% {unknown} { HighCPUUsage: \"abc\"");
	json_decref(o);
	buf__done(&b);
}

static void the_rules_labels_win_but_for_its_name(void **state)
{
	struct alert_news n = news();
	json_t *o;
	struct buf b;

	(void)state;
	buf__init(&b, 1 << 16);
	notice__write_labels(&n, &opts, &b);
	o = json_loads(buf__str(&b), 0, NULL);
	assert_string_equal(text(o, "alertname"), "HighCPUUsage");
	assert_string_equal(text(o, "comm"), "ours");
	assert_string_equal(text(o, "pid"), "4711");
	assert_string_equal(text(o, "instance"), "h1");
	assert_string_equal(text(o, "severity"), "page");
	assert_string_equal(text(o, "exe"), "/usr/bin/a\"b");
	assert_null(json_object_get(o, "container"));
	json_decref(o);
	buf__done(&b);
}

static void firing_and_resolved_have_the_same_labels_and_their_times(void **state)
{
	struct alert_news n = news();
	json_t *firing, *resolved;
	struct buf b;

	(void)state;
	buf__init(&b, 1 << 16);
	notice__write_alertmanager(&n, &opts, &b);
	firing = json_loads(buf__str(&b), 0, NULL);
	buf__clear(&b);
	n.kind = NEWS_RESOLVED;
	n.ended_real_ns = 1700000050 * S;
	n.value = 99;
	n.path = "/store/captures/x";
	notice__write_alertmanager(&n, &opts, &b);
	resolved = json_loads(buf__str(&b), 0, NULL);
	assert_true(json_equal(json_object_get(json_array_get(firing, 0), "labels"),
			       json_object_get(json_array_get(resolved, 0), "labels")));
	/* three minutes on, where nothing else is said until then */
	assert_string_equal(text(json_array_get(firing, 0), "endsAt"), "2023-11-14T22:16:20.000Z");
	assert_string_equal(text(json_array_get(resolved, 0), "endsAt"), "2023-11-14T22:14:10.000Z");
	assert_string_equal(text(json_array_get(resolved, 0), "startsAt"),
			    text(json_array_get(firing, 0), "startsAt"));
	json_decref(firing);
	json_decref(resolved);
	buf__done(&b);
}

static const char *find_variable(const struct buf *b, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = 0; at < b->len; at += strlen((const char *)b->data + at) + 1)
		if (!strncmp((const char *)b->data + at, name, len) && b->data[at + len] == '=')
			return (const char *)b->data + at + len + 1;
	return NULL;
}

static void a_program_finds_what_it_needs_in_its_environment(void **state)
{
	struct alert_news n = news();
	struct buf b;

	(void)state;
	n.path = "/store/captures/x";
	buf__init(&b, 1 << 16);
	notice__write_environment(&n, &opts, &b);
	assert_int_equal(b.data[b.len - 1], '\0');
	assert_string_equal(find_variable(&b, "EVERPROF_CAPTURE"), "/store/captures/x");
	assert_string_equal(find_variable(&b, "EVERPROF_STATUS"), "firing");
	assert_string_equal(find_variable(&b, "EVERPROF_VALUE"), "93.5%");
	/* since when it held, before it fired */
	assert_string_equal(find_variable(&b, "EVERPROF_SINCE"), "2023-11-14T22:12:20.000Z");
	assert_string_equal(find_variable(&b, "EVERPROF_CONTAINER"), "");
	/* its process is gone before the capture is there, which is what the program waits for */
	n.ended_real_ns = 1700000050 * S;
	n.kind = NEWS_CAPTURED;
	buf__clear(&b);
	notice__write_environment(&n, &opts, &b);
	assert_string_equal(find_variable(&b, "EVERPROF_STATUS"), "firing");
	n.kind = NEWS_RESOLVED;
	buf__clear(&b);
	notice__write_environment(&n, &opts, &b);
	assert_string_equal(find_variable(&b, "EVERPROF_STATUS"), "resolved");
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_webhook_has_all_that_version_4_has),
		cmocka_unit_test(the_rules_labels_win_but_for_its_name),
		cmocka_unit_test(firing_and_resolved_have_the_same_labels_and_their_times),
		cmocka_unit_test(a_program_finds_what_it_needs_in_its_environment),
	};

	return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
