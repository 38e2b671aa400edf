/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/runtime/overlay.h"

static void latest_range_owns_what_it_covers(void **state)
{
	/* the drawing in overlay.c */
	const struct overlay_range ranges[] = {{100, 13, 0}, {104, 6, 0}, {111, 6, 0}};
	struct overlay_piece *pieces = NULL;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(overlay__build(ranges, 3, &pieces, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(overlay__find(pieces, n, 99), OVERLAY_NONE);
	assert_int_equal(overlay__find(pieces, n, 100), 0);
	assert_int_equal(overlay__find(pieces, n, 104), 1);
	assert_int_equal(overlay__find(pieces, n, 109), 1);
	assert_int_equal(overlay__find(pieces, n, 110), 0);
	assert_int_equal(overlay__find(pieces, n, 111), 2);
	assert_int_equal(overlay__find(pieces, n, 116), 2);
	assert_int_equal(overlay__find(pieces, n, 117), OVERLAY_NONE);
	free(pieces);
}

static void no_ranges_own_nothing(void **state)
{
	struct overlay_piece *pieces = NULL;
	uint32_t n = 7;

	(void)state;
	assert_int_equal(overlay__build(NULL, 0, &pieces, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(overlay__find(pieces, n, 0), OVERLAY_NONE);
	free(pieces);
}

static void range_at_the_end_of_the_address_space_is_found(void **state)
{
	const struct overlay_range ranges[] = {{UINT64_MAX - 16, 16, 0}};
	struct overlay_piece *pieces = NULL;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(overlay__build(ranges, 1, &pieces, &n), 0);
	assert_int_equal(overlay__find(pieces, n, UINT64_MAX - 1), 0);
	assert_int_equal(overlay__find(pieces, n, UINT64_MAX), OVERLAY_NONE);
	free(pieces);
}

/* Every address of a small space against the definition: the highest index that covers it. */
static void random_ranges_agree_with_the_definition(void **state)
{
	enum { SPACE = 256, RANGES = 40, ROUNDS = 500 };
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct overlay_range ranges[RANGES];
		struct overlay_piece *pieces = NULL;
		uint32_t n_ranges, n = 0;

		seed = seed * 1103515245u + 12345u;
		n_ranges = (seed >> 16) % RANGES;
		for (uint32_t i = 0; i < n_ranges; i++) {
			seed = seed * 1103515245u + 12345u;
			ranges[i].start = (seed >> 8) % SPACE;
			ranges[i].size = 1 + (seed >> 20) % 60;
			ranges[i].payload = 0;
		}
		assert_int_equal(overlay__build(ranges, n_ranges, &pieces, &n), 0);
		assert_true(n <= 2 * n_ranges);
		for (uint64_t addr = 0; addr < SPACE + 64; addr++) {
			uint32_t want = OVERLAY_NONE;

			for (uint32_t i = 0; i < n_ranges; i++)
				if (addr >= ranges[i].start && addr - ranges[i].start < ranges[i].size)
					want = i;
			assert_int_equal(overlay__find(pieces, n, addr), want);
		}
		free(pieces);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latest_range_owns_what_it_covers),
		cmocka_unit_test(no_ranges_own_nothing),
		cmocka_unit_test(range_at_the_end_of_the_address_space_is_found),
		cmocka_unit_test(random_ranges_agree_with_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
