// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "user/base/arena.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
	enum { N = 5000 };
	static uint8_t *pieces[N];
	struct arena a;

	(void)state;
	arena__init(&a, 16 << 20);
	for (int i = 0; i < N; i++) {
		size_t size = (size_t)(i % 97 + 1);

		pieces[i] = arena__alloc(&a, size);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		for (size_t k = 0; k < size; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], i & 0xff, size);
	}
	for (int i = 0; i < N; i++)
		for (int k = 0; k < i % 97 + 1; k++)
			assert_int_equal(pieces[i][k], i & 0xff);
	arena__done(&a);
	assert_int_equal(a.used_bytes, 0);
}

static void limit_counts_what_the_system_was_asked_for(void **state)
{
	size_t got = 0;
	struct arena a;

	(void)state;
	arena__init(&a, 100000);
	while (arena__alloc(&a, 48))
		got += 48;
	assert_true(a.used_bytes <= 100000);
	/* and the limit can be used up to a small rest */
	assert_true(got > 98000);
	arena__done(&a);
}

static void large_piece_does_not_waste_the_current_chunk(void **state)
{
	struct arena a;
	char *first, *second;

	(void)state;
	arena__init(&a, 16 << 20);
	first = arena__alloc(&a, 16);
	assert_non_null(arena__alloc(&a, 1 << 20));
	second = arena__alloc(&a, 16);
	assert_ptr_equal(second, first + 16);
	assert_true(a.used_bytes < (1 << 20) + 8192);
	arena__done(&a);
}

static void overhead_of_a_single_piece_is_bounded(void **state)
{
	(void)state;
	for (size_t size = 1; size < 100; size++) {
		struct arena a;

		arena__init(&a, size + ARENA_OVERHEAD_BYTES);
		assert_non_null(arena__alloc(&a, size));
		arena__done(&a);
	}
}

static void absurd_sizes_are_refused(void **state)
{
	struct arena a;

	(void)state;
	arena__init(&a, SIZE_MAX);
	assert_null(arena__alloc(&a, SIZE_MAX));
	assert_null(arena__alloc(&a, SIZE_MAX - 15));
	assert_null(arena__strndup(&a, "", SIZE_MAX));
	assert_non_null(arena__alloc(&a, 0));
	arena__done(&a);
	arena__done(NULL);
}

static void strndup_takes_just_that_many_bytes(void **state)
{
	struct arena a;

	(void)state;
	arena__init(&a, 1 << 16);
	assert_string_equal(arena__strndup(&a, "symbol@@GLIBC", 6), "symbol");
	assert_string_equal(arena__strndup(&a, "", 0), "");
	arena__done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(limit_counts_what_the_system_was_asked_for),
		cmocka_unit_test(large_piece_does_not_waste_the_current_chunk),
		cmocka_unit_test(overhead_of_a_single_piece_is_bounded),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(strndup_takes_just_that_many_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
