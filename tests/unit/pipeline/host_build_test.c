// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/pipeline/host_build.h"

static bool note(struct host_builds *h, uint64_t name, uint64_t build)
{
	return host_builds__note(h, &(struct host_build){.name = name, .build = build});
}

static void another_build_of_a_known_program_is_new_once(void **state)
{
	struct host_builds h = {0};

	(void)state;
	assert_false(note(&h, 1, 10)); /* the first is learnt */
	assert_false(note(&h, 1, 10));
	assert_false(note(&h, 2, 10)); /* another program, whatever its build */
	assert_true(note(&h, 1, 11));
	assert_false(note(&h, 1, 11));
	assert_false(note(&h, 1, 10)); /* back to the old one */
	assert_int_equal(h.n, 3);
}

static void the_oldest_are_forgotten(void **state)
{
	static struct host_builds h;

	(void)state;
	for (uint64_t i = 0; i < HOST_BUILDS_MAX; i++)
		assert_false(note(&h, i, 1));
	assert_true(note(&h, HOST_BUILDS_MAX - 1, 2)); /* in the place of the first */
	assert_false(note(&h, 0, 2));                  /* which is learnt anew */
	assert_int_equal(h.n, HOST_BUILDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_build_of_a_known_program_is_new_once),
		cmocka_unit_test(the_oldest_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
