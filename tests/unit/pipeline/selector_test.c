/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "user/pipeline/selector.h"

#define TEXTS(...)                                                                     \
	{                                                                              \
		.items = (const char *const[]){__VA_ARGS__},                           \
		.n = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *) \
	}
#define PIDS(...)                                                               \
	{                                                                       \
		.items = (const uint32_t[]){__VA_ARGS__},                       \
		.n = sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t) \
	}

static const struct process_labels nginx = {
	.process = "nginx",
	.exe = "/usr/sbin/nginx",
	.cgroup = "/system.slice/nginx.service",
	.unit = "nginx.service",
	.container = "0123abcd",
	.pod = "9f-77",
};
static const struct process_labels unknown = {
	.process = "", .exe = "", .cgroup = "", .unit = "", .container = "", .pod = ""};

static enum verdict included(const struct target_set set)
{
	const struct selector s = {.include = &set};

	return selector__process(&s, 42, &nginx);
}

static void each_kind_of_pattern_includes(void **state)
{
	(void)state;
	assert_int_equal(included((struct target_set){.comm = TEXTS("ngin?")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.process = TEXTS("nginx")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.exe = TEXTS("/usr/*/nginx")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.cgroup = TEXTS("/system.slice/*")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.unit = TEXTS("*.service")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.container = TEXTS("0123*")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.pod = TEXTS("[0-9]f-*")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.pid = PIDS(1, 42)}), VERDICT_INCLUDE);
}

static void each_kind_looks_at_its_own_label_alone(void **state)
{
	(void)state;
	assert_int_equal(included((struct target_set){.process = TEXTS("/usr/sbin/nginx")}), VERDICT_NONE);
	assert_int_equal(included((struct target_set){.exe = TEXTS("nginx")}), VERDICT_NONE);
	assert_int_equal(included((struct target_set){.cgroup = TEXTS("nginx.service")}), VERDICT_NONE);
	assert_int_equal(included((struct target_set){.unit = TEXTS("nginx")}), VERDICT_NONE);
	assert_int_equal(included((struct target_set){.container = TEXTS("0123")}), VERDICT_NONE);
	assert_int_equal(included((struct target_set){.pod = TEXTS("0123*")}), VERDICT_NONE);
	assert_int_equal(included((struct target_set){.pid = PIDS(4, 2)}), VERDICT_NONE);
}

static void patterns_of_several_kinds_add_up(void **state)
{
	(void)state;
	assert_int_equal(included((struct target_set){.process = TEXTS("redis", "nginx")}), VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.process = TEXTS("redis"), .pid = PIDS(42)}),
			 VERDICT_INCLUDE);
	assert_int_equal(included((struct target_set){.process = TEXTS("redis"), .pid = PIDS(43)}),
			 VERDICT_NONE);
}

static void label_that_is_not_known_matches_no_pattern(void **state)
{
	const struct target_set set = {.exe = TEXTS("*"), .container = TEXTS("*"), .comm = TEXTS("*")};
	const struct selector s = {.include = &set, .exclude = &set};

	(void)state;
	assert_int_equal(selector__process(&s, 42, &unknown), VERDICT_NONE);
}

static void exclusion_beats_inclusion(void **state)
{
	const struct target_set by_unit = {.unit = TEXTS("nginx.service")}, by_pid = {.pid = PIDS(42)};
	const struct selector s = {.include = &by_pid, .exclude = &by_unit};

	(void)state;
	assert_int_equal(selector__process(&s, 42, &nginx), VERDICT_EXCLUDE);
	assert_int_equal(selector__process(&s, 42, &unknown), VERDICT_INCLUDE);
	assert_int_equal(selector__process(&s, 43, &unknown), VERDICT_NONE);
	assert_false(selector__thread(&s, VERDICT_EXCLUDE, "nginx"));
}

static void without_patterns_everything_is_counted(void **state)
{
	const struct target_set empty = {};
	const struct selector none = {}, both = {.include = &empty, .exclude = &empty};

	(void)state;
	assert_true(selector__is_everything(&none));
	assert_true(selector__is_everything(&both));
	assert_int_equal(selector__process(&both, 42, &nginx), VERDICT_NONE);
	assert_true(selector__thread(&both, VERDICT_NONE, "worker"));
	assert_true(selector__thread(&none, VERDICT_NONE, ""));
	assert_false(selector__thread(&none, VERDICT_EXCLUDE, "worker"));
}

