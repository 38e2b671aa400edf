/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/query/digest.h"
#include "user/query/function_match.h"

static struct profile *three_stacks(void)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");

	put(p, "_start;main;work;leaf", "process=a", 1, 10);
	put(p, "_start;main;work", "process=a", 1, 20);
	put(p, "_start;main;other;leaf", "process=b", 1, 40);
	put(p, "", "process=b", 1, 80);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

/* Values of the stacks that have it. */
static int64_t value_of(struct profile *p, const char *name)
{
	struct function_match *m;
	int64_t sum = 0;

	assert_int_equal(function_match__new(p, name, &m), 0);
	for (int round = 0; round < 2; round++) { /* what is kept is what was found */
		sum = 0;
		for (uint32_t i = 0; i < profile__n_samples(p); i++)
			if (function_match__has(m, profile__get_sample(p, i)->stack))
				sum += profile__get_sample(p, i)->values[1];
	}
	function_match__free(m);
	return sum;
}

static void a_stack_has_what_is_anywhere_in_it(void **state)
{
	struct profile *p = three_stacks();

	(void)state;
	assert_int_equal(value_of(p, "leaf"), 50);
	assert_int_equal(value_of(p, "work"), 30);
	assert_int_equal(value_of(p, "main"), 70);
	assert_int_equal(value_of(p, "other"), 40);
	assert_int_equal(value_of(p, "wor"), 0);
	profile__free(p);
}

static void a_digest_of_a_function_has_nothing_else(void **state)
{
	struct profile *p = three_stacks();
	struct digest *d;

	(void)state;
	assert_int_equal(digest__new(p, "work", &d), 0);
	assert_int_equal(digest__n_rows(d), 1);
	assert_int_equal(digest__row(d, 0)->values[1], 30);
	assert_string_equal(digest__text(d, digest__row(d, 0), digest__key("process")), "a");
	digest__free(d);
	assert_int_equal(digest__new(p, NULL, &d), 0);
	assert_int_equal(digest__n_rows(d), 2);
	digest__free(d);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_has_what_is_anywhere_in_it),
		cmocka_unit_test(a_digest_of_a_function_has_nothing_else),
	};

	return cmocka_run_group_tests_name("function_match", tests, NULL, NULL);
}
