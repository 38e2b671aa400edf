// SPDX-License-Identifier: Apache-2.0
/*
 * Rows as the kernel would find them: pages and segments are real maps, read back by system calls.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/kernel/row_maps_here.h"
#include "user/kernel/loader.h"
#include "user/kernel/row_store.h"

#define SEGMENTS_HERE 8
#define PAGE(n)       ((uint64_t)(n) << ROW_PAGE_BITS)
/* Rows of a page of which two fill a segment, index and rules included. */
#define HALF (ROW_SEGMENT_CELLS / 2 - ROW_INDEX_CELLS - 2 * ROW_PAGE_ALIGN)

struct memory {
	struct kernel_maps maps;
	struct gate gate;
	struct row_store *store;
	struct unwind_row *rows; /* [ROW_PAGE_SIZE] */
	struct row_cells *cells; /* a segment as the kernel has it */
};

static int setup(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	row_maps_here__open(&m->maps, &m->gate);
	m->rows = calloc(ROW_PAGE_SIZE, sizeof(*m->rows));
	m->cells = malloc(sizeof(*m->cells));
	assert_non_null(m->rows);
	assert_non_null(m->cells);
	assert_int_equal(row_store__new(&m->maps, SEGMENTS_HERE, &m->store), 0);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct memory *m = *state;

	row_store__free(m->store);
	row_maps_here__close(&m->maps);
	free(m->rows);
	free(m->cells);
	free(m);
	return 0;
}

static struct row_store_stats stats(const struct memory *m)
{
	struct row_store_stats s;

	row_store__stats(m->store, &s);
	return s;
}

static struct unwind_row row_of(uint32_t object, uint64_t page, uint32_t i)
{
	return (struct unwind_row){.pc = (uint16_t)i,
				   .cfa = ROW_REG_RSP,
				   .saved = i & 1,
				   .cfa_off = (int16_t)object,
				   .fp_off = (int16_t)page};
}

static int push(struct memory *m, uint32_t object, uint64_t page, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		m->rows[i] = row_of(object, page, i);
	return row_store__push(m->store, object, PAGE(page) + 0x1234, m->rows, n);
}

/* What a walk would find: -1 no page, else the number of rows, some of which are looked at. */
static int64_t see(const struct memory *m, uint32_t object, uint64_t page)
{
	uint64_t key = row_page_key(object, PAGE(page));
	uint32_t segment_id, zero = 0;
	struct row_page p;
	int segment;

	if (bpf_map_lookup_elem(m->maps.row_pages_fd, &key, &p))
		return -1;
	if (!p.count)
		return 0;
	assert_int_equal(bpf_map_lookup_elem(m->maps.row_segments_fd, &p.segment, &segment_id), 0);
	segment = bpf_map_get_fd_by_id(segment_id);
	assert_true(segment >= 0);
	assert_int_equal(bpf_map_lookup_elem(segment, &zero, m->cells), 0);
	for (uint32_t i = 0; i < p.count; i += i < 5000 || i > p.count - 50 ? 1 : 37) {
		struct unwind_row want = row_of(object, page, i), got = {};

		row_page__find(m->cells, p.first, p.count, (uint16_t)i, &got);
		assert_memory_equal(&got, &want, sizeof(want));
	}
	close(segment);
	return p.count;
}

static bool is_here(const struct memory *m, uint32_t object, uint64_t page)
{
	struct unwind_row row;
	int err = row_store__find(m->store, object, PAGE(page), &row);

	assert_true(err == 0 || err == -ENOENT);
	return !err;
}

static void assert_found(const struct memory *m, uint32_t object, uint64_t page, uint32_t n)
{
	struct unwind_row want, got;

	for (uint32_t i = 0; i < n; i++) {
		want = row_of(object, page, i);
		assert_int_equal(row_store__find(m->store, object, PAGE(page) + i, &got), 0);
		assert_memory_equal(&got, &want, sizeof(want));
	}
	assert_int_equal(row_store__find(m->store, object, PAGE(page) + 0xffff, &got), 0);
	want = n ? row_of(object, page, n - 1) : (struct unwind_row){.cfa = ROW_CFA_NONE};
	assert_memory_equal(&got, &want, sizeof(want));
	assert_int_equal(see(m, object, page), n);
}

