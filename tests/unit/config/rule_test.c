// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/config/rule.h"
#include "user/config/yaml.h"

#define S 1000000000ull

#define RULE(fields) \
	"- {name: r, condition: cpu_usage_percent > 8, duration: 5m, action: capture_cpu_profile, " fields "}"

struct fixture {
	struct arena arena;
	struct rule_list rules;
	struct err e;
};

/* The list is parsed from YAML text; the tree is gone afterwards, as it is in a loaded configuration. */
static int parse(struct fixture *f, const char *text)
{
	struct yaml y;
	int err;

	f->e.text[0] = '\0';
	err = yaml__parse("f", text, strlen(text), &y, &f->e);
	if (err)
		return err;
	err = rule__parse_list(&(struct rule_source){"f", y.root}, NULL, NULL, &f->arena, &f->rules, &f->e);
	yaml__done(&y);
	return err;
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	arena__init(&f.arena, 1 << 20);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	arena__done(&f->arena);
	return 0;
}

static void a_rule_with_four_fields_gets_the_defaults(void **state)
{
	struct fixture *f = *state;
	const struct rule *r;

	assert_int_equal(parse(f, "- name: HighCPUUsage\n"
				  "  condition: cpu_usage_percent > 80\n"
				  "  duration: 5m\n"
				  "  action: capture_cpu_profile\n"),
			 0);
	assert_int_equal(f->rules.n, 1);
	r = &f->rules.items[0];
	assert_string_equal(r->name, "HighCPUUsage");
	assert_string_equal(r->condition.text, "cpu_usage_percent > 80");
	assert_int_equal(r->duration_ns, 300 * S);
	assert_int_equal(r->capture_events, 1u << EVENT_CPU);
	assert_int_equal(r->scope, SCOPE_SYSTEM);
	assert_true(target_set__is_empty(&r->match));
	assert_int_equal(r->before_ns, 30 * S);
	assert_int_equal(r->after_ns, 30 * S);
	assert_int_equal(r->line, 1);
}

static void every_field_is_read(void **state)
{
	struct fixture *f = *state;
	const struct rule *r;

	assert_int_equal(parse(f, "- name: a\n  condition: rss > 1GiB\n  duration: 0s\n  action: "
				  "capture_heap_profile\n  scope: process\n"
				  "- name: api-hot.2\n"
				  "  condition: cpu_limit_percent >= 90%\n"
				  "  duration: 90s\n"
				  "  action: [capture_cpu_profile, capture_offcpu_profile]\n"
				  "  scope: container\n"
				  "  match: {comm: \"api-*\", unit: [a.service, b.service], pid: [7, 9]}\n"
				  "  capture: {before: 1m, after: 0s}\n"),
			 0);
	assert_int_equal(f->rules.n, 2);
	r = &f->rules.items[1];
	assert_string_equal(r->name, "api-hot.2");
	assert_int_equal(r->condition.terms[0].compare, COMPARE_AT_LEAST);
	assert_int_equal(r->duration_ns, 90 * S);
	assert_int_equal(r->capture_events, 1u << EVENT_CPU | 1u << EVENT_OFFCPU);
	assert_int_equal(r->scope, SCOPE_CONTAINER);
	assert_int_equal(r->match.comm.n, 1);
	assert_string_equal(r->match.comm.items[0], "api-*");
	assert_int_equal(r->match.unit.n, 2);
	assert_string_equal(r->match.unit.items[1], "b.service");
	assert_int_equal(r->match.pid.n, 2);
	assert_int_equal(r->match.pid.items[1], 9);
	assert_int_equal(r->before_ns, 60 * S);
	assert_int_equal(r->after_ns, 0);
	assert_int_equal(r->line, 6);
	assert_int_equal(f->rules.items[0].duration_ns, 0);
}

