// SPDX-License-Identifier: Apache-2.0
/* Page tables in plain memory: are they read as the processor reads them, and what does each kind of fault say that it brought? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/page_table.bpf.h"

#define ADDR  0x7f1234567000ull
#define MASK  (((1ull << 52) - 1) & ~0xfffull)
#define FRAME 0x12345ull /* of memory */
#define OWN   (PAGE_PRESENT | PAGE_DIRTY | 2)
#define CLEAN PAGE_PRESENT

static struct page_state none(void)
{
	return (struct page_state){.shift = PAGE_SHIFT, .is_known = 1, .table = 1};
}

static struct page_state page(uint64_t frame, uint64_t bits)
{
	struct page_state s = none();

	s.entry = frame << PAGE_SHIFT | bits;
	return s;
}

static struct page_state huge(uint64_t frame, uint64_t bits)
{
	return (struct page_state){
		.shift = 21, .is_known = 1, .entry = frame << PAGE_SHIFT | bits | PAGE_LEAF};
}

static struct growth of(struct fault_mapping m, struct page_state before, struct page_state after)
{
	return resident__growth(&m, &before, &after, MASK, ADDR);
}

static void assert_growth_(struct growth g, uint32_t pages, enum memory_kind kind, int line)
{
	if (g.pages != pages || (pages && g.kind != kind))
		fail_msg("line %d: %u pages of kind %u, expected %u of %u", line, g.pages, g.kind, pages,
			 kind);
}
#define assert_growth(g, pages, kind) assert_growth_(g, pages, kind, __LINE__)
#define assert_nothing(g)             assert_growth_(g, 0, 0, __LINE__)

static const struct fault_mapping anonymous, file = {.has_file = 1},
					     shared_file = {.flags = MAPPING_SHARED, .has_file = 1},
					     shmem = {.flags = MAPPING_SHARED, .has_file = 1, .is_shmem = 1};

static void first_write_is_a_page(void **state)
{
	(void)state;
	assert_growth(of(anonymous, none(), page(FRAME, OWN)), 1, MEMORY_ANONYMOUS);
	assert_growth(of(anonymous, none(), huge(512, OWN)), 512, MEMORY_ANONYMOUS);
	/* a private mapping of a file: the copy is made at once */
	assert_growth(of(file, none(), page(FRAME, OWN)), 1, MEMORY_ANONYMOUS);
}

static void page_of_zeroes_is_nothing(void **state)
{
	(void)state;
	assert_nothing(of(anonymous, none(), page(FRAME, CLEAN | PAGE_SPECIAL)));
	assert_nothing(of(anonymous, none(), huge(512, CLEAN)));
	/* until it is written to: then it is the first write */
	assert_growth(of(anonymous, page(FRAME, CLEAN | PAGE_SPECIAL), page(FRAME + 1, OWN)), 1,
		      MEMORY_ANONYMOUS);
	assert_growth(of(anonymous, huge(512, CLEAN), huge(1024, OWN)), 512, MEMORY_ANONYMOUS);
	assert_growth(of(anonymous, huge(512, CLEAN), page(FRAME, OWN)), 1, MEMORY_ANONYMOUS);
}

static void what_is_there_already_is_nothing(void **state)
{
	(void)state;
	/* gets writable; NUMA balancing; nothing at all; failed */
	assert_nothing(of(anonymous, page(FRAME, CLEAN | PAGE_SAVED_DIRTY), page(FRAME, OWN)));
	assert_nothing(of(anonymous, page(FRAME, PAGE_NO_ACCESS | PAGE_DIRTY), page(FRAME, OWN)));
	assert_nothing(of(anonymous, page(FRAME, PAGE_NO_ACCESS | PAGE_DIRTY), page(FRAME + 1, OWN)));
	assert_nothing(of(shared_file, page(FRAME, CLEAN), page(FRAME, OWN)));
	assert_nothing(of(anonymous, page(FRAME, OWN), page(FRAME, OWN)));
	assert_nothing(of(anonymous, none(), none()));
	assert_nothing(of(anonymous, huge(512, CLEAN | PAGE_SAVED_DIRTY), huge(512, OWN)));
}

