// SPDX-License-Identifier: Apache-2.0
/* Every place of every small table, held against counting one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/base/bisect.h"

#define N 40

struct entry {
	uint64_t start;
};

/* Sorted, with some that are equal, and up to the largest address. */
static void fill(struct entry *entries, uint32_t n)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		entries[i].start = at;
		at += (uint64_t)(rand() % 3) << (rand() % 2 ? 0 : 40);
	}
	if (n && rand() % 2)
		entries[n - 1].start = UINT64_MAX;
}

static void counts_what_one_by_one_does(void **state)
{
	struct entry entries[N];

	(void)state;
	srand(7);
	for (uint32_t n = 0; n <= N; n++) {
		fill(entries, n);
		for (uint32_t k = 0; k <= 3 * n; k++) {
			uint64_t x = n ? entries[k % n].start + k / n - 1 : 5;
			uint32_t up_to = 0, before = 0;

			for (uint32_t i = 0; i < n; i++) {
				up_to += entries[i].start <= x;
				before += entries[i].start < x;
			}
			assert_int_equal(bisect__count(n, i, entries[i].start <= x), up_to);
			assert_int_equal(bisect__count(n, i, entries[i].start < x), before);
		}
	}
}

static void nothing_is_looked_at_where_there_is_nothing(void **state)
{
	const struct entry *none = NULL;
	int n_looks = 0;

	(void)state;
	assert_int_equal(bisect__count(0, i, (n_looks++, none[i].start <= 1)), 0);
	assert_int_equal(n_looks, 0);
}

/* Of a thousand, ten looks. */
static void each_look_halves_what_is_left(void **state)
{
	(void)state;
	for (uint64_t x = 0; x <= 1000; x++) {
		int n_looks = 0;

		assert_int_equal(bisect__count(1000, i, (n_looks++, i < x)), x);
		assert_true(n_looks <= 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_what_one_by_one_does),
		cmocka_unit_test(nothing_is_looked_at_where_there_is_nothing),
		cmocka_unit_test(each_look_halves_what_is_left),
	};

	return cmocka_run_group_tests_name("bisect", tests, NULL, NULL);
}
