/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' own measure: patterns over stacks, and how far a sampled share may be off. Needs neither root nor a kernel. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/expect.h"
#include "user/profile/profile.h"

static const char *const tree[] = {"top1", "c1", "b1", "a1", "main", "_start"};
#define TREE_N 6

static void exact_patterns_match_whole_stacks_only(void **state)
{
	(void)state;
	assert_true(expect__match("top1;c1;b1;a1;main;_start", tree, TREE_N));
	assert_false(expect__match("top1;c1;b1;a1;main", tree, TREE_N));
	assert_false(expect__match("c1;b1;a1;main;_start", tree, TREE_N));
	assert_false(expect__match("top1;b1;c1;a1;main;_start", tree, TREE_N));
	assert_false(expect__match("top1;c1;b1;a1;main;_start;more", tree, TREE_N));
	assert_true(expect__match("", tree, 0));
	assert_false(expect__match("", tree, TREE_N));
}

static void a_star_is_one_frame_and_two_are_any_number(void **state)
{
	static const char *const cut[] = {"bottom", "recurse", "[truncated: depth]"};

	(void)state;
	assert_true(expect__match("top1;*;b1;a1;m*n;_start", tree, TREE_N));
	assert_false(expect__match("top1;*;a1;main;_start", tree, TREE_N));
	assert_true(expect__match("**", tree, TREE_N));
	assert_true(expect__match("**;a1;**", tree, TREE_N));
	assert_true(expect__match("**;top1;**;_start;**", tree, TREE_N));
	assert_false(expect__match("**;a2;**", tree, TREE_N));
	assert_true(expect__match("@(top1|top2);c1;**", tree, TREE_N));
	assert_true(expect__match("bottom;**;\\[truncated: depth]", cut, 3));
	assert_false(expect__match("bottom;**;\\[truncated: stack_read]", cut, 3));
}

static void tolerance_is_two_per_cent_or_three_standard_errors(void **state)
{
	(void)state;
	assert_true(fabs(expect__tolerance(0.5, 100) - 0.15) < 1e-9);
	assert_true(fabs(expect__tolerance(0.5, 1000000) - 0.02) < 1e-9);
	assert_true(expect__tolerance(0.5, 0) >= 1);
}

/* One stack of one frame under one pid. */
static void add(struct profile *p, const char *name, int64_t pid, int64_t count, int64_t ns)
{
	int64_t values[2] = {count, ns};
	struct function f = {};
	struct label label = {.num = pid};
	struct line line = {};
	uint32_t location, stack, labels;

	assert_int_equal(profile__string(p, name, &f.name), 0);
	f.system_name = f.name;
	assert_int_equal(profile__function(p, &f, &line.function), 0);
	assert_int_equal(profile__location(p, 0, (uint64_t)(uintptr_t)name, false, &line, 1, &location), 0);
	assert_int_equal(profile__stack(p, &location, 1, &stack), 0);
	assert_int_equal(profile__string(p, "pid", &label.key), 0);
	assert_int_equal(profile__string(p, "id", &label.num_unit), 0);
	assert_int_equal(profile__labels(p, &label, 1, &labels), 0);
	assert_int_equal(profile__add(p, stack, labels, values), 0);
}

static void sums_are_of_what_the_filter_asks_for(void **state)
{
	struct profile *p = profile__new(&(struct profile_opts){});
	struct expect_filter one = {.pid = 1}, one_leaf = {.pid = 1, .stack = "leaf"}, none = {.comm = "x"};
	struct expect_sum sum, part;

	(void)state;
	assert_non_null(p);
	assert_int_equal(profile__add_type(p, "samples", "count"), 0);
	assert_int_equal(profile__add_type(p, "cpu", "nanoseconds"), 0);
	add(p, "leaf", 1, 3, 300);
	add(p, "other", 1, 1, 100);
	add(p, "leaf", 2, 7, 700);
	assert_int_equal(profile__seal(p), 0);
	expect__sum(p, NULL, &sum);
	assert_int_equal(sum.ns, 1100);
	assert_int_equal(sum.samples, 11);
	expect__sum(p, &one, &sum);
	assert_int_equal(sum.ns, 400);
	expect__sum(p, &one_leaf, &part);
	assert_true(fabs(expect__share(&part, &sum) - 0.75) < 1e-9);
	expect__sum(p, &none, &sum);
	assert_int_equal(sum.rows, 0);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_patterns_match_whole_stacks_only),
		cmocka_unit_test(a_star_is_one_frame_and_two_are_any_number),
		cmocka_unit_test(tolerance_is_two_per_cent_or_three_standard_errors),
		cmocka_unit_test(sums_are_of_what_the_filter_asks_for),
	};

	return cmocka_run_group_tests_name("expect", tests, NULL, NULL);
}