/* A label is another way to say the same; what a template says of a kind is written over either way. */
static void a_label_is_the_kind_of_its_name(void **state)
{
	struct fixture *f = *state;
	struct buf by_kind, by_label;

	buf__init(&by_kind, 1 << 16);
	buf__init(&by_label, 1 << 16);
	assert_int_equal(
		parse(f, RULE("scope: process, match: {label: {comm: \"api-*\", process: p, exe: "
			      "/bin/*, cgroup: \"/a*\", unit: [a, b], container: c, pod: d, pid: 7}}")),
		0);
	rule__format(f->rules.items, &by_label);
	assert_int_equal(
		parse(f, RULE("scope: process, match: {comm: \"api-*\", process: p, exe: "
			      "/bin/*, cgroup: \"/a*\", unit: [a, b], container: c, pod: d, pid: 7}")),
		0);
	rule__format(f->rules.items, &by_kind);
	assert_string_equal(buf__str(&by_label), buf__str(&by_kind));
	assert_string_equal(f->rules.items[0].match.unit.items[1], "b");
	assert_int_equal(parse(f, RULE("scope: process, match: {comm: a, label: {unit: u}}")), 0);
	assert_int_equal(f->rules.items[0].match.comm.n + f->rules.items[0].match.unit.n, 2);
	buf__done(&by_kind);
	buf__done(&by_label);
}

static void the_full_form_is_read(void **state)
{
	struct fixture *f = *state;
	const struct rule *r;

	assert_int_equal(parse(f, "- name: a\n"
				  "  condition: cpu_usage_percent > 80\n"
				  "  clear: 60\n"
				  "  duration: {count: 20, in: 30s}\n"
				  "  action: keep\n"
				  "  keep_firing: 1m\n"
				  "  capture: {after: 10s, frequency: 199, baseline: false}\n"
				  "  limits: {cooldown: 0s, escalation: 50%, targets: 3, captures_per_hour: "
				  "4, learning: 1m}\n"
				  "  labels: {severity: page}\n"
				  "  annotations: {summary: \"{target} at {value}\"}\n"
				  "  notify: [{webhook: http://a/b}, {alertmanager: https://c}, {run: "
				  "[/bin/true, x]}]\n"),
			 0);
	r = &f->rules.items[0];
	assert_true(r->condition.terms[0].clear == 60);
	assert_int_equal(r->hits, 20);
	assert_int_equal(r->hits_in_ns, 30 * S);
	assert_true(r->captures);
	assert_int_equal(r->capture_events, 0);
	assert_int_equal(r->keep_firing_ns, 60 * S);
	assert_int_equal(r->before_ns, 30 * S);
	assert_int_equal(r->after_ns, 10 * S);
	assert_int_equal(r->frequency_hz, 199);
	assert_false(r->baseline);
	assert_int_equal(r->limits.cooldown_ns, 0);
	assert_int_equal(r->limits.escalation_ppm, 500000);
	assert_int_equal(r->limits.targets, 3);
	assert_int_equal(r->limits.captures_per_hour, 4);
	assert_int_equal(r->limits.learning_ns, 60 * S);
	assert_string_equal(r->labels.items[0].value, "page");
	assert_string_equal(r->annotations.items[0].key, "summary");
	assert_int_equal(r->n_notify, 3);
	assert_int_equal(r->notify[1].kind, NOTIFY_ALERTMANAGER);
	assert_string_equal(r->notify[2].argv.items[1], "x");
}

/* As many arguments as may be, and one more; each as long as may be, and a byte longer. */
static int parse_program(struct fixture *f, int n, int len)
{
	struct buf b;
	int err;

	buf__init(&b, 1 << 20);
	buf__append_str(
		&b, "- {name: r, condition: rss > 1GiB, duration: 1s, action: none, notify: [{run: [/bin/x");
	for (int i = 1; i < n; i++)
		buf__printf(&b, ", %0*d", len, i);
	buf__append_str(&b, "]}]}\n");
	err = parse(f, buf__str(&b));
	buf__done(&b);
	return err;
}

static void a_program_takes_scripts_and_so_many_arguments(void **state)
{
	struct fixture *f = *state;

	if (parse(f, "- name: r\n  condition: rss > 1GiB\n  duration: 1s\n  action: none\n  notify:\n"
		     "  - run:\n    - /bin/sh\n    - -c\n    - |\n      set -e\n\n      echo \"$1\"\n"))
		fail_msg("%s", f->e.text);
	assert_string_equal(f->rules.items[0].notify[0].argv.items[2], "set -e\n\necho \"$1\"\n");
	assert_int_equal(parse_program(f, RULE_ARGS_MAX, 1024), 0);
	assert_int_equal(f->rules.items[0].notify[0].argv.n, RULE_ARGS_MAX);
	assert_int_equal(parse_program(f, RULE_ARGS_MAX + 1, 3), -E2BIG);
	assert_string_equal(f->e.text, "f:1: alerts[0] r.notify: run: more than 32 texts");
	assert_int_equal(parse_program(f, 2, 1024 + 1), -EINVAL);
	assert_string_equal(f->e.text,
			    "f:1: alerts[0] r.notify: expected texts of 1 to 1024 bytes, found one of 1025");
}