static void write_to_what_is_shared_is_a_copy(void **state)
{
	(void)state;
	assert_growth(of(anonymous, page(FRAME, CLEAN | PAGE_SAVED_DIRTY), page(FRAME + 7, OWN)), 1,
		      MEMORY_COPIED);
	assert_growth(of(file, page(FRAME, CLEAN), page(FRAME + 7, OWN)), 1, MEMORY_COPIED);
	/* a huge page is taken apart, and only the page that is written to is copied; the others are where they were */
	assert_growth(of(anonymous, huge(512, CLEAN | PAGE_DIRTY), page(FRAME, OWN)), 1, MEMORY_COPIED);
	assert_nothing(of(anonymous, huge(512, CLEAN | PAGE_DIRTY), page(512 + (ADDR >> 12 & 511), OWN)));
}

static void kinds_are_told_apart(void **state)
{
	const struct fault_mapping main_stack = {.flags = MAPPING_GROWS_DOWN},
				   thread_stack = {.flags = MAPPING_NO_HUGEPAGE, .has_sp = 1},
				   no_huge = {.flags = MAPPING_NO_HUGEPAGE}, go_heap = {.has_sp = 1},
				   pool = {.flags = MAPPING_HUGETLB, .has_file = 1},
				   device = {.flags = MAPPING_SHARED | MAPPING_PFN, .has_file = 1};

	(void)state;
	assert_growth(of(file, none(), page(FRAME, CLEAN)), 1, MEMORY_FILE);
	assert_growth(of(file, none(), huge(512, CLEAN)), 512, MEMORY_FILE);
	assert_growth(of(shared_file, none(), page(FRAME, OWN)), 1, MEMORY_FILE);
	assert_growth(of(shmem, none(), page(FRAME, OWN)), 1, MEMORY_SHARED);
	assert_growth(of(main_stack, none(), page(FRAME, OWN)), 1, MEMORY_STACK);
	assert_growth(of(thread_stack, none(), page(FRAME, OWN)), 1, MEMORY_STACK);
	assert_growth(of(no_huge, none(), page(FRAME, OWN)), 1, MEMORY_ANONYMOUS);
	assert_growth(of(go_heap, none(), page(FRAME, OWN)), 1, MEMORY_ANONYMOUS);
	assert_growth(of(pool, none(), huge(512, OWN)), 512, MEMORY_HUGETLB);
	assert_nothing(of(device, none(), page(FRAME, OWN)));
	assert_growth(of(anonymous, page(0x1234, 0), page(FRAME, CLEAN)), 1, MEMORY_SWAPPED);
	/* moved to another place just then: the type of such an entry is no swap device's */
	assert_nothing(of(anonymous,
			  (struct page_state){.entry = 30ull << 59 | 2, .shift = 12, .is_known = 1},
			  page(FRAME, CLEAN)));
}

static void without_tables_a_fault_is_a_page(void **state)
{
	struct page_state unknown = {};

	(void)state;
	assert_growth(of(anonymous, unknown, unknown), 1, MEMORY_ANONYMOUS);
	assert_growth(of(file, none(), unknown), 1, MEMORY_FILE);
	assert_growth(of(shmem, unknown, page(FRAME, CLEAN)), 1, MEMORY_SHARED);
}

