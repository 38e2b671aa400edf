// SPDX-License-Identifier: Apache-2.0
/* How often a page is built: maps are real ones, rows come from a function of the test, as those of a JVM's code do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/code_pages.h"
#include "tests/unit/kernel/row_maps_here.h"
#include "user/kernel/loader.h"
#include "user/kernel/tables.h"

#define OBJECT  CODE_PAGES_FIRST
#define PAGE(n) ((uint64_t)(n) << ROW_PAGE_BITS)

struct world {
	struct kernel_maps maps;
	struct gate gate;
	struct tables *tables;
	uint32_t n_rows, n_built;
};

/* Each row has a rule of its own. */
static int on_build(void *ctx, uint32_t object, uint64_t vaddr, struct unwind_row *rows, uint32_t max,
		    uint32_t *ret_n)
{
	struct world *w = ctx;

	(void)object, (void)vaddr;
	assert_true(w->n_rows <= max);
	for (uint32_t i = 0; i < w->n_rows; i++)
		rows[i] = (struct unwind_row){
			.pc = (uint16_t)i, .cfa = ROW_REG_RSP, .cfa_off = (int16_t)i, .fp_off = 8};
	*ret_n = w->n_rows;
	w->n_built++;
	return 0;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	row_maps_here__open(&w->maps, &w->gate);
	assert_int_equal(tables__new(&w->maps, NULL, 2, &w->tables), 0);
	tables__set_build(w->tables, on_build, w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	tables__free(w->tables);
	row_maps_here__close(&w->maps);
	free(w);
	return 0;
}

static void a_page_is_built_once(void **state)
{
	struct world *w = *state;
	struct unwind_row row;

	w->n_rows = 100;
	for (int i = 0; i < 3; i++) {
		tables__row(w->tables, OBJECT, PAGE(7) + 40, &row);
		assert_int_equal(row.cfa_off, 40);
	}
	assert_int_equal(w->n_built, 1);
}

/* Nor does it cost the other pages their place. */
static void a_page_of_too_many_rows_is_built_once(void **state)
{
	struct world *w = *state;
	struct tables_stats stats;
	struct unwind_row row;

	w->n_rows = 40000; /* all of a segment, and once more */
	tables__row(w->tables, OBJECT, PAGE(0), &row);
	tables__row(w->tables, OBJECT, PAGE(1), &row);
	w->n_rows = ROW_PAGE_SIZE;
	for (uint32_t i = 0; i < 10; i++)
		tables__row(w->tables, OBJECT, PAGE(2 + i % 2), &row);
	assert_int_equal(w->n_built, 4);
	assert_true(tables__has(w->tables, OBJECT, PAGE(0)) && tables__has(w->tables, OBJECT, PAGE(1)));
	tables__stats(w->tables, &stats);
	assert_int_equal(stats.store.pages_evicted, 0);
	/* its stacks go by frame pointers */
	assert_int_equal(row.cfa, ROW_CFA_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_page_is_built_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_page_of_too_many_rows_is_built_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
