// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/key_lines.h"

static uint32_t read_two(const char *text, uint64_t *a, uint64_t *b)
{
	const struct key_field fields[] = {{"one", a}, {"two:", b}};

	return key_lines__read(text, strlen(text), fields, 2);
}

static void keys_are_found_in_any_order_and_the_rest_is_passed_over(void **state)
{
	uint64_t a = 7, b = 7;

	(void)state;
	assert_int_equal(read_two("two:     12 kB\nones 4\n\none 3\nthree 1", &a, &b), 2);
	assert_int_equal(a, 3);
	assert_int_equal(b, 12);
}

static void a_key_without_a_number_stays_as_it_was(void **state)
{
	uint64_t a = 7, b = 7;

	(void)state;
	assert_int_equal(read_two("one\none max\ntwo 5\n", &a, &b), 0);
	assert_int_equal(a, 7);
	assert_int_equal(b, 7);
}

static void numbers_too_large_are_the_largest(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(key_lines__number("18446744073709551615x", 21, &v), 20);
	assert_true(v == UINT64_MAX);
	assert_int_equal(key_lines__number("18446744073709551616", 20, &v), 20);
	assert_true(v == UINT64_MAX);
	assert_int_equal(key_lines__number("99999999999999999999990", 23, &v), 23);
	assert_true(v == UINT64_MAX);
	assert_int_equal(key_lines__number("x", 1, &v), 0);
	assert_int_equal(key_lines__number("123", 2, &v), 2);
	assert_int_equal(v, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found_in_any_order_and_the_rest_is_passed_over),
		cmocka_unit_test(a_key_without_a_number_stays_as_it_was),
		cmocka_unit_test(numbers_too_large_are_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