/* Kernels before 6.18 do not tell when a fault has been handled. */
static void what_was_there_is_no_growth_where_nobody_looks_afterwards(void **state)
{
	const struct fault_mapping stack = {.flags = MAPPING_GROWS_DOWN};
	struct page_state unknown = {};

	(void)state;
	/* NUMA balancing, of each size; another thread was faster; a page of a shared file gets writable */
	assert_nothing(of(anonymous, page(FRAME, PAGE_NO_ACCESS | PAGE_DIRTY), unknown));
	assert_nothing(of(anonymous, page(FRAME, PAGE_NO_ACCESS), unknown));
	assert_nothing(of(anonymous, huge(512, PAGE_NO_ACCESS), unknown));
	assert_nothing(of(file, page(FRAME, PAGE_NO_ACCESS), unknown));
	assert_nothing(of(anonymous, page(FRAME, OWN), unknown));
	assert_nothing(of(anonymous, huge(512, OWN), unknown));
	assert_nothing(of(shared_file, page(FRAME, CLEAN), unknown));
	assert_nothing(of(shmem, page(FRAME, CLEAN), unknown));
	/* after a fork, or of a file that was read: it may have been copied */
	assert_growth(of(anonymous, page(FRAME, CLEAN | PAGE_SAVED_DIRTY), unknown), 1, MEMORY_COPIED);
	assert_growth(of(anonymous, huge(512, CLEAN | PAGE_SAVED_DIRTY), unknown), 1, MEMORY_COPIED);
	assert_growth(of(file, page(FRAME, CLEAN), unknown), 1, MEMORY_COPIED);
	/* the page of zeroes was no memory, nor is a table in which there is nothing */
	assert_growth(of(stack, page(FRAME, CLEAN | PAGE_SPECIAL), unknown), 1, MEMORY_STACK);
	assert_growth(of(anonymous, huge(512, CLEAN), unknown), 1, MEMORY_ANONYMOUS);
	assert_growth(of(anonymous, (struct page_state){.entry = OWN, .shift = 21, .is_known = 1}, unknown),
		      1, MEMORY_ANONYMOUS);
	assert_growth(of(anonymous, page(0x1234, 0), unknown), 1, MEMORY_ANONYMOUS);
}

/* -- what else a fault has mapped -- */
static struct page_table table;

static void put(uint32_t from, uint32_t to, uint64_t frame, uint64_t bits)
{
	for (uint32_t i = from; i < to; i++)
		table.entries[i] = (frame + i - from) << PAGE_SHIFT | bits;
}

static void folio_is_counted_as_a_whole(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	put(0, 64, 1000, CLEAN);
	page_table__remember(&table);
	put(64, 320, 1064, CLEAN);  /* next to it in memory, too, but not new */
	put(400, 500, 9000, CLEAN); /* by somebody else */
	assert_int_equal(page_table__fresh(&table, 70, MASK, 0, 1), 256);
	assert_int_equal(page_table__fresh(&table, 319, MASK, 1, 1), 256);
	/* met by a system call: who knows how many faults these were */
	assert_int_equal(page_table__fresh(&table, 70, MASK, 0, 0), 16);
	assert_int_equal(page_table__fresh(&table, 70, MASK, 1, 0), 1);
}

static void fault_around_brings_what_is_in_the_page_cache(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	put(34, 36, 500, CLEAN);
	page_table__remember(&table);
	for (uint32_t i = 32; i < 48; i += 2) /* every second page, each somewhere else */
		if (i != 34)
			put(i, i + 1, i * 77, CLEAN);
	put(48, 50, 1, CLEAN); /* another block */
	assert_int_equal(page_table__fresh(&table, 40, MASK, 0, 1), 7);
	assert_int_equal(page_table__fresh(&table, 40, MASK, 1, 1), 1);
}

static void a_page_is_at_least_one(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	put(511, 512, 1, OWN);
	page_table__remember(&table);
	assert_int_equal(page_table__fresh(&table, 511, MASK, 1, 1), 1);
	assert_int_equal(page_table__fresh(&table, 0, MASK, 0, 1), 1);
}

/* -- the walk down the tables -- */
static uint64_t *levels[5];

