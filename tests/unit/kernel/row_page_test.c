// SPDX-License-Identifier: Apache-2.0
/* Pages as they lie in the kernel: every address of a page finds the row that a plain search of the rows finds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/kernel/row_page.h"

struct memory {
	struct row_cells cells;
	struct unwind_row rows[ROW_PAGE_SIZE];
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct memory));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void assert_all_found(const struct memory *m, uint32_t first, const struct row_page_size *size,
			     uint32_t n)
{
	uint32_t at = 0;

	for (uint32_t pc = 0; pc < ROW_PAGE_SIZE; pc++) {
		struct unwind_row want, got = {};

		while (at + 1 < n && m->rows[at + 1].pc <= pc)
			at++;
		want = m->rows[at];
		row_page__find(&m->cells, first, size->rows, (uint16_t)pc, &got);
		assert_true(got.pc <= pc);
		want.pc = got.pc = 0; /* of rows that say the same, the first is kept */
		assert_memory_equal(&got, &want, sizeof(want));
	}
}

/* Rows as a linear congruence has them: gap is the mean distance, rules how many differ. */
static uint32_t make(struct memory *m, uint32_t gap, uint32_t rules, uint32_t seed)
{
	uint32_t n = 0;

	for (uint32_t pc = 0; pc < ROW_PAGE_SIZE; n++) {
		uint32_t rule = (seed >> 8) % rules;

		m->rows[n] = (struct unwind_row){.pc = (uint16_t)pc,
						 .cfa = (uint8_t)(rule * 7),
						 .saved = (uint8_t)(rule >> 3),
						 .cfa_off = (int16_t)(rule - 3),
						 .fp_off = (int16_t)(-5 - (int)rule)};
		seed = seed * 1664525 + 1013904223;
		pc += 1 + (seed >> 16) % (2 * gap - 1);
	}
	return n;
}

static void every_address_has_its_row(void **state)
{
	static const uint32_t gaps[] = {1, 2, 7, 30, 50, 400, 1024, 5000, 32768},
			      rules[] = {1, 2, 40, 600, 30000};
	struct memory *m = *state;

	for (size_t g = 0; g < sizeof(gaps) / sizeof(*gaps); g++) {
		for (size_t r = 0; r < sizeof(rules) / sizeof(*rules); r++) {
			uint32_t n = make(m, gaps[g], rules[r], (uint32_t)(g * 31 + r)),
				 first = (uint32_t)r * ROW_PAGE_ALIGN;
			struct row_page_size size;
			int err = row_page__pack(m->rows, n, m->cells.cells + first,
						 ROW_SEGMENT_CELLS - first, &size);

			/* a row a byte, each with a rule of its own: nothing that a compiler makes */
			assert_int_equal(err, gaps[g] == 1 && rules[r] == 30000 ? -E2BIG : 0);
			if (!err)
				assert_all_found(m, first, &size, n);
		}
	}
}

static void a_page_of_code_takes_less_than_five_bytes_a_row(void **state)
{
	struct memory *m = *state;
	uint32_t n = make(m, 50, 60, 1);
	struct row_page_size size;

	assert_int_equal(row_page__pack(m->rows, n, m->cells.cells, ROW_SEGMENT_CELLS, &size), 0);
	assert_true(size.cells * 4 < size.rows * 5);
	assert_int_equal(size.cells % ROW_PAGE_ALIGN, 0);
}

static void only_what_fits_is_packed(void **state)
{
	struct memory *m = *state;
	uint32_t n = make(m, 700, 5, 1);
	struct row_page_size size, again;

	assert_int_equal(row_page__pack(m->rows, n, m->cells.cells, ROW_SEGMENT_CELLS, &size), 0);
	for (uint32_t max = 0; max < size.cells - ROW_PAGE_ALIGN; max++) {
		memset(&m->cells, 0, sizeof(uint32_t) * 4096);
		m->cells.cells[max] = 4711;
		assert_int_equal(row_page__pack(m->rows, n, m->cells.cells, max, &again), -E2BIG);
		assert_int_equal(m->cells.cells[max], 4711);
	}
}

static void rows_that_no_search_could_use_are_refused(void **state)
{
	struct memory *m = *state;
	struct row_page_size size;

	m->rows[0].pc = 4;
	assert_int_equal(row_page__pack(m->rows, 1, m->cells.cells, ROW_SEGMENT_CELLS, &size), -EINVAL);
	m->rows[0].pc = 0;
	assert_int_equal(row_page__pack(m->rows, 0, m->cells.cells, ROW_SEGMENT_CELLS, &size), -EINVAL);
	m->rows[1].pc = 8;
	m->rows[2].pc = 8;
	assert_int_equal(row_page__pack(m->rows, 3, m->cells.cells, ROW_SEGMENT_CELLS, &size), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_address_has_its_row),
		TEST(a_page_of_code_takes_less_than_five_bytes_a_row),
		TEST(only_what_fits_is_packed),
		TEST(rows_that_no_search_could_use_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
