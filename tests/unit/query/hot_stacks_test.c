// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/query/hot_stacks.h"

static struct profile *new_profile(void)
{
	return text_profile("samples", "count", "cpu", "nanoseconds");
}

static void seal(struct profile *p)
{
	assert_int_equal(profile__seal(p), 0);
}

static void expect_text(const struct profile *p, uint32_t stack, const char *text)
{
	struct buf b;

	buf__init(&b, 4096);
	hot_stack__print(p, stack, &b);
	assert_string_equal(buf__str(&b), text);
	buf__done(&b);
}

static void the_same_functions_are_the_same_stack_in_both_profiles(void **state)
{
	struct profile *p = new_profile(), *normal = new_profile();
	struct hot_stack hot[HOT_STACKS_MAX];
	uint32_t n;

	(void)state;
	/* one stack, by two threads and from two files: what they are called counts */
	put(p, "main@/bin/a;burn@/bin/a", "pid=1 id", 1, 100);
	put(p, "main@/bin/b;burn@/bin/b", "pid=2 id", 1, 50);
	put(p, "main@/bin/a;rest@/bin/a", "pid=1 id", 1, 120);
	put(p, "main@/bin/a", "pid=1 id", 1, 1);
	put(normal, "burn@/bin/a", "pid=1 id", 1, 7);
	put(normal, "main@/bin/a;burn@/bin/a", "pid=3 id", 1, 3);
	put(normal, "main@/bin/a;burn@/bin/a", "pid=4 id", 1, 2);
	seal(p);
	seal(normal);
	assert_int_equal(hot_stacks__find(p, normal, hot, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(hot[0].value, 150);
	assert_int_equal(hot[0].normal, 5);
	expect_text(p, hot[0].stack, "main > burn");
	assert_int_equal(hot[1].value, 120);
	assert_int_equal(hot[1].normal, 0);
	assert_int_equal(hot[2].value, 1);
	assert_int_equal(hot_stacks__find(p, NULL, hot, &n), 0);
	assert_int_equal(hot[0].normal, 0);
	profile__free(p);
	profile__free(normal);
}

static void only_the_largest_are_kept_in_order(void **state)
{
	struct profile *p = new_profile();
	struct hot_stack hot[HOT_STACKS_MAX];
	char frames[32];
	uint32_t n;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(frames, sizeof(frames), "main;f%d", i);
		put(p, frames, "", 1, (i * 37) % 100 + 1);
	}
	seal(p);
	assert_int_equal(hot_stacks__find(p, NULL, hot, &n), 0);
	assert_int_equal(n, HOT_STACKS_MAX);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(hot[i].value, 100 - i);
	profile__free(p);
}

static void expect_printed(const char *frames, const char *text)
{
	struct profile *p = new_profile();

	put(p, frames, "", 1, 1);
	seal(p);
	expect_text(p, profile__get_sample(p, 0)->stack, text);
	profile__free(p);
}

static void beginnings_the_middle_and_the_kernels_own_are_left_out(void **state)
{
	(void)state;
	expect_printed("_start;__libc_start_main;main;burn", "main > burn");
	expect_printed("clone3;start_thread;work~inner", "work > inner");
	/* nothing but a beginning is shown as it is */
	expect_printed("clone3", "clone3");
	expect_printed("main;a;b;c;d;e;f;g;h;i;j;k", "main > a > … 2 … > d > e > f > g > h > i > j > k");
	expect_printed(
		"main;read;entry_SYSCALL_64_after_hwframe@[kernel.kallsyms];do_syscall_64@[kernel.kallsyms];"
		"vfs_read@[kernel.kallsyms];copy@[kernel.kallsyms]",
		"main > read > [vfs_read … copy]");
	expect_printed("kthread@[kernel.kallsyms]", "[kthread]");
	/* what could move a cursor does not */
	expect_printed("ma\x1bin", "ma?in");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_functions_are_the_same_stack_in_both_profiles),
		cmocka_unit_test(only_the_largest_are_kept_in_order),
		cmocka_unit_test(beginnings_the_middle_and_the_kernels_own_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