static void build(int n_levels, uint64_t leaf_bits, int leaf_level)
{
	for (int i = 0; i < 5; i++) {
		free(levels[i]);
		levels[i] = aligned_alloc(4096, 4096);
		memset(levels[i], 0, 4096);
	}
	/* levels[0] is the last table; "memory" begins at address 0 of the host */
	for (int i = n_levels - 1; i > leaf_level; i--)
		levels[i][ADDR >> (12 + 9 * i) & 511] = (uint64_t)(uintptr_t)levels[i - 1] | 7;
	levels[leaf_level][ADDR >> (12 + 9 * leaf_level) & 511] = FRAME << 12 | leaf_bits;
}

static void walk(int n_levels, struct page_state *ret)
{
	const struct page_layout l = {.address_mask = MASK, .top_shift = 12 + 9 * ((uint32_t)n_levels - 1)};

	assert_int_equal(page_table__read(&l, (uint64_t)(uintptr_t)levels[n_levels - 1], ADDR, ret), 0);
	assert_true(ret->is_known);
}

static void tables_of_four_and_five_levels_are_read(void **state)
{
	struct page_state s;

	(void)state;
	for (int n = 4; n <= 5; n++) {
		build(n, OWN, 0);
		walk(n, &s);
		assert_int_equal(s.shift, 12);
		assert_int_equal(s.entry, FRAME << 12 | OWN);
		assert_int_equal(s.table, (uintptr_t)levels[0]);
		build(n, OWN | PAGE_LEAF, 1);
		walk(n, &s);
		assert_int_equal(s.shift, 21);
		assert_int_equal(s.table, 0);
		assert_true(page_state__is_resident(&s));
		build(n, OWN | PAGE_LEAF, 2);
		walk(n, &s);
		assert_int_equal(s.shift, 30);
		assert_int_equal(page_state__pages(&s), 512 * 512);
		build(n, 0, 3); /* a top entry that is not present */
		levels[3][ADDR >> 39 & 511] = 0;
		walk(n, &s);
		assert_int_equal(s.shift, 39);
		assert_false(page_state__is_resident(&s));
	}
}

static void layout_that_is_not_known_reads_nothing(void **state)
{
	const struct page_layout l = {0};
	struct page_state s;

	(void)state;
	assert_int_equal(page_table__read(&l, 0, ADDR, &s), -1);
	assert_false(s.is_known);
}

/* The word of a page whose "memory" begins at 0: only a layout that leads there is found. */
static void layout_is_found_by_a_word(void **state)
{
	uint64_t *data = aligned_alloc(4096, 4096);
	struct page_layout l = {.address_mask = MASK, .top_shift = 39};

	(void)state;
	memset(data, 0, 4096);
	data[3] = 0xfeedf00d;
	build(4, 0, 0);
	levels[0][ADDR >> 12 & 511] = (uint64_t)(uintptr_t)data | OWN;
	assert_true(page_table__leads_to(&l, (uint64_t)(uintptr_t)levels[3], ADDR + 24, 0xfeedf00d));
	assert_false(page_table__leads_to(&l, (uint64_t)(uintptr_t)levels[3], ADDR + 24, 0xfeedf00e));
	assert_false(page_table__leads_to(&l, (uint64_t)(uintptr_t)levels[3], ADDR + 32, 0xfeedf00d));
	free(data);
	for (int i = 0; i < 5; i++) {
		free(levels[i]);
		levels[i] = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_write_is_a_page),
		cmocka_unit_test(page_of_zeroes_is_nothing),
		cmocka_unit_test(what_is_there_already_is_nothing),
		cmocka_unit_test(write_to_what_is_shared_is_a_copy),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(without_tables_a_fault_is_a_page),
		cmocka_unit_test(what_was_there_is_no_growth_where_nobody_looks_afterwards),
		cmocka_unit_test(folio_is_counted_as_a_whole),
		cmocka_unit_test(fault_around_brings_what_is_in_the_page_cache),
		cmocka_unit_test(a_page_is_at_least_one),
		cmocka_unit_test(tables_of_four_and_five_levels_are_read),
		cmocka_unit_test(layout_that_is_not_known_reads_nothing),
		cmocka_unit_test(layout_is_found_by_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
