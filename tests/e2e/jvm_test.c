// SPDX-License-Identifier: Apache-2.0
/* Programs of a HotSpot JVM that nobody prepared for being looked at: no option, no agent, no perf map. */
#include <glob.h>
#include <sys/stat.h>

#include "tests/e2e/e2e.h"

#define JAVA "/usr/bin/java"
/*
 * 99.8 to 99.9 where the machine does little else, also of a JVM that ran before: what is met before its code was read waits for that. A reading that gets no CPU for seconds
 * costs what waits for it.
 */
#define WHOLE 0.95

#define AS_IT_IS "-XX:+TieredCompilation" /* the default */
/* From a method to the root of its thread. */
#define TO_JAVA_ROOT \
	";@(JavaTree.round|JavaTree.work);**;JavaTree.main;**;JavaCalls::call_helper;**;start_thread;*"

static void find_classes(char classes[4096])
{
	char *slash;

	run__path_workload("JavaTree.class", classes);
	slash = strrchr(classes, '/');
	assert_non_null(slash);
	*slash = '\0';
}

static void record_java(struct recording *r, const char *option, const char *way)
{
	char classes[4096];

	find_classes(classes);
	recording__of(r, ARGS(JAVA, option, "-cp", classes, "JavaTree", RECORDING_LONG, way));
}

static void record_from_its_start(struct recording *r, const char *java, const char *option)
{
	char classes[4096];

	find_classes(classes);
	recording__record(r, 0, ARGS("--", java, option, "-cp", classes, "JavaTree", "3", "map"));
}

static void expect_shares(struct recording *r, const char *option)
{
	struct expect_filter mine = {.comm = "java"};

	record_java(r, option, "tree");
	mine.pid = r->pid;
	expect_share(r->profile, &mine, "JavaTree.top1;**", 0.5);
	expect_share(r->profile, &mine, "JavaTree.top2;**", 0.3);
	expect_share(r->profile, &mine, "JavaTree.top3;**", 0.2);
	expect_at_least(r->profile, &mine, "JavaTree.top@(1|2|3)" TO_JAVA_ROOT, WHOLE);
	expect_complete(r->profile, &mine, WHOLE);
}

static void compiled_methods_have_their_names_and_shares(void **state)
{
	expect_shares(*state, AS_IT_IS);
}

static void interpreted_methods_have_their_names_and_shares(void **state)
{
	expect_shares(*state, "-Xint");
}

/* Is it not another name of one of them? */
static bool is_jvm_itself(const char *java)
{
	char folder[4096];
	struct stat st;
	char *end;

	snprintf(folder, sizeof(folder), "%s", java);
	end = strstr(folder, "/bin/java");
	assert_non_null(end);
	*end = '\0';
	return !lstat(folder, &st) && S_ISDIR(st.st_mode);
}

/* Interpreted, compiled by one compiler and by the other while it is recorded, by each JVM that is installed. */
static void stacks_are_whole_from_its_start_on(void **state)
{
	static const char *const options[] = {AS_IT_IS, "-XX:+PreserveFramePointer", "-Xint"};
	const struct expect_filter all = {0};
	struct recording *r = *state;
	glob_t javas;

	assert_int_equal(glob("/usr/lib/jvm/*/bin/java", 0, NULL, &javas), 0);
	for (size_t j = 0; j < javas.gl_pathc; j++)
		for (size_t i = 0; is_jvm_itself(javas.gl_pathv[j]) && i < sizeof(options) / sizeof(*options);
		     i++) {
			record_from_its_start(r, javas.gl_pathv[j], options[i]);
			expect_complete(r->profile, &all, WHOLE);
		}
	globfree(&javas);
}

/* What compares strings has a word more on its stack for a moment; what allocates calls into the JVM. */
static void methods_that_call_the_jvm_are_whole(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine = {.comm = "java"};

	record_java(r, AS_IT_IS, "map");
	mine.pid = r->pid;
	expect_complete(r->profile, &mine, WHOLE);
	expect_at_least(r->profile, &mine, "**;@(java.util.TreeMap.put|JavaTree.sort);**", NEARLY_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(compiled_methods_have_their_names_and_shares),
		e2e_test(interpreted_methods_have_their_names_and_shares),
		e2e_test(stacks_are_whole_from_its_start_on),
		e2e_test(methods_that_call_the_jvm_are_whole),
	};

	return cmocka_run_group_tests_name("jvm", tests, NULL, NULL);
}