/* Defaults, template and rule from one text with those three keys. */
static int parse_parts(struct fixture *f, const char *text)
{
	struct rule_source rules, defaults, templates;
	struct yaml y;
	int err;

	f->e.text[0] = '\0';
	assert_int_equal(yaml__parse("f", text, strlen(text), &y, &f->e), 0);
	rules = (struct rule_source){"f", yaml__child(y.root, "alerts")};
	defaults = (struct rule_source){"f", yaml__child(y.root, "defaults")};
	templates = (struct rule_source){"f", yaml__child(y.root, "templates")};
	err = rule__parse_list(&rules, &defaults, &templates, &f->arena, &f->rules, &f->e);
	yaml__done(&y);
	return err;
}

static void the_rule_wins_over_its_template_and_that_over_the_defaults(void **state)
{
	struct fixture *f = *state;
	const struct rule *r;

	assert_int_equal(
		parse_parts(f, "defaults: {limits: {cooldown: 1m, targets: 2}, labels: {team: a, tier: x}, "
			       "action: keep}\n"
			       "templates: {hot: {duration: 5s, limits: {targets: 7}, labels: {tier: y}, "
			       "action: capture_cpu_profile}}\n"
			       "alerts:\n"
			       "- {name: a, template: hot, condition: rss > 1GiB, limits: {learning: 0s}}\n"
			       "- {name: b, condition: rss > 1GiB, duration: 1s, action: none}\n"),
		0);
	r = f->rules.items;
	assert_int_equal(r->duration_ns, 5 * S);
	assert_int_equal(r->limits.cooldown_ns, 60 * S);
	assert_int_equal(r->limits.targets, 7);
	assert_int_equal(r->limits.learning_ns, 0);
	assert_int_equal(r->labels.n, 2);
	assert_string_equal(r->labels.items[1].value, "y");
	assert_int_equal(r->capture_events, 1u << EVENT_CPU);
	r++;
	assert_int_equal(r->limits.targets, 2);
	assert_string_equal(r->labels.items[1].value, "x");
	assert_false(r->captures);
	assert_int_equal(parse_parts(f, "templates: {hot: {durration: 5s}}\nalerts: []"), -EINVAL);
	assert_string_equal(f->e.text,
			    "f:1: alerting.templates.hot.durration: unknown key, did you mean 'duration'?");
	assert_int_equal(parse_parts(f, "defaults: {name: x}\nalerts: []"), -EINVAL);
	assert_string_equal(f->e.text, "f:1: alerting.defaults.name: only a rule itself has it");
}

/* What is shown reads to what is shown. */
static void a_rule_written_back_reads_the_same(void **state)
{
	static const char *const rules[] = {
		"- {name: a, condition: cpu_usage_percent > 80, clear: 60, duration: {count: 2, in: 30s}, "
		"action: none}",
		"- {name: b, condition: {any: [rss > 1GiB, {all: [{metric: rss, steps: [1MB, 2MB]}, fd_count "
		"< 3]}]}, "
		"duration: 1s, action: [capture_cpu_profile, capture_lock_profile], labels: {a: \"x: "
		"[\\\"\"}, "
		"scope: process, match: {comm: [\"*\"]}, notify: [{run: [/a, \"b c\"]}, {webhook: "
		"\"http://x/?a=b\"}]}",
		"- {name: c, condition: new_build, action: keep, scope: process, annotations: {s: "
		"\"{value}\"}, "
		"capture: {frequency: 99, baseline: false}}",
		"- {name: d, condition: new_build, action: none, scope: process, notify: [{run: [/bin/sh, "
		"-c, "
		"\"set -e\\n\\n  echo '\\\\n'\\n\"]}]}",
	};
	struct fixture *f = *state;
	struct buf once, twice;

	buf__init(&once, 1 << 16);
	buf__init(&twice, 1 << 16);
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		buf__clear(&once);
		buf__clear(&twice);
		if (parse(f, rules[i]))
			fail_msg("%s", f->e.text);
		rule__format(f->rules.items, &once);
		if (parse(f, buf__str(&once)))
			fail_msg("%s: %s", f->e.text, buf__str(&once));
		rule__format(f->rules.items, &twice);
		assert_string_equal(buf__str(&once), buf__str(&twice));
	}
	buf__done(&once);
	buf__done(&twice);
}

