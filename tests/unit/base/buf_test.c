// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "user/base/buf.h"

static void pieces_become_one_text(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, 1 << 20);
	buf__append_str(&b, "cpu");
	buf__append_char(&b, '=');
	buf__printf(&b, "%d%%", 42);
	buf__append(&b, "\0x", 2);
	assert_int_equal(b.len, 9);
	assert_memory_equal(buf__str(&b), "cpu=42%\0x", 10);
	assert_int_equal(buf__err(&b), 0);
	buf__done(&b);
}

static void empty_buffer_is_an_empty_string(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, 0);
	buf__append(&b, "", 0);
	assert_string_equal(buf__str(&b), "");
	assert_int_equal(buf__err(&b), 0);
	buf__done(&b);
	buf__done(NULL);
}

static void limit_is_exact_and_the_error_sticks(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, 8);
	buf__append_str(&b, "12345678");
	assert_int_equal(buf__err(&b), 0);
	assert_string_equal(buf__str(&b), "12345678");
	buf__append_char(&b, '9');
	assert_int_equal(buf__err(&b), -E2BIG);
	assert_int_equal(b.len, 8);
	buf__printf(&b, "%s", "");
	assert_null(buf__reserve(&b, 0));
	assert_string_equal(buf__str(&b), "");
	buf__clear(&b);
	buf__append_str(&b, "again");
	assert_string_equal(buf__str(&b), "again");
	buf__done(&b);
}

static void printf_past_the_limit_writes_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, 10);
	buf__append_str(&b, "abc");
	buf__printf(&b, "%08d", 1);
	assert_int_equal(buf__err(&b), -E2BIG);
	assert_int_equal(b.len, 3);
	buf__done(&b);
}

static void printf_grows_as_far_as_the_text_needs(void **state)
{
	char big[5000];
	struct buf b;

	(void)state;
	memset(big, 'z', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	buf__init(&b, 2 * sizeof(big));
	buf__append_str(&b, "<");
	buf__printf(&b, "%s>", big);
	assert_int_equal(b.len, sizeof(big) + 1);
	assert_int_equal(buf__str(&b)[sizeof(big)], '>');
	buf__done(&b);
}

/* Lengths around the capacity, where one byte too few would cut or overrun. */
static void printf_fits_at_every_length(void **state)
{
	(void)state;
	for (int len = 0; len < 300; len++) {
		struct buf b;

		buf__init(&b, 1000);
		buf__append_str(&b, "x");
		buf__printf(&b, "%*s", len, "");
		assert_int_equal(b.len, 1 + len);
		assert_int_equal(strlen(buf__str(&b)), 1 + len);
		buf__done(&b);
	}
}

static void reserve_does_not_change_the_length(void **state)
{
	struct buf b;
	void *place;

	(void)state;
	buf__init(&b, 4096);
	place = buf__reserve(&b, 4096);
	assert_non_null(place);
	memset(place, 'r', 4096);
	assert_int_equal(b.len, 0);
	b.len = 3;
	assert_string_equal(buf__str(&b), "rrr");
	buf__done(&b);
}

static void absurd_sizes_do_not_wrap(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, SIZE_MAX);
	buf__append_str(&b, "abc");
	assert_null(buf__reserve(&b, SIZE_MAX));
	assert_int_equal(buf__err(&b), -E2BIG);
	buf__clear(&b);
	assert_null(buf__reserve(&b, SIZE_MAX));
	assert_int_equal(buf__err(&b), -ENOMEM);
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_become_one_text),
		cmocka_unit_test(empty_buffer_is_an_empty_string),
		cmocka_unit_test(limit_is_exact_and_the_error_sticks),
		cmocka_unit_test(printf_past_the_limit_writes_nothing),
		cmocka_unit_test(printf_grows_as_far_as_the_text_needs),
		cmocka_unit_test(printf_fits_at_every_length),
		cmocka_unit_test(reserve_does_not_change_the_length),
		cmocka_unit_test(absurd_sizes_do_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
