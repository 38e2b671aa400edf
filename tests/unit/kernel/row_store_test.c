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

#include "tests/unit/kernel/bpf_here.h"
#include "user/kernel/loader.h"
#include "user/kernel/row_store.h"

#define SEGMENTS_HERE 8
#define PAGE(n)       ((uint64_t)(n) << ROW_PAGE_BITS)

struct memory {
	struct kernel_maps maps;
	struct row_store *store;
	struct unwind_row *rows; /* [ROW_PAGE_SIZE] */
};

static int setup(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, mapped, .map_flags = BPF_F_MMAPABLE);
	LIBBPF_OPTS(bpf_map_create_opts, outer);
	struct memory *m = calloc(1, sizeof(*m));
	int inner;

	assert_non_null(m);
	inner = bpf_here__map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(uint64_t), ROW_SEGMENT_ROWS,
			      &mapped);
	outer.inner_map_fd = (uint32_t)inner;
	m->maps.row_segments_fd = bpf_here__map(BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(uint32_t),
						sizeof(uint32_t), ROW_SEGMENTS_MAX, &outer);
	close(inner);
	m->maps.row_pages_fd = bpf_here__map(BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct row_page),
					     ROW_PAGES_MAX, NULL);
	m->rows = calloc(ROW_PAGE_SIZE, sizeof(*m->rows));
	assert_non_null(m->rows);
	assert_int_equal(row_store__new(&m->maps, SEGMENTS_HERE, &m->store), 0);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct memory *m = *state;

	row_store__free(m->store);
	close(m->maps.row_pages_fd);
	close(m->maps.row_segments_fd);
	free(m->rows);
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
	return (struct unwind_row){
		.pc = (uint16_t)i, .cfa = ROW_REG_RSP, .cfa_off = (int16_t)object, .fp_off = (int16_t)page};
}

static int push(struct memory *m, uint32_t object, uint64_t page, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		m->rows[i] = row_of(object, page, i);
	return row_store__push(m->store, object, PAGE(page) + 0x1234, m->rows, n);
}

/* What a walk would find: -1 no page, else the number of rows, whose first and last are looked at. */
static int64_t see(const struct memory *m, uint32_t object, uint64_t page)
{
	uint64_t key = row_page_key(object, PAGE(page)), bits;
	struct unwind_row want, got;
	uint32_t segment_id, at;
	struct row_page p;
	int segment;

	if (bpf_map_lookup_elem(m->maps.row_pages_fd, &key, &p))
		return -1;
	if (!p.count)
		return 0;
	assert_int_equal(bpf_map_lookup_elem(m->maps.row_segments_fd, &p.segment, &segment_id), 0);
	segment = bpf_map_get_fd_by_id(segment_id);
	assert_true(segment >= 0);
	for (uint32_t i = 0; i < 2; i++) {
		at = i ? p.count - 1 : 0;
		want = row_of(object, page, at);
		at += p.first;
		assert_int_equal(bpf_map_lookup_elem(segment, &at, &bits), 0);
		memcpy(&got, &bits, sizeof(got));
		assert_memory_equal(&got, &want, sizeof(want));
	}
	close(segment);
	return p.count;
}

static void assert_found(const struct memory *m, uint32_t object, uint64_t page, uint32_t n)
{
	const struct unwind_row *rows = NULL;
	uint32_t got = 0;

	assert_int_equal(row_store__find(m->store, object, PAGE(page) + 0xffff, &rows, &got), 0);
	assert_int_equal(got, n);
	for (uint32_t i = 0; i < n; i++) {
		struct unwind_row want = row_of(object, page, i);

		assert_memory_equal(&rows[i], &want, sizeof(want));
	}
	assert_int_equal(see(m, object, page), n);
}

static void a_page_is_found_here_and_in_the_kernel(void **state)
{
	const struct unwind_row *rows;
	struct memory *m = *state;
	uint32_t n;

	assert_int_equal(push(m, 1, 0, 100), 0);
	assert_int_equal(push(m, 1, 1, 1), 0);
	assert_int_equal(push(m, 2, 0, 7), 0);
	assert_found(m, 1, 0, 100);
	assert_found(m, 1, 1, 1);
	assert_found(m, 2, 0, 7);
	assert_int_equal(row_store__find(m->store, 2, PAGE(1), &rows, &n), -ENOENT);
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

	assert_int_equal(push(m, 1, 0, ROW_PAGE_SIZE), 0);
	assert_int_equal(push(m, 1, 1, ROW_PAGE_SIZE - 1), 0);
	assert_int_equal(push(m, 1, 2, 2), 0); /* one row is left in the first */
	assert_int_equal(stats(m).segments, 2);
	assert_found(m, 1, 0, ROW_PAGE_SIZE);
	assert_found(m, 1, 1, ROW_PAGE_SIZE - 1);
	assert_found(m, 1, 2, 2);
}