static void nothing_and_an_empty_list_are_no_rules(void **state)
{
	struct fixture *f = *state;

	f->rules.n = 9;
	assert_int_equal(parse(f, ""), 0);
	assert_int_equal(f->rules.n, 0);
	assert_int_equal(parse(f, "[]"), 0);
	assert_int_equal(f->rules.n, 0);
}

static const struct {
	const char *text, *what;
} bad_rules[] = {
	{"x", "f:1: alerts: expected a list of rules, found 'x'"},
	{"{a: b}", "f:1: alerts: expected a list of rules, found a section"},
	{"- x", "f:1: alerts[0]: expected a rule (name, condition, duration, action), found 'x'"},
	{"- condition: rss > 1GiB\n  duration: 5m\n  action: capture_cpu_profile",
	 "f:1: alerts[0]: expected 'name' (name), which every rule must have"},
	{"- name: r\n  duration: 5m\n  action: capture_cpu_profile", "alerts[0] r: expected 'condition'"},
	{"- name: r\n  condition: rss > 1GiB\n  action: capture_cpu_profile",
	 "alerts[0] r: expected 'duration'"},
	{"- name: r\n  condition: rss > 1GiB\n  duration: 5m", "alerts[0] r: expected 'action'"},
	{"- name: r\n  condition: rss > 1\n  duration: 5m\n  action: capture_cpu_profile",
	 "f:2: alerts[0] r.condition: value of rss: expected a size with its unit such as 64KiB, 10MB or "
	 "2GiB, found '1'"},
	{"- name: r\n  condition: []\n",
	 "f:2: alerts[0] r.condition: expected a list of conditions, found a list"},
	{"- name: r\n  duration: 5\n", "f:2: alerts[0] r.duration: expected a duration with its unit"},
	{"- name: r\n  duration: 25h\n",
	 "f:2: alerts[0] r.duration: expected a duration from 0s to 1d, found '25h'"},
	{"- name: r\n  duration: [5m]\n", "expected a duration from 0s to 1d, found a list"},
	{"- name: r\n  action: capture_cpu_profil\n",
	 "r.action: unknown action 'capture_cpu_profil', did you mean 'capture_cpu_profile'?"},
	{"- name: r\n  action: reboot\n", "unknown action 'reboot'; known here: capture_cpu_profile, "},
	{"- name: r\n  action: []\n",
	 "expected an action such as capture_cpu_profile, or a list of them, found a list"},
	{"- name: r\n  action: [[a]]\n", "expected an action such as capture_cpu_profile, found a list"},
	{"- name: ../r\n", "f:1: alerts[0].name: expected a name of at most 64"},
	{"- name: a/b\n", "alerts[0].name: expected a name"},
	{"- name: .r\n", "alerts[0].name: expected a name"},
	{"- name: ''\n", "alerts[0].name: expected a name"},
	{"- name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	 "expected a name of at most 64"},
	{"- name: [a]\n", "expected a name of at most 64"},
	{RULE("conditon: x"), "alerts[0] r.conditon: unknown key, did you mean 'condition'?"},
	{RULE("for: 5m"),
	 "r.for: unknown key; known here: name, condition, duration, action, scope, match, clear, "
	 "keep_firing, capture, limits, labels, annotations, notify, template"},
	{RULE("scope: host"), "r.scope: expected one of system, cgroup, container, process, found 'host'"},
	{RULE("scope: process, match: {com: x}"), "r.match: unknown key 'com', did you mean 'comm'?"},
	{RULE("scope: process, match: x"), "r.match: expected a section"},
	{RULE("scope: process, match: {pid: [0]}"),
	 "r.match: pid: expected process ids from 1 to 4194304, found '0'"},
	{RULE("scope: process, match: {pid: x}"), "found 'x'"},
	{RULE("scope: process, match: {comm: ['']}"), "r.match: comm: expected texts of 1 to 255 bytes"},
	{RULE("scope: process, match: {comm: [[a]]}"),
	 "r.match: comm: expected a list of texts, found a list in it"},
	{RULE("scope: process, match: {comm: {a: b}}"),
	 "r.match: comm: expected a list of texts, found a section"},
	{RULE("scope: process, match: {label: x}"), "r.match: label: expected a section"},
	{RULE("scope: process, match: {label: {units: x}}"),
	 "r.match: label: unknown key 'units', did you mean 'unit'?"},
	{RULE("scope: process, match: {label: {syscall: futex}}"),
	 "r.match: label: unknown key 'syscall'; known here: comm, process, exe, cgroup, unit, container, "
	 "pod, pid"},
	{RULE("scope: process, match: {label: {label: {unit: x}}}"), "label: unknown key 'label'"},
	{RULE("scope: process, match: {label: {unit: [a]}, unit: b}"),
	 "r.match: unit: given twice, by itself and as a label"},
	{RULE("scope: process, match: {label: {pid: 0}}"),
	 "r.match: label: pid: expected process ids from 1 to 4194304, found '0'"},
	{RULE("match: {label: {unit: x}}"), "r: match: needs scope cgroup, container or process"},
	{RULE("match: {comm: x}"), "r: match: needs scope cgroup, container or process"},
	{RULE("capture: 30s"), "r.capture: expected a section"},
	{RULE("capture: {before: 30}"), "r.capture: before: expected a duration with its unit"},
	{RULE("capture: {before: 11m}"),
	 "r.capture: before: expected a duration from 0s to 10m, found '11m'"},
	{RULE("capture: {befor: 1m}"), "r.capture: unknown key 'befor', did you mean 'before'?"},
	{RULE("capture: {before: 0s, after: 0s}"), "nothing to keep"},
	{RULE("capture: {frequency: 1001}"),
	 "frequency: expected a whole number from 1 to 1000, found '1001'"},
	{RULE("capture: {baseline: maybe}"), "baseline: expected true or false, found 'maybe'"},
	{RULE("limits: {cooldown: 10}"), "r.limits: cooldown: expected a duration with its unit"},
	{RULE("limits: {targets: 0}"), "targets: expected a whole number from 1 to 64, found '0'"},
	{RULE("limits: {target: 1}"), "unknown key 'target', did you mean 'targets'?"},
	{"- {name: r, condition: cpu_usage_percent > 100, duration: 5m, action: keep}",
	 "r: condition: cpu_usage_percent is 100% at most in scope system (it is of all CPUs), so it never "
	 "holds"},
	{"- {name: r, condition: {all: [fd_count > 3, {metric: psi_io_full_percent, steps: [100, 120]}]}, "
	 "duration: 5m, action: keep}",
	 "r: condition: psi_io_full_percent is 100% at most, so it never holds"},
	{"- {name: r, condition: throttled_percent >= 101, duration: 5m, action: keep, scope: cgroup}",
	 "throttled_percent is 100% at most"},
	{"- {name: r, condition: rss > 1GB, duration: 5m, action: \"capture_cpu_profile, keep\"}",
	 "unknown action 'capture_cpu_profile, keep'; a list is written [a, b]"},
	{"- {name: r, condition: {any: [rss > 1GB, {all: [rss > 2GB, {any: [fd_count > 3]}]}]}}",
	 "any: stands alone in its section, and two levels of any and all are the most"},
	{RULE("keep_firing: 2d"), "r.keep_firing: expected a duration from 0s to 1d, found '2d'"},
	{RULE("clear: 9"), "clear: expected a value on the calm side of the threshold, found '9'"},
	{RULE("clear: 1GiB"), "r: clear: value of cpu_usage_percent: expected a percentage"},
	{RULE("labels: {a-b: c}"), "r.labels: expected names of letters, digits and '_', found 'a-b'"},
	{RULE("labels: [a]"), "r.labels: expected a section"},
	{RULE("notify: [{webhook: ftp://x}]"), "r.notify: expected a URL such as http://127.0.0.1:9093"},
	{RULE("notify: [{webhook: 'http://'}]"), "r.notify: expected a URL"},
	{RULE("notify: [{run: relative}]"), "r.notify: expected an absolute path"},
	{RULE("notify: [{mail: x}]"), "r.notify: unknown key 'mail'"},
	{RULE("template: hot"), "f:1: alerts[0] r.template: there is no 'hot' in alerting.templates"},
	{"- {name: r, condition: rss > 1GiB, duration: {count: 20, in: 10s}, action: keep}",
	 "r.duration: expected {count: N, in: DURATION} with a duration of at least N seconds"},
	{"- {name: r, condition: rss > 1GiB, duration: {count: 20, in: 11m}, action: keep}",
	 "r.duration: in: expected a duration from 0s to 10m, found '11m'"},
	{"- {name: r, condition: rss > 1GiB, duration: 5m, action: [keep, capture_cpu_profile]}",
	 "r.action: unknown action 'keep'"},
	{"- {name: r, condition: oom_kill, action: keep}",
	 "r: scope: oom_kill happens to a process; found 'system'"},
	{"- {name: r, condition: cpu_limit_percent > 8, duration: 5m, action: capture_cpu_profile}",
	 "alerts[0] r: scope: cpu_limit_percent needs one of: cgroup, container, process; found 'system'"},
	{"- {name: r, condition: psi_cpu_some_percent > 8, duration: 5m, action: capture_cpu_profile, scope: "
	 "process}",
	 "needs one of: system, cgroup, container; found 'process'"},
	{RULE("scope: process") "\n" RULE("scope: cgroup"),
	 "f:2: alerts[1].name: 'r' is taken by the rule in line 1"},
};

static void a_bad_rule_is_refused_in_one_line(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad_rules) / sizeof(bad_rules[0]); i++) {
		f->rules.n = 77;
		if (!parse(f, bad_rules[i].text))
			fail_msg("was taken: %s", bad_rules[i].text);
		if (!strstr(f->e.text, bad_rules[i].what))
			fail_msg("%s -> %s", bad_rules[i].text, f->e.text);
		assert_null(strchr(f->e.text, '\n'));
		assert_int_equal(f->rules.n, 77);
	}
}