static void comm_includes_a_thread_or_all_threads_of_a_process(void **state)
{
	const struct target_set set = {.comm = TEXTS("nginx")};
	const struct selector s = {.include = &set};

	(void)state;
	/* a thread of that name in a process of another one */
	assert_int_equal(selector__process(&s, 9, &unknown), VERDICT_NONE);
	assert_true(selector__thread(&s, VERDICT_NONE, "nginx"));
	assert_false(selector__thread(&s, VERDICT_NONE, "worker"));
	/* the process has the name: whatever its threads are called */
	assert_true(selector__thread(&s, selector__process(&s, 42, &nginx), "worker"));
}

static void comm_excludes_a_thread_or_all_threads_of_a_process(void **state)
{
	const struct target_set set = {.comm = TEXTS("nginx")};
	const struct selector s = {.exclude = &set};

	(void)state;
	assert_false(selector__thread(&s, selector__process(&s, 9, &unknown), "nginx"));
	assert_true(selector__thread(&s, selector__process(&s, 9, &unknown), "worker"));
	assert_false(selector__thread(&s, selector__process(&s, 42, &nginx), "worker"));
}

static void comm_excludes_a_thread_of_a_process_that_is_included(void **state)
{
	const struct target_set include = {.process = TEXTS("nginx")}, exclude = {.comm = TEXTS("log*")};
	const struct selector s = {.include = &include, .exclude = &exclude};

	(void)state;
	assert_true(selector__thread(&s, selector__process(&s, 42, &nginx), "worker"));
	assert_false(selector__thread(&s, selector__process(&s, 42, &nginx), "logger"));
}

static void thread_of_a_process_without_verdict_is_not_included_by_process_patterns(void **state)
{
	const struct target_set set = {.process = TEXTS("worker")};
	const struct selector s = {.include = &set};

	(void)state;
	assert_false(selector__thread(&s, VERDICT_NONE, "worker"));
	assert_true(selector__thread(&s, VERDICT_INCLUDE, "x"));
}

static void only_a_tree_leaves_the_choice_to_the_kernel_but_for_exclusions(void **state)
{
	const struct target_set empty = {}, exclude = {.comm = TEXTS("log*"), .pid = PIDS(42)};
	const struct selector s = {.include = &empty, .exclude = &exclude, .only_tree = true};

	(void)state;
	assert_true(selector__thread(&s, VERDICT_NONE, "child"));
	assert_false(selector__thread(&s, VERDICT_NONE, "logger"));
	assert_int_equal(selector__process(&s, 42, &nginx), VERDICT_EXCLUDE);
	assert_false(selector__is_everything(&(struct selector){.only_tree = true}));
}

/* The kernel knows processes, not names of threads: it may drop only where no thread of an undecided process can be meant. */
static void kernel_drops_the_undecided_only_where_processes_alone_are_included(void **state)
{
	const struct target_set empty = {}, pid = {.pid = PIDS(1)}, comm = {.comm = TEXTS("x")},
				both = {.pid = PIDS(1), .comm = TEXTS("x")};
	const struct {
		const struct target_set *include, *exclude;
		bool only_tree, drops, everything;
	} rows[] = {
		{NULL, NULL, false, false, true},   {&empty, &empty, false, false, true},
		{&pid, NULL, false, true, false},   {&pid, &comm, false, true, false},
		{&comm, NULL, false, false, false}, {&both, NULL, false, false, false},
		{NULL, &pid, false, false, false},  {&empty, &comm, false, false, false},
		{NULL, NULL, true, true, false},    {&empty, &pid, true, true, false},
		{&comm, &empty, true, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct selector s = {.include = rows[i].include,
					   .exclude = rows[i].exclude,
					   .only_tree = rows[i].only_tree};

		if (selector__kernel_only_included(&s) != rows[i].drops ||
		    selector__is_everything(&s) != rows[i].everything)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_pattern_includes),
		cmocka_unit_test(each_kind_looks_at_its_own_label_alone),
		cmocka_unit_test(patterns_of_several_kinds_add_up),
		cmocka_unit_test(label_that_is_not_known_matches_no_pattern),
		cmocka_unit_test(exclusion_beats_inclusion),
		cmocka_unit_test(without_patterns_everything_is_counted),
		cmocka_unit_test(comm_includes_a_thread_or_all_threads_of_a_process),
		cmocka_unit_test(comm_excludes_a_thread_or_all_threads_of_a_process),
		cmocka_unit_test(comm_excludes_a_thread_of_a_process_that_is_included),
		cmocka_unit_test(thread_of_a_process_without_verdict_is_not_included_by_process_patterns),
		cmocka_unit_test(only_a_tree_leaves_the_choice_to_the_kernel_but_for_exclusions),
		cmocka_unit_test(kernel_drops_the_undecided_only_where_processes_alone_are_included),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