static void a_page_larger_than_a_segment_is_refused(void **state)
{
	struct memory *m = *state;

	assert_int_equal(row_store__push(m->store, 1, 0, m->rows, ROW_SEGMENT_ROWS + 1), -E2BIG);
	assert_int_equal(see(m, 1, 0), -1);
	assert_int_equal(stats(m).pages, 0);
}

static void the_oldest_segment_goes_when_all_are_full(void **state)
{
	const struct unwind_row *rows;
	struct memory *m = *state;
	uint32_t n;

	/* two pages fill a segment */
	for (uint32_t page = 0; page < 2 * SEGMENTS_HERE; page++)
		assert_int_equal(push(m, 1, page, ROW_PAGE_SIZE), 0);
	assert_int_equal(stats(m).segments, SEGMENTS_HERE);
	assert_int_equal(stats(m).pages_evicted, 0);
	assert_int_equal(push(m, 1, 100, 5), 0);
	assert_int_equal(stats(m).pages_evicted, 2);
	assert_int_equal(stats(m).segments, SEGMENTS_HERE);
	for (uint32_t page = 0; page < 2; page++) {
		assert_int_equal(row_store__find(m->store, 1, PAGE(page), &rows, &n), -ENOENT);
		assert_int_equal(see(m, 1, page), -1);
	}
	for (uint32_t page = 2; page < 2 * SEGMENTS_HERE; page++)
		assert_int_equal(see(m, 1, page), ROW_PAGE_SIZE);
	assert_found(m, 1, 100, 5);
	/* what is still walked comes back */
	assert_int_equal(push(m, 1, 0, ROW_PAGE_SIZE), 0);
	assert_found(m, 1, 0, ROW_PAGE_SIZE);
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
	const struct unwind_row *rows;
	struct memory *m = *state;
	uint32_t n;

	for (uint32_t page = 0; page < 10; page++) {
		assert_int_equal(push(m, 1, page, 3), 0);
		assert_int_equal(push(m, 2, page, 4), 0);
	}
	row_store__forget(m->store, 1);
	for (uint32_t page = 0; page < 10; page++) {
		assert_int_equal(row_store__find(m->store, 1, PAGE(page), &rows, &n), -ENOENT);
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
	const struct unwind_row *rows;
	struct memory *m = *state;
	uint32_t n, last = 3, value;

	for (uint32_t page = 0; page < 8; page++)
		assert_int_equal(push(m, 1, page, ROW_PAGE_SIZE), 0);
	assert_int_equal(stats(m).segments, 4);
	assert_int_equal(row_store__shrink(m->store, 2), 2 * ROW_SEGMENT_ROWS * sizeof(struct unwind_row));
	assert_int_equal(stats(m).segments, 2);
	assert_int_equal(stats(m).pages, 4);
	assert_int_equal(see(m, 1, 0), ROW_PAGE_SIZE);
	assert_int_equal(see(m, 1, 7), -1);
	assert_int_equal(row_store__find(m->store, 1, PAGE(7), &rows, &n), -ENOENT);
	assert_int_not_equal(bpf_map_lookup_elem(m->maps.row_segments_fd, &last, &value), 0);
	/* it goes on within the new limit */
	for (uint32_t page = 10; page < 20; page++) {
		assert_int_equal(push(m, 1, page, ROW_PAGE_SIZE), 0);
		assert_found(m, 1, page, ROW_PAGE_SIZE);
	}
	assert_int_equal(stats(m).segments, 2);
}

static void a_limit_past_what_there_is_room_for_is_lowered(void **state)
{
	struct memory *m = *state;

	assert_int_equal(row_store__shrink(m->store, ROW_SEGMENTS_MAX + 1000), 0);
	/* more segments than there are places for: the last ones take those of the first */
	for (uint32_t page = 0; page < ROW_SEGMENTS_MAX + 2; page++) {
		m->rows[0] = row_of(1, page, 0);
		assert_int_equal(row_store__push(m->store, 1, PAGE(2 * page), m->rows, ROW_PAGE_SIZE), 0);
		assert_int_equal(row_store__push(m->store, 1, PAGE(2 * page + 1), m->rows, ROW_PAGE_SIZE), 0);
	}
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
		TEST(the_oldest_segment_goes_when_all_are_full),
		TEST(pages_without_rows_have_a_limit_too),
		TEST(a_forgotten_object_is_nowhere),
		TEST(shrinking_gives_segments_back),
		TEST(a_limit_past_what_there_is_room_for_is_lowered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
