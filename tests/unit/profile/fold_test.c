/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_dump.h"
#include "tests/support/profile_text.h"
#include "user/profile/fold.h"
#include "user/profile/merge.h"

static struct profile *sum_of_cpu(void)
{
	const struct profile_opts opts = {.adds_late = true};
	struct profile *p = profile__new(&opts);

	assert_int_equal(profile__add_type(p, "samples", "count"), 0);
	assert_int_equal(profile__add_type(p, "cpu", "nanoseconds"), 0);
	return p;
}

static const char *function_at(const struct profile *p, uint32_t stack, uint32_t *ret_parent)
{
	uint32_t location;

	profile__get_stack_node(p, stack, &location, ret_parent);
	return profile__str(
		p, profile__get_function(p, profile__lines(p, profile__get_location(p, location))->function)
			   ->name);
}

/* What of value 1 has that function in its stack, or (leaf_only) at its end. */
static int64_t value_of(const struct profile *p, const char *function, bool leaf_only)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		for (uint32_t at = s->stack; at;) {
			if (!strcmp(function_at(p, at, &at), function)) {
				sum += s->values[1];
				break;
			}
			if (leaf_only)
				break;
		}
	}
	return sum;
}

static int64_t value_of_process(const struct profile *p, const char *name)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		if (!strcmp(profile__str(p, profile__find_label(p, s->labels, "process")->str), name))
			sum += s->values[1];
	}
	return sum;
}

/* Two processes; a large branch, and 900 stacks of one tick each, a third of which end in memcpy, each through functions of its own. */
static void fill(struct profile *p)
{
	char stack[200];

	for (int i = 0; i < 900; i++) {
		snprintf(stack, sizeof(stack), "main@/bin/x;work@/bin/x;step%d@/bin/x;%s%d@/lib/c", i / 3,
			 i % 3 ? "leaf" : "memcpy", i % 3 ? i : 0);
		put(p, stack, i % 2 ? "process=a" : "process=b", 1, 10);
	}
	put(p, "main@/bin/x;spin@/bin/x", "process=a", 100, 1000);
}

static void small_branches_go_to_their_callers_and_every_sum_stays(void **state)
{
	struct profile *p = sum_of_cpu();
	bool says_so = false;

	(void)state;
	fill(p);
	assert_int_equal(profile__fold(&p, 50, NULL), 0);
	assert_int_equal(profile__seal(p), 0);
	assert_true(profile__n_samples(p) <= 50);
	assert_int_equal(value_of(p, "main", false), 10000);
	assert_int_equal(value_of(p, "work", false), 9000);
	assert_int_equal(value_of(p, "spin", true), 1000);
	assert_int_equal(value_of_process(p, "a"), 4500 + 1000);
	assert_int_equal(value_of_process(p, "b"), 4500);
	/* called from everywhere: it is small in each of its stacks, not in all of them */
	assert_int_equal(value_of(p, "memcpy0", true), 3000);
	assert_int_equal(value_of(p, FOLD_NAME, true), 6000);
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		says_so |= !strncmp(profile__get_comment(p, i), "folded: branches of less than 1/", 32);
	assert_true(says_so);
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		uint32_t location, parent;

		profile__get_stack_node(p, profile__get_sample(p, i)->stack, &location, &parent);
		if (!strcmp(function_at(p, profile__get_sample(p, i)->stack, &parent), FOLD_NAME)) {
			uint32_t mapping = profile__get_location(p, location)->mapping;

			assert_string_equal(profile__str(p, profile__get_mapping(p, mapping)->filename),
					    "/lib/c");
		}
	}
	profile__free(p);
}

static void what_is_small_enough_is_left_alone(void **state)
{
	struct profile *p = sum_of_cpu(), *same = p;

	(void)state;
	fill(p);
	assert_int_equal(profile__fold(&p, 901, NULL), 0);
	assert_ptr_equal(p, same);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(profile__n_samples(p), 901);
	assert_int_equal(profile__n_comments(p), 0);
	assert_int_equal(profile__fold(&p, 50, NULL), -EROFS);
	profile__free(p);
	p = profile__new(NULL);
	assert_int_equal(profile__fold(&p, 50, NULL), -EINVAL);
	profile__free(p);
}

