// SPDX-License-Identifier: Apache-2.0
/* `everprof rules check` and `test`: what is good, what is doubtful, what is wrong and where; and what a series of values would have done. */
#include "tests/e2e/e2e.h"

static void write_file(const struct recording *r, const char *name, const char *text)
{
	FILE *f = fopen(recording__file(r, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* `everprof rules WHAT rules.yaml [series]` in the test's folder; its exit status. */
static int rules(struct recording *r, const char *what, const char *series)
{
	char everprof[4096], file[128], path[128];
	int status;

	run__path_everprof(everprof);
	snprintf(file, sizeof(file), "%s", recording__file(r, "rules.yaml"));
	snprintf(path, sizeof(path), "%s", recording__file(r, series ? series : ""));
	run__done(&r->everprof);
	if (series)
		assert_int_equal(
			run__to_end(&r->everprof, 30000, &status, ARGS(everprof, "rules", what, file, path)),
			0);
	else
		assert_int_equal(
			run__to_end(&r->everprof, 30000, &status, ARGS(everprof, "rules", what, file)), 0);
	return status;
}

static void expect_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("expected: %s\nfound: %s", what, text);
}

/* One line, with the place, and with what to do. */
static void expect_error(struct recording *r, const char *place, const char *what)
{
	const char *text = run__errors(&r->everprof);
	const char *end = strchr(text, '\n');

	if (!end || end[1])
		fail_msg("not one line: %s", text);
	expect_says(text, place);
	expect_says(text, what);
}

/* ---- check ------------------------------------------------------------------------------------------------------------ */

static void good_rules_are_told_with_what_is_doubtful(void **state)
{
	struct recording *r = *state;
	const char *out;

	write_file(r, "rules.yaml",
		   "alerts:\n"
		   "  - {name: Plain, condition: cpu_usage_percent > 80, duration: 5m, action: "
		   "capture_cpu_profile}\n"
		   "  - {name: Here, condition: rss > 1GiB, duration: 1m, action: keep, scope: process, "
		   "match: {comm: "
		   "\"rules_command*\"}}\n"
		   "  - {name: Nobody, condition: rss > 1GiB, duration: 1m, action: keep, scope: process, "
		   "match: {comm: "
		   "no-such-program}}\n"
		   "  - {name: Never, condition: rss > 1GiB, duration: 1m, action: keep, scope: cgroup, "
		   "match: {comm: a}}\n"
		   "  - {name: Hasty, condition: rss > 1GiB, duration: 0s, action: keep, scope: process}\n");
	assert_int_equal(rules(r, "check", NULL), 0);
	out = run__out(&r->everprof);
	expect_says(out, "Plain: cpu_usage_percent > 80, scope system\n"
			 "Here: rss > 1GiB, scope process\n"
			 "Nobody: rss > 1GiB, scope process\n  warning: nothing matches now, of ");
	expect_says(out,
		    "Never: rss > 1GiB, scope cgroup\n  warning: matches by a process's name or id, which a "
		    "cgroup "
		    "does not have: it never fires\n"
		    "Hasty: rss > 1GiB, scope process\n  warning: fires with the first value that holds\n"
		    "5 rules are good\n");
	assert_string_equal(run__errors(&r->everprof), "");
}

static void what_is_wrong_is_one_line_with_its_place(void **state)
{
#define HEAD "alerts:\n  - name: Hot\n    condition: "
#define TAIL "\n    duration: 5m\n    action: keep\n"
	static const struct {
		const char *text, *place, *what;
	} bad[] = {
		{HEAD "cpu_usage_percnt > 80" TAIL, "rules.yaml:3: alerts[0] Hot.condition: ",
		 "unknown metric 'cpu_usage_percnt', did you mean 'cpu_usage_percent'?"},
		{HEAD "rss > 80" TAIL,
		 "rules.yaml:3: alerts[0] Hot.condition: ", "expected a size with its unit"},
		{HEAD "rss = 80MB" TAIL,
		 "rules.yaml:3: alerts[0] Hot.condition: ", "expected one of > >= < <="},
		{HEAD "{metric: rss, above: 1GB, clear: 2GB}" TAIL,
		 "rules.yaml:3: ", "expected a value on the calm side"},
		{HEAD "function_share > 3%" TAIL,
		 "rules.yaml:3: ", "{metric: function_share, of: \"PATTERN\", above: 30%}"},
		{HEAD "rss > 1GB" TAIL "    durration: 3m\n",
		 "rules.yaml:6: alerts[0] Hot.durration: ", "unknown key, did you mean 'duration'?"},
		{HEAD "rss > 1GB" TAIL "    scope: proces\n",
		 "rules.yaml:6: alerts[0] Hot.scope: ", "expected one of system, cgroup, container, process"},
		{HEAD "rss > 1GB" TAIL "    match: {comm: a}\n",
		 "rules.yaml:2: alerts[0] Hot: match: ", "needs scope cgroup, container or process"},
		{HEAD "rss > 1GB" TAIL "    template: hot\n",
		 "rules.yaml:6: alerts[0] Hot.template: ", "there is no 'hot' in alerting.templates"},
		{HEAD "throttled_percent > 10" TAIL, "rules.yaml:2: alerts[0] Hot: scope: ",
		 "throttled_percent needs one of: cgroup, container; found 'system'"},
		{HEAD "rss > 1GB" TAIL "    action: capture_cpu\n",
		 "rules.yaml:6: ", "key stands twice, first in line 5"},
		{HEAD "rss > 1GB" TAIL "  - {name: Hot, condition: rss > 2GB, duration: 1s, action: keep}\n",
		 "rules.yaml:6: alerts[1].name: ", "'Hot' is taken by the rule in line 2"},
		{"alerts:\n  - {name: Hot, condition: rss > 1GB, duration: 1s}\n",
		 "rules.yaml:2: alerts[0] Hot: ",
		 "expected 'action' (capture_<event>_profile, keep or none, or a list of them), which every "
		 "rule must have"},
		{"alerting: {captures_per_hour: -1}\n",
		 "rules.yaml:1: alerting.captures_per_hour: ", "expected a"},
	};
	struct recording *r = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		write_file(r, "rules.yaml", bad[i].text);
		if (rules(r, "check", NULL) != 1)
			fail_msg("was taken: %s", bad[i].text);
		expect_error(r, bad[i].place, bad[i].what);
		assert_string_equal(run__out(&r->everprof), "");
	}
}

/* ---- test ------------------------------------------------------------------------------------------------------------- */

static const char two_rules[] = "alerts:\n"
				"  - {name: Hot, condition: cpu_usage_percent > 80, duration: 5s, action: "
				"keep, scope: process, keep_firing: 10s, "
				"limits: {learning: 0s}}\n"
				"  - {name: Json, condition: {metric: function_share, of: \"json_*\", above: "
				"30%}, duration: 3s, action: keep, "
				"limits: {learning: 0s}}\n";

/* Seconds 100 to 160: process 7, whose name would clear a terminal, is hot from 110 to 120 and hovers from 130 on, 8 never is; the host's share is high from 140 to 150. */
static void write_series(const struct recording *r)
{
	FILE *f = fopen(recording__file(r, "series"), "w");

	assert_non_null(f);
	fputs("# SECONDS,PID,COMM,METRIC,VALUE\n", f);
	for (int t = 100; t < 200; t++) {
		fprintf(f, "%d,7,w\033[2Jeb,cpu_usage_percent,%d\n", t,
			t >= 110 && t < 120            ? 99
			: t >= 150 && t < 190 && t % 4 ? 85
			: t >= 150 && t < 190          ? 75
						       : 10);
		fprintf(f, "%d,8,db,cpu_usage_percent,79\n", t);
		fprintf(f, "%d,0,,function_share,%d\n", t, t >= 140 && t < 150 ? 45 : 3);
	}
	assert_int_equal(fclose(f), 0);
}

static void a_series_is_replayed_as_the_agent_would_judge_it(void **state)
{
	struct recording *r = *state;
	const char *out;

	write_file(r, "rules.yaml", two_rules);
	write_series(r);
	assert_int_equal(rules(r, "test", "series"), 0);
	out = run__out(&r->everprof);
	/* five seconds after it began; over ten seconds after it ended; what hovers never holds for five, and cools besides */
	expect_says(out, "       115 s  Hot fires for pid 7 (w?[2Jeb), value 99\n"
			 "       130 s  Hot is over for pid 7 (w?[2Jeb)\n"
			 "       143 s  Json fires for ");
	expect_says(out, "2 alarms; at the end:\n");
	expect_says(out, "inactive  Hot: ");
	assert_null(strstr(out, "fires for pid 8"));
	assert_null(strchr(out, '\033'));
}

/* What a capture keeps of its target: a metric of another version is passed over, and what was not measured does not hold. */
static void the_series_of_a_capture_is_replayed_for_its_target(void **state)
{
	static const char rule[] =
		"alerts:\n"
		"  - {name: Soon, scope: process, match: {unit: web.service}, condition: rss > 2MB, "
		"duration: 2s, action: keep, limits: {learning: 1s}}\n"
		"  - {name: Late, scope: process, condition: rss > 2MB, duration: 6s, action: keep}\n"
		"  - {name: Host, condition: cpu_usage_percent > 10, duration: 2s, action: keep}\n";
	struct recording *r = *state;
	const char *out;

	write_file(r, "rules.yaml", rule);
	write_file(r, "meta.json",
		   "{\"id\": \"x\", \"target\": {\"scope\": \"process\", \"pid\": 7, \"comm\": \"web\", "
		   "\"unit\": \"web.service\"},\n"
		   "\"metrics\": {\"seconds\": [-6.2, -5.1, -4.2, -3.2, -2.2, -1.2, -0.2, 0.8, 1.8],\n"
		   "\"values\": {\"rss\": [1e6, 1e6, 3e6, 3e6, null, 3e6, 3e6, 3e6, 3e6],\n"
		   "\"of_tomorrow\": [1, 2, 3, 4, 5, 6, 7, 8, 9], "
		   "\"cpu_usage_percent\": [99, 99, 99, 99, 99, 99, 99, 99, 99]}}}\n");
	assert_int_equal(rules(r, "test", "meta.json"), 0);
	out = run__out(&r->everprof);
	/* held at 2 and 3, was not measured at 4, and holds from 5 on: two seconds later */
	expect_says(out, "         7 s  Soon fires for pid 7 (web), value 3000000\n1 alarm; at the end:\n");
	expect_says(out, "pending   Late: ");
	expect_says(out, "nothing matches");
}

static void a_series_that_is_wrong_is_one_line_with_its_place(void **state)
{
	static const struct {
		const char *text, *place, *what;
	} bad[] = {
		{"1,7,web,cpu_usage_percent,3\n2,7,web,cpu_usage_percnt,3\n",
		 "series:2: ", "unknown metric 'cpu_usage_percnt', did you mean 'cpu_usage_percent'?"},
		{"1,7,web,rss\n", "series:1: ", "expected SECONDS,PID,COMM,METRIC,VALUE, found 4 of these"},
		{"5,7,web,rss,1\n4,7,web,rss,1\n",
		 "series:2: ", "expected a time not before that of the line before, found '4'"},
		{"5,x,web,rss,1\n", "series:1: ", "expected a process id, found 'x'"},
		{"5,7,web,rss,1GB\n", "series:1: ", "expected a number, found '1GB'"},
		{"{\"id\":\n", "series:2: ", "expected the meta.json of a capture: "},
		{"{\"id\": 1}", "series: ", "found no `metrics` with `seconds` and `values`"},
		{"{\"target\": {\"selectors\": []}, \"metrics\": {\"seconds\": [], \"values\": {}}}",
		 "series: ", "rules are not for selections"},
	};
	struct recording *r = *state;

	write_file(r, "rules.yaml", two_rules);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		write_file(r, "series", bad[i].text);
		assert_int_equal(rules(r, "test", "series"), 1);
		expect_error(r, bad[i].place, bad[i].what);
	}
	assert_int_equal(rules(r, "test", "none"), 1);
	expect_error(r, "cannot read '", "/none': No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(good_rules_are_told_with_what_is_doubtful),
		e2e_test(what_is_wrong_is_one_line_with_its_place),
		e2e_test(a_series_is_replayed_as_the_agent_would_judge_it),
		e2e_test(the_series_of_a_capture_is_replayed_for_its_target),
		e2e_test(a_series_that_is_wrong_is_one_line_with_its_place),
	};

	return cmocka_run_group_tests_name("rules_command", tests, NULL, NULL);
}