static void the_number_of_rules_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct buf b;

	buf__init(&b, 1 << 20);
	for (int i = 0; i < RULES_MAX; i++)
		buf__printf(
			&b,
			"- {name: r%d, condition: rss > 1GiB, duration: 5m, action: capture_cpu_profile}\n",
			i);
	assert_int_equal(parse(f, buf__str(&b)), 0);
	assert_int_equal(f->rules.n, RULES_MAX);
	buf__append_str(
		&b, "- {name: one-more, condition: rss > 1GiB, duration: 5m, action: capture_cpu_profile}\n");
	assert_int_equal(parse(f, buf__str(&b)), -E2BIG);
	buf__done(&b);
}

static void little_memory_is_an_error_and_no_crash(void **state)
{
	struct fixture *f = *state;
	int n_failed = 0;

	for (size_t limit = 0; limit < 12000; limit += 200) {
		int err;

		arena__done(&f->arena);
		arena__init(&f->arena, limit);
		err = parse(f, RULE("scope: process, match: {comm: [a, b, c, d], pid: [1, 2, 3]}"));
		assert_true(!err || err == -ENOMEM);
		n_failed += err != 0;
	}
	assert_in_range(n_failed, 1, 59);
}

static void every_event_has_an_action(void **state)
{
	char text[RULE_ACTION_MAX];

	(void)state;
	for (int ev = 0; ev < EVENT_N; ev++) {
		uint32_t events = 0;

		rule__format_action(ev, text);
		assert_int_equal(rule__parse_action(text, &events, NULL), 0);
		assert_int_equal(events, 1u << ev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_rule_with_four_fields_gets_the_defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_field_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_label_is_the_kind_of_its_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_full_form_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_program_takes_scripts_and_so_many_arguments, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_rule_wins_over_its_template_and_that_over_the_defaults,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rule_written_back_reads_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_and_an_empty_list_are_no_rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bad_rule_is_refused_in_one_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_number_of_rules_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(little_memory_is_an_error_and_no_crash, set_up, tear_down),
		cmocka_unit_test(every_event_has_an_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
