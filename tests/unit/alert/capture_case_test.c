// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/alert/capture_case.h"
#include "user/base/clock.h"

#define FIRED_NS (1769817600ull * NS_PER_SEC)

static void values_are_written_with_their_unit(void **state)
{
	static const struct {
		enum metric_id metric;
		double value;
		const char *text, *bare;
	} cases[] = {
		{METRIC_cpu_usage_percent, 93.54, "93.54%", "93.54pct"},
		{METRIC_rss, 1.2e9, "1.2GB", "1.2GB"},
		{METRIC_rss, 999, "999B", "999B"},
		{METRIC_memory_growth_rate, 41666, "41.67kB/s", "41.67kB-s"},
		{METRIC_memory_growth_rate, -5e6, "-5MB/s", "-5MB-s"},
		{METRIC_goroutine_count, 10001, "10001", "10001"},
		{METRIC_context_switch_rate, 12.5, "12.5/s", "12.5-s"},
		{METRIC_run_queue_latency_p99, 0.02, "20ms", "20ms"},
		{METRIC_memory_limit_eta, 90, "1.5m", "1.5m"},
		{METRIC_memory_limit_eta, 0, "0us", "0us"},
	};
	char text[CASE_VALUE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		capture_value__format(cases[i].metric, cases[i].value, false, text);
		assert_string_equal(text, cases[i].text);
		capture_value__format(cases[i].metric, cases[i].value, true, text);
		assert_string_equal(text, cases[i].bare);
	}
}

static struct capture_case *new_case(struct metric_target target, const struct selection *s)
{
	const struct capture_request r = {.rule = "R",
					  .target = target,
					  .selection = s,
					  .metric = METRIC_N,
					  .fired_real_ns = FIRED_NS,
					  .fired_mono_ns = 1000 * NS_PER_SEC};
	struct capture_case *c;

	assert_int_equal(capture_case__new(&r, "a1b2", &c), 0);
	return c;
}

static void the_folder_is_named_by_the_target(void **state)
{
	static const struct {
		struct metric_target target;
		const char *name;
	} cases[] = {
		{{.scope = SCOPE_SYSTEM}, "system"},
		{{.scope = SCOPE_PROCESS, .pid = 4711, .comm = "nginx"}, "nginx-4711"},
		{{.scope = SCOPE_PROCESS, .pid = 4711}, "pid-4711"},
		{{.scope = SCOPE_PROCESS, .pid = 7, .comm = "a_b/c d"}, "a-b-c-d-7"},
		{{.scope = SCOPE_CGROUP, .cgroup = "/system.slice/nginx.service", .unit = "nginx.service"},
		 "nginx.service"},
		{{.scope = SCOPE_CGROUP, .cgroup = "/kubepods/burstable"}, "burstable"},
		{{.scope = SCOPE_CONTAINER, .container = "3fa9c1d2e4f53fa9c1d2e4f5"}, "3fa9c1d2e4f5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct capture_case *c = new_case(cases[i].target, NULL);

		assert_string_equal(c->name.target, cases[i].name);
		assert_string_equal(c->name.value, "-");
		assert_string_equal(c->name.id, "a1b2");
		capture_case__free(c);
	}
}

/* Which of the samples below are kept, as a sum of their values, which are powers of two. */
static int64_t kept(struct metric_target target, const struct selection *s)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);
	struct capture_case *c = new_case(target, s);
	int64_t sum = 0;

	put(p, "main", "pid=1 id,cgroup=/a,container=c1", 1, 0);
	put(p, "main", "pid=2 id,cgroup=/a/b,container=c12", 2, 0);
	put(p, "main", "pid=12 id,cgroup=/ab,process=x", 4, 0);
	put(p, "main", "", 8, 0);
	put(p, "main", "pid=3 id,cgroup=/a[1]", 16, 0);
	assert_int_equal(profile__seal(p), 0);
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *sample = profile__get_sample(p, i);

		sum += capture_case__keeps(p, sample->labels, c) ? sample->values[0] : 0;
	}
	capture_case__free(c);
	profile__free(p);
	return sum;
}

static void the_samples_of_a_target_are_told_by_exact_labels(void **state)
{
	struct selection s = {0};

	(void)state;
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_SYSTEM}, NULL), 31);
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_PROCESS, .pid = 1}, NULL), 1);
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_CGROUP, .cgroup = "/a"}, NULL), 3);
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_CGROUP, .cgroup = "/a/"}, NULL), 3);
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_CGROUP, .cgroup = "/"}, NULL), 31);
	/* no pattern, whatever a name has */
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_CGROUP, .cgroup = "/a[1]"}, NULL), 16);
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_CGROUP}, NULL), 0);
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_CONTAINER, .container = "c1"}, NULL), 1);
	assert_int_equal(selection__add(&s, "cgroup", "/a*"), 0);
	assert_int_equal(kept((struct metric_target){.scope = SCOPE_SYSTEM}, &s), 23);
}

static void what_it_was_asked_with_may_go_away(void **state)
{
	char rule[] = "Rule", comm[] = "nginx", key[] = "severity", value[] = "page", pattern[] = "api-*";
	struct capture_pair pair = {key, value};
	struct selection s = {0};
	struct capture_request r = {
		.rule = rule, .metric = METRIC_N, .fired_real_ns = FIRED_NS, .labels = &pair, .n_labels = 1};
	struct capture_case *c;

	(void)state;
	assert_int_equal(selection__add(&s, "comm", pattern), 0);
	r.target = (struct metric_target){.scope = SCOPE_PROCESS, .pid = 1, .comm = comm};
	r.selection = &s;
	assert_int_equal(capture_case__new(&r, "id", &c), 0);
	memset(rule, 'x', 4);
	memset(comm, 'x', 5);
	memset(value, 'x', 4);
	memset(pattern, 'x', 5);
	memset(&s, 0, sizeof(s));
	assert_string_equal(c->request.rule, "Rule");
	assert_string_equal(c->request.target.comm, "nginx");
	assert_string_equal(c->request.labels[0].value, "page");
	assert_string_equal(c->request.selection->items[0].pattern, "api-*");
	capture_case__free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_written_with_their_unit),
		cmocka_unit_test(the_folder_is_named_by_the_target),
		cmocka_unit_test(the_samples_of_a_target_are_told_by_exact_labels),
		cmocka_unit_test(what_it_was_asked_with_may_go_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