static void a_page_is_found_here_and_in_the_kernel(void **state)
{
	struct memory *m = *state;

	assert_int_equal(push(m, 1, 0, 100), 0);
	assert_int_equal(push(m, 1, 1, 1), 0);
	assert_int_equal(push(m, 2, 0, 7), 0);
	assert_found(m, 1, 0, 100);
	assert_found(m, 1, 1, 1);
	assert_found(m, 2, 0, 7);
	assert_false(is_here(m, 2, 1));
	assert_int_equal(see(m, 2, 1), -1);
	assert_int_equal(stats(m).pages, 3);
	assert_int_equal(stats(m).rows, 108);
	assert_int_equal(stats(m).segments, 1);
}

static void a_page_without_rows_is_known_to_have_none(void **state)
{
	struct memory *m = *state;

	assert_int_equal(push(m, 3, 9, 0), 0);
	assert_found(m, 3, 9, 0);
}

static void a_page_is_pushed_once(void **state)
{
	struct memory *m = *state;

	assert_int_equal(push(m, 1, 0, 10), 0);
	assert_int_equal(push(m, 1, 0, 20), -EEXIST);
	assert_found(m, 1, 0, 10);
}

static void a_page_never_straddles_two_segments(void **state)
{
	struct memory *m = *state;

	assert_int_equal(push(m, 1, 0, HALF), 0);
	assert_int_equal(push(m, 1, 1, HALF), 0);
	assert_int_equal(stats(m).segments, 1);
	assert_int_equal(push(m, 1, 2, 30), 0); /* for that there is no room left */
	assert_int_equal(stats(m).segments, 2);
	assert_found(m, 1, 0, HALF);
	assert_found(m, 1, 1, HALF);
	assert_found(m, 1, 2, 30);
}

static void a_page_larger_than_a_segment_is_refused(void **state)
{
	struct memory *m = *state;

	/* the others are left where they are: all segments are in use */
	for (uint32_t page = 2; page < 2 + 2 * SEGMENTS_HERE; page++)
		assert_int_equal(push(m, 1, page, HALF), 0);
	for (uint32_t i = 0; i < ROW_PAGE_SIZE; i++)
		m->rows[i] = (struct unwind_row){.pc = (uint16_t)i,
						 .cfa_off = (int16_t)i}; /* each with a rule of its own */
	assert_int_equal(row_store__push(m->store, 1, 0, m->rows, ROW_PAGE_SIZE), -E2BIG);
	assert_int_equal(see(m, 1, 0), -1);
	assert_int_equal(stats(m).pages, 2 * SEGMENTS_HERE);
	assert_int_equal(stats(m).pages_evicted, 0);
	assert_int_equal(push(m, 1, 1, 10), 0);
	assert_found(m, 1, 1, 10);
}

static void rows_that_say_the_same_are_kept_once(void **state)
{
	struct memory *m = *state;
	struct unwind_row got;

	for (uint32_t i = 0; i < 10; i++)
		m->rows[i] = (struct unwind_row){.pc = (uint16_t)(i * 100), .cfa_off = (int16_t)(i / 5)};
	assert_int_equal(row_store__push(m->store, 1, 0, m->rows, 10), 0);
	assert_int_equal(stats(m).rows, 2);
	assert_int_equal(row_store__find(m->store, 1, 499, &got), 0);
	assert_int_equal(got.cfa_off, 0);
	assert_int_equal(row_store__find(m->store, 1, 500, &got), 0);
	assert_int_equal(got.cfa_off, 1);
}

