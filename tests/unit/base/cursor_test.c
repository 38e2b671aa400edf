// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "user/base/cursor.h"

#define CURSOR(name, ...)                                  \
	static const uint8_t name##_bytes[] = __VA_ARGS__; \
	struct cursor name;                                \
	cursor__init(&name, name##_bytes, sizeof(name##_bytes))

static void integers_come_in_both_orders(void **state)
{
	CURSOR(c, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});

	(void)state;
	assert_int_equal(cursor__u8(&c), 1);
	assert_int_equal(cursor__u16(&c), 0x0302);
	assert_int_equal(cursor__u32(&c), 0x07060504);
	assert_true(cursor__u64(&c) == 0x0f0e0d0c0b0a0908ull);
	assert_int_equal(cursor__left(&c), 0);
	assert_false(c.bad);

	cursor__seek(&c, 1);
	c.big = true;
	assert_int_equal(cursor__u16(&c), 0x0203);
	assert_int_equal(cursor__u32(&c), 0x04050607);
	assert_true(cursor__u64(&c) == 0x08090a0b0c0d0e0full);
}

static void read_past_the_end_gives_zero_and_sticks(void **state)
{
	CURSOR(c, {0xff, 0xff, 0xff});

	(void)state;
	assert_int_equal(cursor__u32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor__offset(&c), 0);
	assert_int_equal(cursor__u8(&c), 0);
	assert_int_equal(cursor__left(&c), 0);
	assert_null(cursor__bytes(&c, 0));
	assert_string_equal(cursor__cstr(&c), "");
	cursor__seek(&c, 1);
	assert_int_equal(cursor__offset(&c), 0);
}

static void leb_of_the_dwarf_standard(void **state)
{
	/* DWARF 5, figures 22 and 23 */
	CURSOR(u, {2, 0x7f, 0x80, 1, 0x81, 1, 0x82, 1, 0xb9, 0x64});
	CURSOR(s, {2, 0x7e, 0xff, 0, 0x81, 0x7f, 0x80, 1, 0x80, 0x7f, 0x81, 1, 0xff, 0x7e});
	const int64_t truth[] = {2, -2, 127, -127, 128, -128, 129, -129};

	(void)state;
	assert_int_equal(cursor__uleb(&u), 2);
	assert_int_equal(cursor__uleb(&u), 127);
	assert_int_equal(cursor__uleb(&u), 128);
	assert_int_equal(cursor__uleb(&u), 129);
	assert_int_equal(cursor__uleb(&u), 130);
	assert_int_equal(cursor__uleb(&u), 12857);
	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++)
		assert_true(cursor__sleb(&s) == truth[i]);
	assert_false(u.bad || s.bad);
	assert_int_equal(cursor__left(&u) + cursor__left(&s), 0);
}

static void leb_reaches_the_ends_of_64_bits(void **state)
{
	CURSOR(max, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01});
	CURSOR(smin, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f});
	CURSOR(smax, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00});
	CURSOR(padded, {0x83, 0x80, 0x80, 0x80, 0x00});

	(void)state;
	assert_true(cursor__uleb(&max) == UINT64_MAX);
	assert_true(cursor__sleb(&smin) == INT64_MIN);
	assert_true(cursor__sleb(&smax) == INT64_MAX);
	assert_int_equal(cursor__uleb(&padded), 3);
	assert_false(max.bad || smin.bad || smax.bad || padded.bad);
}

static void leb_over_64_bits_is_bad(void **state)
{
	CURSOR(two, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02});
	CURSOR(eleven, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00});
	CURSOR(sign, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x3f});
	CURSOR(open_end, {0x80, 0x80});

	(void)state;
	assert_int_equal(cursor__uleb(&two), 0);
	assert_int_equal(cursor__uleb(&eleven), 0);
	assert_int_equal(cursor__sleb(&sign), 0);
	assert_int_equal(cursor__uleb(&open_end), 0);
	assert_true(two.bad && eleven.bad && sign.bad && open_end.bad);
	assert_int_equal(cursor__offset(&open_end), 0);
}

static void string_needs_its_nul(void **state)
{
	CURSOR(c, {'a', 'b', 0, 'c'});

	(void)state;
	assert_string_equal(cursor__cstr(&c), "ab");
	assert_int_equal(cursor__offset(&c), 3);
	assert_string_equal(cursor__cstr(&c), "");
	assert_true(c.bad);
}

static void sub_cursor_is_fenced_in_and_skipped(void **state)
{
	CURSOR(c, {1, 2, 3, 4, 5});
	struct cursor sub;

	(void)state;
	c.big = true;
	sub = cursor__sub(&c, 3);
	assert_int_equal(cursor__u16(&sub), 0x0102);
	assert_int_equal(cursor__u16(&sub), 0);
	assert_true(sub.bad);
	assert_false(c.bad);
	assert_int_equal(cursor__u8(&c), 4);
	sub = cursor__sub(&c, SIZE_MAX);
	assert_true(sub.bad && c.bad);
	assert_int_equal(cursor__left(&sub), 0);
}

static void skip_and_seek_do_not_wrap(void **state)
{
	CURSOR(a, {1, 2});
	CURSOR(b, {1, 2});
	struct cursor none;

	(void)state;
	cursor__skip(&a, SIZE_MAX);
	assert_true(a.bad);
	cursor__seek(&b, 2);
	assert_false(b.bad);
	cursor__seek(&b, 3);
	assert_true(b.bad);
	cursor__init(&none, NULL, 0);
	assert_int_equal(cursor__left(&none), 0);
	assert_int_equal(cursor__u8(&none), 0);
	assert_true(none.bad);
}

/* The bytes lie at the very end of a heap block, so that a sanitizer or a page end would notice one read too many. */
static void random_reads_stay_inside(void **state)
{
	uint32_t seed = 4711;

	(void)state;
	for (size_t len = 0; len < 64; len++) {
		uint8_t *bytes = malloc(len ? len : 1);

		for (int round = 0; round < 200; round++) {
			struct cursor c;

			for (size_t i = 0; i < len; i++) {
				seed = seed * 1103515245 + 12345;
				bytes[i] = (uint8_t)(seed >> 16);
			}
			cursor__init(&c, bytes, len);
			while (!c.bad) {
				size_t before = cursor__offset(&c);

				switch ((seed = seed * 1103515245 + 12345) >> 16 & 3) {
				case 0:
					cursor__uleb(&c);
					break;
				case 1:
					cursor__sleb(&c);
					break;
				case 2:
					cursor__cstr(&c);
					break;
				default:
					cursor__skip(&c, 1 + (seed >> 24 & 7));
				}
				assert_true(cursor__offset(&c) <= len);
				assert_true(c.bad || cursor__offset(&c) > before);
			}
		}
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_come_in_both_orders),
		cmocka_unit_test(read_past_the_end_gives_zero_and_sticks),
		cmocka_unit_test(leb_of_the_dwarf_standard),
		cmocka_unit_test(leb_reaches_the_ends_of_64_bits),
		cmocka_unit_test(leb_over_64_bits_is_bad),
		cmocka_unit_test(string_needs_its_nul),
		cmocka_unit_test(sub_cursor_is_fenced_in_and_skipped),
		cmocka_unit_test(skip_and_seek_do_not_wrap),
		cmocka_unit_test(random_reads_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