/* An hour was folded, then its day: no branch stands twice, and none below itself. */
static void folding_again_puts_branches_together(void **state)
{
	struct profile *p = sum_of_cpu();

	(void)state;
	fill(p);
	assert_int_equal(profile__fold(&p, 200, NULL), 0);
	fill(p);
	assert_int_equal(profile__fold(&p, 12, NULL), 0);
	assert_int_equal(profile__seal(p), 0);
	assert_true(profile__n_samples(p) <= 12);
	assert_int_equal(value_of(p, "main", false), 20000);
	assert_int_equal(value_of(p, "spin", true), 2000);
	for (uint32_t i = 0; i < profile__n_samples(p); i++)
		for (uint32_t at = profile__get_sample(p, i)->stack, n = 0; at;) {
			n += !strcmp(function_at(p, at, &at), FOLD_NAME);
			assert_true(n <= 1);
		}
	profile__free(p);
}

/* What is too small for the sum does not come in, by whatever way it comes. */
static void a_part_comes_in_as_the_sum_was_folded(void **state)
{
	static const struct profile_merge_opts as_it_is;
	struct profile *sum = sum_of_cpu(), *part = sum_of_cpu();
	uint32_t shift = 0, n_before;

	(void)state;
	fill(sum);
	fill(part);
	assert_int_equal(profile__seal(part), 0);
	assert_int_equal(profile__fold(&sum, 50, &shift), 0);
	assert_true(shift > 0);
	n_before = profile__n_stacks(sum);
	assert_int_equal(profile__fold_into(sum, part, &as_it_is, shift), 0);
	assert_int_equal(profile__n_stacks(sum), n_before);
	assert_int_equal(profile__seal(sum), 0);
	assert_true(profile__n_samples(sum) <= 50);
	assert_int_equal(value_of(sum, "main", false), 20000);
	assert_int_equal(value_of(sum, "spin", true), 2000);
	assert_int_equal(value_of(sum, "memcpy0", true), 6000);
	assert_int_equal(value_of(sum, FOLD_NAME, true), 12000);
	assert_int_equal(value_of_process(sum, "a"), 2 * (4500 + 1000));
	profile__free(part);
	profile__free(sum);
}

/* Nothing is small in it: there is no copy of it either. */
static void a_part_is_folded_at_a_share_of_its_own(void **state)
{
	struct profile *part = sum_of_cpu(), *small;

	(void)state;
	fill(part);
	assert_int_equal(profile__seal(part), 0);
	assert_int_equal(profile__folded(part, 10, &small), 0);
	assert_null(small); /* 10000 / 1024 is less than the 10 of one tick */
	assert_int_equal(profile__folded(part, 8, &small), 0);
	assert_true(profile__sealed(small));
	assert_true(profile__n_samples(small) <= 12);
	assert_int_equal(value_of(small, "main", false), 10000);
	assert_int_equal(value_of(small, "spin", true), 1000);
	assert_int_equal(value_of(small, "memcpy0", true), 3000);
	assert_int_equal(value_of(small, FOLD_NAME, true), value_of(part, "work", false) - 3000);
	assert_int_equal(value_of_process(small, "a"), 4500 + 1000);
	assert_int_equal(profile__n_comments(small), 1);
	assert_non_null(strstr(profile__get_comment(small, 0), "less than 1/256 of"));
	profile__free(small);
	profile__free(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_branches_go_to_their_callers_and_every_sum_stays),
		cmocka_unit_test(what_is_small_enough_is_left_alone),
		cmocka_unit_test(folding_again_puts_branches_together),
		cmocka_unit_test(a_part_comes_in_as_the_sum_was_folded),
		cmocka_unit_test(a_part_is_folded_at_a_share_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
