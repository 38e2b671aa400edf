// SPDX-License-Identifier: Apache-2.0
/* Programs of a HotSpot JVM that nobody prepared for being looked at: no option, no agent, no perf map. */
#include "tests/e2e/e2e.h"

#define JAVA "/usr/bin/java"
/* What is met before the JVM's code was read for the first time is cut: a fiftieth of these two seconds, or several where others want the CPU, too. */
#define WHOLE 0.8
/* From a compiled method to the root of its thread: what called it is compiled too, or not yet. */
#define TO_JAVA_ROOT ";@(JavaTree.round|Interpreter);Interpreter;**;JavaCalls::call_helper;**;start_thread;*"

static void record_java(struct recording *r, const char *way)
{
	char classes[4096], *slash;

	run__path_workload("JavaTree.class", classes);
	slash = strrchr(classes, '/');
	assert_non_null(slash);
	*slash = '\0';
	recording__of(r, ARGS(JAVA, "-cp", classes, "JavaTree", RECORDING_LONG, way));
}

static void compiled_methods_have_their_names_and_shares(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine = {.comm = "java"};

	record_java(r, "tree");
	mine.pid = r->pid;
	expect_share(r->profile, &mine, "JavaTree.top1;**", 0.5);
	expect_share(r->profile, &mine, "JavaTree.top2;**", 0.3);
	expect_share(r->profile, &mine, "JavaTree.top3;**", 0.2);
	expect_at_least(r->profile, &mine, "JavaTree.top@(1|2|3)" TO_JAVA_ROOT, WHOLE);
	expect_complete(r->profile, &mine, WHOLE);
}

/* What compares strings has a word more on its stack for a moment; what allocates calls into the JVM. */
static void methods_that_call_the_jvm_are_whole(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine = {.comm = "java"};

	record_java(r, "map");
	mine.pid = r->pid;
	expect_complete(r->profile, &mine, WHOLE);
	expect_at_least(r->profile, &mine, "**;@(java.util.TreeMap.put|JavaTree.sort);**", NEARLY_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(compiled_methods_have_their_names_and_shares),
		e2e_test(methods_that_call_the_jvm_are_whole),
	};

	return cmocka_run_group_tests_name("jvm", tests, NULL, NULL);
}
