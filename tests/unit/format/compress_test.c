/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/format/compress.h"
#include "user/base/buf.h"

#define MIB ((size_t)1 << 20)

static void pack(enum compression kind, const void *bytes, size_t len, struct buf *to)
{
	struct compressor *c;

	assert_int_equal(compressor__new(kind, 0, to, &c), 0);
	for (size_t at = 0, n; at < len; at += n) { /* uneven pieces */
		n = len - at < 7777 ? len - at : 7777;
		compressor__write(c, (const char *)bytes + at, n);
	}
	assert_int_equal(compressor__finish(c), 0);
	compressor__free(c);
}

static char *noise(size_t len)
{
	char *bytes = malloc(len);
	uint64_t x = 88172645463325252ull;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = i % 3 ? (char)x : 'a';
	}
	return bytes;
}

static void each_kind_comes_back_whole(void **state)
{
	static const enum compression kinds[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_NONE};
	size_t sizes[] = {1, 7777, 300000};
	char *bytes = noise(300000);
	struct buf packed, plain;

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		for (size_t i = 0; i < 3; i++) {
			buf__init(&packed, 10 * MIB);
			buf__init(&plain, 10 * MIB);
			pack(kinds[k], bytes, sizes[i], &packed);
			assert_int_equal(compression__detect(packed.data, packed.len), kinds[k]);
			assert_int_equal(decompress(packed.data, packed.len, sizes[i], &plain), 0);
			assert_int_equal(plain.len, sizes[i]);
			assert_memory_equal(plain.data, bytes, sizes[i]);
			buf__done(&packed);
			buf__done(&plain);
		}
	}
	free(bytes);
}

static void a_bomb_stops_at_the_limit(void **state)
{
	char *zeros = calloc(1, 64 * MIB);
	struct buf packed, plain;

	(void)state;
	for (int zstd = 0; zstd < 2; zstd++) {
		buf__init(&packed, MIB);
		buf__init(&plain, 2 * MIB);
		pack(zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP, zeros, 64 * MIB, &packed);
		assert_true(packed.len < 128 * 1024);
		assert_int_equal(decompress(packed.data, packed.len, MIB, &plain), -E2BIG);
		assert_true(plain.cap <= 2 * MIB);
		buf__done(&packed);
		buf__done(&plain);
	}
	free(zeros);
}

static void a_file_cut_short_or_damaged_is_refused(void **state)
{
	char *bytes = noise(100000);
	struct buf packed, plain;

	(void)state;
	for (int zstd = 0; zstd < 2; zstd++) {
		buf__init(&packed, MIB);
		buf__init(&plain, MIB);
		pack(zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP, bytes, 100000, &packed);
		for (size_t cut = 4; cut < packed.len; cut += 997) {
			buf__clear(&plain);
			assert_int_equal(decompress(packed.data, cut, MIB, &plain), -EBADMSG);
		}
		buf__clear(&plain);
		packed.data[packed.len / 2] ^= 0x10;
		assert_int_equal(decompress(packed.data, packed.len, MIB, &plain), -EBADMSG);
		buf__done(&packed);
		buf__done(&plain);
	}
	free(bytes);
}

static void members_one_after_the_other_are_one_file(void **state)
{
	struct buf packed, plain;

	(void)state;
	for (int zstd = 0; zstd < 2; zstd++) {
		enum compression kind = zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP;

		buf__init(&packed, MIB);
		buf__init(&plain, MIB);
		pack(kind, "first ", 6, &packed);
		pack(kind, "second", 6, &packed);
		assert_int_equal(decompress(packed.data, packed.len, 12, &plain), 0);
		assert_string_equal(buf__str(&plain), "first second");
		buf__clear(&plain);
		assert_int_equal(decompress(packed.data, packed.len, 11, &plain), -E2BIG);
		buf__done(&packed);
		buf__done(&plain);
	}
}

static void output_past_the_buffers_limit_is_an_error_at_finish(void **state)
{
	static const enum compression kinds[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_NONE};
	char *bytes = noise(300000);

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct compressor *c;
		struct buf packed;

		buf__init(&packed, 100000);
		assert_int_equal(compressor__new(kinds[k], 0, &packed, &c), 0);
		compressor__write(c, bytes, 300000);
		assert_int_equal(compressor__finish(c), -E2BIG);
		compressor__free(c);
		buf__done(&packed);
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_comes_back_whole),
		cmocka_unit_test(a_bomb_stops_at_the_limit),
		cmocka_unit_test(a_file_cut_short_or_damaged_is_refused),
		cmocka_unit_test(members_one_after_the_other_are_one_file),
		cmocka_unit_test(output_past_the_buffers_limit_is_an_error_at_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
