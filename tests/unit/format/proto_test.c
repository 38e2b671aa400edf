/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/format/proto.h"
#include "user/base/buf.h"

static void numbers_are_written_as_the_encoding_guide_shows(void **state)
{
	static const uint8_t want[] = {0x08, 0x96, 0x01, 0x12, 0x07, 't', 'e', 's', 't', 'i', 'n', 'g'};
	struct buf b;

	(void)state;
	buf__init(&b, 100);
	proto__uint(&b, 1, 150);
	proto__uint(&b, 3, 0);
	proto__bytes(&b, 2, "testing", 7);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	buf__done(&b);
}

static void sizes_are_what_is_written(void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, 1ull << 35, 1ull << 63, UINT64_MAX};
	struct buf b;

	(void)state;
	buf__init(&b, 1000);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		for (uint32_t field = 1; field < 4000; field += 1999) {
			buf__clear(&b);
			proto__uint(&b, field, values[i]);
			assert_int_equal(b.len, proto__uint_size(field, values[i]));
		}
		buf__clear(&b);
		proto__varint(&b, values[i]);
		assert_int_equal(b.len, proto__varint_size(values[i]));
	}
	buf__clear(&b);
	proto__bytes(&b, 15, "abc", 3);
	assert_int_equal(b.len, proto__bytes_size(15, 3));
	buf__done(&b);
}

static void what_is_written_is_read(void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 300, 1ull << 35, 1ull << 63, UINT64_MAX};
	struct proto_field f;
	struct cursor c;
	struct buf b;

	(void)state;
	buf__init(&b, 1000);
	for (size_t i = 0; i < 8; i++) {
		buf__clear(&b);
		proto__varint(&b, 7 << 3);
		proto__varint(&b, values[i]);
		cursor__init(&c, b.data, b.len);
		assert_true(proto__next(&c, &f));
		assert_int_equal(f.number, 7);
		assert_true(f.value == values[i]);
		assert_false(proto__next(&c, &f));
		assert_false(c.bad);
	}
	buf__done(&b);
}

static void assert_damaged(const char *bytes, size_t len)
{
	struct proto_field f;
	struct cursor c;

	cursor__init(&c, bytes, len);
	while (proto__next(&c, &f))
		;
	assert_true(c.bad);
}

static void damage_is_seen_and_nothing_is_read_past_the_end(void **state)
{
	(void)state;
	assert_damaged("\x08", 1);     /* no value */
	assert_damaged("\x08\x80", 2); /* half a value */
	assert_damaged("\x12\x05"
		       "abcd",
		       6);                                                      /* five bytes of four */
	assert_damaged("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);     /* nearly 2^64 bytes */
	assert_damaged("\x0b", 1);                                              /* a group */
	assert_damaged("\x00\x01", 2);                                          /* field 0 */
	assert_damaged("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);     /* 65 bits */
	assert_damaged("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12); /* eleven bytes */
	assert_damaged("\x09\x01\x02\x03", 4);                                  /* half a fixed64 */
}

static bool sum(uint64_t v, void *ctx)
{
	*(uint64_t *)ctx += v;
	return v != 99;
}

static void lists_are_read_packed_and_one_by_one(void **state)
{
	static const char packed[] = "\x0a\x03\x01\x02\x03", single[] = "\x08\x05",
			  refused[] = "\x0a\x02\x63\x01", cut[] = "\x0a\x02\x01\x80";
	struct proto_field f;
	struct cursor c;
	uint64_t total = 0;

	(void)state;
	cursor__init(&c, packed, 5);
	assert_true(proto__next(&c, &f));
	assert_true(proto__numbers(&f, sum, &total));
	assert_int_equal(total, 6);
	cursor__init(&c, single, 2);
	assert_true(proto__next(&c, &f));
	assert_true(proto__numbers(&f, sum, &total));
	assert_int_equal(total, 11);
	cursor__init(&c, refused, 4);
	assert_true(proto__next(&c, &f));
	assert_false(proto__numbers(&f, sum, &total));
	cursor__init(&c, cut, 4);
	assert_true(proto__next(&c, &f));
	assert_false(proto__numbers(&f, sum, &total));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_as_the_encoding_guide_shows),
		cmocka_unit_test(sizes_are_what_is_written),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(damage_is_seen_and_nothing_is_read_past_the_end),
		cmocka_unit_test(lists_are_read_packed_and_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
