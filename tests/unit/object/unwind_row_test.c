// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/object/unwind_row.h"

#define ROWS_MAX 64

/* What a list means, address by address. */
struct meaning {
	uint8_t cfa[ROW_PAGE_SIZE];
};

static struct unwind_row storage[3][ROWS_MAX];
static struct meaning wanted, found, other;

static struct row_list new_list(int i)
{
	return (struct row_list){.rows = storage[i], .max = ROWS_MAX};
}

static void read_meaning(const struct row_list *l, struct meaning *m)
{
	for (uint32_t pc = 0; pc < ROW_PAGE_SIZE; pc++)
		m->cfa[pc] = unwind_row__find(l->rows, l->n, pc)->cfa;
	for (uint32_t i = 1; i < l->n; i++) {
		assert_true(l->rows[i].pc > l->rows[i - 1].pc);
		assert_true(l->rows[i].cfa != l->rows[i - 1].cfa);
	}
	assert_int_equal(l->rows[0].pc, 0);
}

/* Some rows at addresses and of kinds that repeat from run to run. */
static struct row_list random_list(int which, unsigned int *seed)
{
	struct row_list l = new_list(which);
	uint32_t pc = 0;

	while (pc < ROW_PAGE_SIZE && l.n < ROWS_MAX / 2) {
		row_list__append(&l, pc, unwind_row__of(ROW_CFA_SIGNAL + rand_r(seed) % 4));
		pc += 1 + (rand_r(seed) % 8 ? rand_r(seed) % 5000 : 0);
	}
	return l;
}

static void appending_merges_neighbours_and_replaces_the_last(void **state)
{
	struct row_list l = new_list(0);

	(void)state;
	row_list__append(&l, 0, unwind_row__of(ROW_CFA_NONE));
	row_list__append(&l, 0, unwind_row__of(ROW_CFA_END));
	row_list__append(&l, 5, unwind_row__of(ROW_CFA_END));
	row_list__append(&l, 9, unwind_row__of(ROW_CFA_SIGNAL));
	row_list__append(&l, 9, unwind_row__of(ROW_CFA_END));
	assert_int_equal(l.n, 1);
	assert_int_equal(l.rows[0].cfa, ROW_CFA_END);
	l.max = 1;
	row_list__append(&l, 10, unwind_row__of(ROW_CFA_NONE));
	assert_true(l.full);
	assert_int_equal(l.n, 1);
}

static void painting_changes_exactly_the_addresses_meant(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int run = 0; run < 300; run++) {
		struct row_list l = random_list(0, &seed);
		uint32_t from = rand_r(&seed) % ROW_PAGE_SIZE,
			 to = from + rand_r(&seed) % (ROW_PAGE_SIZE - from + 1);
		uint8_t only = rand_r(&seed) % 2 ? ROW_OVER_ALL : ROW_CFA_NONE;

		read_meaning(&l, &wanted);
		for (uint32_t pc = from; pc < to; pc++)
			if (only == ROW_OVER_ALL || wanted.cfa[pc] == only)
				wanted.cfa[pc] = ROW_CFA_PLT;
		row_list__paint(&l, from, to, unwind_row__of(ROW_CFA_PLT), only);
		assert_false(l.full);
		read_meaning(&l, &found);
		assert_memory_equal(&wanted, &found, sizeof(found));
	}
}

static void painting_a_full_list_says_so_and_keeps_it_sound(void **state)
{
	struct row_list l = new_list(0);

	(void)state;
	row_list__append(&l, 0, unwind_row__of(ROW_CFA_NONE));
	l.max = 2;
	row_list__paint(&l, 10, 20, unwind_row__of(ROW_CFA_END), ROW_OVER_ALL);
	assert_true(l.full);
	assert_true(l.n <= 2);
}

static void holes_are_filled_and_nothing_else(void **state)
{
	unsigned int seed = 2;

	(void)state;
	for (int run = 0; run < 300; run++) {
		struct row_list base = random_list(0, &seed), filler = random_list(1, &seed),
				to = new_list(2);

		read_meaning(&base, &wanted);
		read_meaning(&filler, &other);
		for (uint32_t pc = 0; pc < ROW_PAGE_SIZE; pc++)
			if (wanted.cfa[pc] == ROW_CFA_NONE)
				wanted.cfa[pc] = other.cfa[pc];
		row_list__fill_holes(&to, &base, &filler, ROW_CFA_NONE);
		read_meaning(&to, &found);
		assert_memory_equal(&wanted, &found, sizeof(found));
	}
}

static void finding_before_the_first_row_finds_none(void **state)
{
	static const struct unwind_row rows[] = {{.pc = 5, .cfa = ROW_CFA_END}};

	(void)state;
	assert_null(unwind_row__find(rows, 1, 4));
	assert_null(unwind_row__find(rows, 0, 4));
	assert_ptr_equal(unwind_row__find(rows, 1, 5), rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appending_merges_neighbours_and_replaces_the_last),
		cmocka_unit_test(painting_changes_exactly_the_addresses_meant),
		cmocka_unit_test(painting_a_full_list_says_so_and_keeps_it_sound),
		cmocka_unit_test(holes_are_filled_and_nothing_else),
		cmocka_unit_test(finding_before_the_first_row_finds_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