static void the_oldest_segment_goes_when_all_are_full(void **state)
{
	struct memory *m = *state;

	/* two pages fill a segment */
	for (uint32_t page = 0; page < 2 * SEGMENTS_HERE; page++)
		assert_int_equal(push(m, 1, page, HALF), 0);
	assert_int_equal(stats(m).segments, SEGMENTS_HERE);
	assert_int_equal(stats(m).pages_evicted, 0);
	assert_int_equal(push(m, 1, 100, 5), 0);
	assert_int_equal(stats(m).pages_evicted, 2);
	assert_int_equal(stats(m).segments, SEGMENTS_HERE);
	for (uint32_t page = 0; page < 2; page++) {
		assert_false(is_here(m, 1, page));
		assert_int_equal(see(m, 1, page), -1);
	}
	for (uint32_t page = 2; page < 2 * SEGMENTS_HERE; page++)
		assert_int_equal(see(m, 1, page), HALF);
	assert_found(m, 1, 100, 5);
	/* what is still walked comes back */
	assert_int_equal(push(m, 1, 0, HALF), 0);
	assert_found(m, 1, 0, HALF);
}

static void pages_without_rows_have_a_limit_too(void **state)
{
	struct memory *m = *state;

	for (uint32_t page = 0; page < ROW_PAGES_MAX + 10; page++)
		assert_int_equal(push(m, 1, page, 0), 0);
	assert_true(stats(m).pages < ROW_PAGES_MAX);
	assert_true(stats(m).pages_evicted > 0);
	assert_found(m, 1, ROW_PAGES_MAX + 9, 0);
}

static void a_forgotten_object_is_nowhere(void **state)
{
	struct memory *m = *state;

	for (uint32_t page = 0; page < 10; page++) {
		assert_int_equal(push(m, 1, page, 3), 0);
		assert_int_equal(push(m, 2, page, 4), 0);
	}
	row_store__forget(m->store, 1);
	for (uint32_t page = 0; page < 10; page++) {
		assert_false(is_here(m, 1, page));
		assert_int_equal(see(m, 1, page), -1);
		assert_found(m, 2, page, 4);
	}
	assert_int_equal(stats(m).pages, 10);
	assert_int_equal(stats(m).rows, 40);
	/* and its slots are used again */
	for (uint32_t page = 0; page < 10; page++)
		assert_int_equal(push(m, 3, page, 5), 0);
	assert_found(m, 3, 9, 5);
}

static void shrinking_gives_segments_back(void **state)
{
	struct memory *m = *state;
	uint32_t last = 3, value;

	for (uint32_t page = 0; page < 8; page++)
		assert_int_equal(push(m, 1, page, HALF), 0);
	assert_int_equal(stats(m).segments, 4);
	assert_int_equal(row_store__shrink(m->store, 2), 2 * ROW_SEGMENT_BYTES);
	assert_int_equal(stats(m).segments, 2);
	assert_int_equal(stats(m).pages, 4);
	assert_int_equal(see(m, 1, 0), HALF);
	assert_int_equal(see(m, 1, 7), -1);
	assert_false(is_here(m, 1, 7));
	assert_int_not_equal(bpf_map_lookup_elem(m->maps.row_segments_fd, &last, &value), 0);
	/* it goes on within the new limit */
	for (uint32_t page = 10; page < 20; page++) {
		assert_int_equal(push(m, 1, page, HALF), 0);
		assert_found(m, 1, page, HALF);
	}
	assert_int_equal(stats(m).segments, 2);
}

static void a_limit_past_what_there_is_room_for_is_lowered(void **state)
{
	struct memory *m = *state;

	assert_int_equal(row_store__shrink(m->store, ROW_SEGMENTS_MAX + 1000), 0);
	/* more segments than there are places for: the last ones take those of the first */
	for (uint32_t page = 0; page < 2 * (ROW_SEGMENTS_MAX + 2); page++)
		assert_int_equal(push(m, 1, page, HALF), 0);
	assert_int_equal(stats(m).segments, ROW_SEGMENTS_MAX);
	assert_int_equal(stats(m).pages_evicted, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_is_found_here_and_in_the_kernel),
		TEST(a_page_without_rows_is_known_to_have_none),
		TEST(a_page_is_pushed_once),
		TEST(a_page_never_straddles_two_segments),
		TEST(a_page_larger_than_a_segment_is_refused),
		TEST(rows_that_say_the_same_are_kept_once),
		TEST(the_oldest_segment_goes_when_all_are_full),
		TEST(pages_without_rows_have_a_limit_too),
		TEST(a_forgotten_object_is_nowhere),
		TEST(shrinking_gives_segments_back),
		TEST(a_limit_past_what_there_is_room_for_is_lowered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
