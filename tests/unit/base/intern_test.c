// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/intern.h"

static uint32_t add(struct intern *in, const char *s)
{
	uint32_t id = UINT32_MAX;

	assert_int_equal(intern__add(in, s, strlen(s), &id), 0);
	return id;
}

static void equal_strings_share_an_id(void **state)
{
	struct intern *in = intern__new(1 << 20);
	uint32_t id;

	(void)state;
	assert_int_equal(add(in, "main"), 1);
	assert_int_equal(add(in, "malloc"), 2);
	assert_int_equal(add(in, "main"), 1);
	assert_int_equal(intern__count(in), 3);
	assert_int_equal(intern__find(in, "malloc", 6, &id), 0);
	assert_int_equal(id, 2);
	assert_int_equal(intern__find(in, "mallo", 5, &id), -ENOENT);
	intern__free(in);
	intern__free(NULL);
}

static void id_zero_is_the_empty_string(void **state)
{
	struct intern *in = intern__new(0);
	uint32_t id = 9;

	(void)state;
	assert_string_equal(intern__str(in, 0, NULL), "");
	assert_int_equal(intern__add(in, "x", 0, &id), 0);
	assert_int_equal(id, 0);
	id = 9;
	assert_int_equal(intern__find(in, "", 0, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(intern__add(in, "x", 1, &id), -E2BIG);
	intern__free(in);
}

static void bytes_with_nul_inside_are_kept(void **state)
{
	struct intern *in = intern__new(1 << 20);
	uint32_t a, b;
	size_t len;

	(void)state;
	assert_int_equal(intern__add(in, "a\0b", 3, &a), 0);
	assert_int_equal(intern__add(in, "a\0c", 3, &b), 0);
	assert_int_not_equal(a, b);
	assert_memory_equal(intern__str(in, a, &len), "a\0b", 4);
	assert_int_equal(len, 3);
	intern__free(in);
}

static void many_strings_of_all_lengths_stay_themselves(void **state)
{
	struct intern *in = intern__new(64 << 20);
	char *s = malloc(10000);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 1; i <= 3000; i++) {
			int len = snprintf(s, 10000, "%0*u", (int)(i % 300 == 0 ? i * 3 : i % 50 + 5), i);
			uint32_t id;

			assert_int_equal(intern__add(in, s, (size_t)len, &id), 0);
			assert_int_equal(id, i);
			assert_string_equal(intern__str(in, id, NULL), s);
		}
	}
	free(s);
	intern__free(in);
}

static void limit_holds_for_all_of_it_and_what_is_in_stays(void **state)
{
	const size_t limit = 200000;
	struct intern *in = intern__new(limit);
	uint32_t n = 0, id = 77;
	char s[32];
	int err;

	(void)state;
	do {
		err = intern__add(in, s, (size_t)snprintf(s, sizeof(s), "symbol_%u", n++), &id);
		assert_true(intern__bytes(in) <= limit);
	} while (!err);
	assert_int_equal(err, -E2BIG);
	assert_int_equal(intern__count(in), n);
	/* 12 bytes a name, 16 an entry, 8 a slot: a few thousand fit */
	assert_in_range(n, 2000, 6000);
	assert_int_equal(intern__find(in, "symbol_0", 8, &id), 0);
	assert_int_equal(id, 1);
	assert_int_equal(intern__add(in, "symbol_1", 8, &id), 0);
	assert_int_equal(id, 2);
	intern__free(in);
}

static void string_larger_than_the_limit_is_refused(void **state)
{
	struct intern *in = intern__new(100000);
	char *big = calloc(1, 200000);
	uint32_t id = 77;

	(void)state;
	assert_int_equal(intern__add(in, big, 200000, &id), -E2BIG);
	assert_int_equal(id, 77);
	assert_int_equal(add(in, "small"), 1);
	free(big);
	intern__free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_strings_share_an_id),
		cmocka_unit_test(id_zero_is_the_empty_string),
		cmocka_unit_test(bytes_with_nul_inside_are_kept),
		cmocka_unit_test(many_strings_of_all_lengths_stay_themselves),
		cmocka_unit_test(limit_holds_for_all_of_it_and_what_is_in_stays),
		cmocka_unit_test(string_larger_than_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
