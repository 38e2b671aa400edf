// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's way from an address to a row (mapping, memo, page, bisection) and a whole walk by it. What each kind of row does is tested with the
 * same unwind.bpf.h in tests/unit/kernel/finish_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"
#include "tests/bpf/stack.h"

#include "bpf/current.bpf.h"
#include "bpf/mapping.bpf.h"
#include "bpf/regs.bpf.h"
#include "bpf/unwind_table.bpf.h"

static const __u8 *before_pc; /* CALL_BYTES_MAX of it before each address; NULL: cannot be read */

static int unwind_read_code(struct walk *w, void *to, __u32 len, __u64 pc)
{
	(void)w;
	(void)pc;
	if (!before_pc)
		return END_STACK_READ;
	memcpy(to, before_pc, len);
	return 0;
}

#include "bpf/unwind.bpf.h"

#define TGID 42
#define SET  900ull
#define BASE 0x400000ull /* of object 5, mapped there with its first page */

static struct shim_map segments[2];
static const struct task_key key = {.start_ns = 11, .tgid = TGID, .exec_id = 3};

static int setup(void **state)
{
	(void)state;
	shim__open(&losses, SHIM_ARRAY, 4, 8, LOSS_KEYS);
	shim__open(&processes, SHIM_HASH, 4, sizeof(struct process_entry), 16);
	shim__open(&targets, SHIM_HASH, 4, sizeof(struct target), 16);
	shim__open(&mappings, SHIM_ARRAY, 4, sizeof(struct mapping_entry), 64);
	shim__open(&row_pages, SHIM_HASH, 8, sizeof(struct row_page), 16);
	shim__open(&row_segments, SHIM_ARRAY_OF_MAPS, 4, sizeof(void *), 4);
	shim__open(&row_memo, SHIM_ARRAY, 4, sizeof(struct row_memo), ROW_MEMO_SLOTS);
	shim__open(&row_page_memo, SHIM_ARRAY, 4, sizeof(struct row_page_memo), ROW_PAGE_MEMO_SLOTS);
	gate.n_emptied = 0;
	for (__u32 i = 0; i < 2; i++) {
		struct shim_map *at = &segments[i];

		shim__open(at, SHIM_ARRAY, 4, sizeof(struct row_cells), 1);
		memcpy(row_segments.values + i * sizeof(at), &at, sizeof(at));
	}
	memset(stack, 0, sizeof(stack));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shim__close(&losses);
	shim__close(&processes);
	shim__close(&targets);
	shim__close(&mappings);
	shim__close(&row_pages);
	shim__close(&row_segments);
	shim__close(&row_memo);
	shim__close(&row_page_memo);
	shim__close(&segments[0]);
	shim__close(&segments[1]);
	return 0;
}

/* The process's set: `n` mappings of one page each, 0x10000 apart from BASE on, of objects 5, 6, … */
static void map_process(__u32 first, __u32 n)
{
	const struct process_entry p = {.key = key, .set_id = SET, .set_first = first, .set_count = n};
	struct mapping_entry *m = (struct mapping_entry *)mappings.values + first;
	const __u32 tgid = TGID;

	m[0] = (struct mapping_entry){.start = SET};
	for (__u32 i = 0; i < n; i++)
		m[i + 1] = (struct mapping_entry){
			.start = BASE + i * 0x10000, .bias = BASE + i * 0x10000, .pages = 1, .object = 5 + i};
	shim__put(&processes, &tgid, &p);
	gate.n_changes++;
}

/* As a program begins a walk. */
static int begin(struct walk *w, const struct task_key *of)
{
	current__wanted(w, of);
	return mapping__begin(w);
}

/* Lays rows with the rules 0, 1, … down at cell `first`, as bpf/row_page.h says: one rule a row. */
static void put_rows(__u32 object, __u64 vaddr, __u32 segment, __u32 first, const struct unwind_row *rows,
		     __u32 n)
{
	const __u64 page = row_page_key(object, vaddr);
	const struct row_page at = {.segment = segment, .first = first, .count = n};
	__u32 *index = ((struct row_cells *)segments[segment].values)->cells + first;
	__u32 *row = index + ROW_INDEX_CELLS, *rule = row + n, last = 0;

	shim__put(&row_pages, &page, &at);
	if (!n)
		return;
	for (__u32 i = 0; i < n; i++) {
		row[i] = rows[i].pc | i << 16;
		rule[2 * i] = rows[i].cfa | (__u32)rows[i].saved << 8 | (__u32)(__u16)rows[i].cfa_off << 16;
		rule[2 * i + 1] = (__u16)rows[i].fp_off;
	}
	memset(index, 0, ROW_INDEX_CELLS * sizeof(*index));
	for (__u32 part = 0; part < ROW_INDEX_PARTS; part++) {
		while (last + 1 < n && rows[last + 1].pc <= part << ROW_INDEX_SHIFT)
			last++;
		index[part / 2] |= part & 1 ? last << 16 : last;
	}
}

static void an_address_is_found_in_its_mapping(void **state)
{
	(void)state;
	for (__u32 n = 1; n < 20; n++) {
		struct walk w = {0};

		map_process(3, n);
		assert_true(begin(&w, &key));
		for (__u32 i = 0; i < n; i++) {
			const __u64 start = BASE + i * 0x10000;

			assert_int_equal(unwind_find_mapping(&w, start), 0);
			assert_int_equal(w.mapping.object, 5 + i);
			assert_int_equal(unwind_find_mapping(&w, start + 4095), 0);
			assert_int_equal(w.mapping.start, start);
			assert_int_equal(w.mapping.end, start + 4096);
			assert_int_equal(unwind_find_mapping(&w, start + 4096), END_NO_MAPPING);
			assert_int_equal(unwind_find_mapping(&w, start - 1), END_NO_MAPPING);
		}
	}
}

static void a_process_without_mappings_has_none_and_is_known(void **state)
{
	struct walk w = {0};

	(void)state;
	map_process(3, 0);
	assert_true(begin(&w, &key));
	assert_int_equal(unwind_find_mapping(&w, BASE), END_NO_MAPPING);
}

static void another_incarnation_is_not_known(void **state)
{
	struct task_key other = key;
	struct walk w = {0};

	(void)state;
	map_process(3, 2);
	other.exec_id++;
	assert_false(begin(&w, &other));
	assert_int_equal(unwind_find_mapping(&w, BASE), END_NO_PROCESS);
	other = key;
	other.start_ns++;
	assert_false(begin(&w, &other));
	other = key;
	other.tgid++;
	assert_false(begin(&w, &other));
}

static void a_run_that_was_given_to_another_set_is_not_looked_at(void **state)
{
	struct walk w = {0};

	(void)state;
	map_process(3, 2);
	((struct mapping_entry *)mappings.values)[3].start = SET + 1;
	assert_false(begin(&w, &key));
	assert_int_equal(unwind_find_mapping(&w, BASE), END_NO_PROCESS);
}

static void a_set_past_the_end_of_the_array_does_no_harm(void **state)
{
	struct process_entry p = {.key = key, .set_id = 0, .set_first = 62, .set_count = 100};
	const __u32 tgid = TGID;
	struct walk w = {0};

	(void)state;
	shim__put(&processes, &tgid, &p);
	gate.n_changes++;
	assert_true(begin(&w, &key)); /* the header, 0, is there */
	assert_int_equal(unwind_find_mapping(&w, UINT64_MAX), END_NO_MAPPING);
	p.set_first = UINT32_MAX;
	shim__put(&processes, &tgid, &p);
	gate.n_changes++;
	assert_false(begin(&w, &key));
}

static void each_row_of_a_page_is_found(void **state)
{
	struct unwind_row rows[300], got;
	struct walk w = {0};

	(void)state;
	for (__u32 n = 1; n <= 300; n += 23) {
		const __u32 object = 100 + n;

		for (__u32 i = 0; i < n; i++)
			rows[i] = (struct unwind_row){
				.pc = (__u16)(i * 200), .cfa = ROW_REG_RSP, .cfa_off = (__s16)i};
		row_pages.n = 0;
		put_rows(object, 0x30000, 1, 17, rows, n);
		for (__u32 i = 0; i < n; i++) {
			assert_int_equal(
				unwind_find_row(&w, frame_of_object(object, 0x30000 + i * 200), &got), 0);
			assert_int_equal(got.cfa_off, i);
			assert_int_equal(
				unwind_find_row(&w, frame_of_object(object, 0x30000 + i * 200 + 199), &got),
				0);
			assert_int_equal(got.cfa_off, i);
		}
		assert_int_equal(unwind_find_row(&w, frame_of_object(object, 0x3ffff), &got), 0);
		assert_int_equal(got.cfa_off, n - 1);
	}
}

static void a_page_that_is_not_there_is_told_from_one_without_rows(void **state)
{
	const struct unwind_row none;
	struct unwind_row got = {.cfa = 0xff};
	struct walk w = {0};

	(void)state;
	put_rows(7, 0x10000, 0, 0, &none, 0);
	assert_int_equal(unwind_find_row(&w, frame_of_object(7, 0x20000), &got), END_NO_ROWS);
	assert_int_equal(unwind_find_row(&w, frame_of_object(8, 0x10000), &got), END_NO_ROWS);
	assert_int_equal(unwind_find_row(&w, frame_of_object(7, 0x1abcd), &got), 0);
	assert_int_equal(got.cfa, ROW_CFA_NONE);
}

static void a_page_in_a_segment_that_went_is_not_there(void **state)
{
	const struct unwind_row row = {.cfa = ROW_CFA_END};
	struct unwind_row got;
	struct walk w = {0};

	(void)state;
	put_rows(7, 0, 0, 0, &row, 1);
	memset(row_segments.values, 0, sizeof(void *));
	assert_int_equal(unwind_find_row(&w, frame_of_object(7, 0x10), &got), END_NO_ROWS);
}

/* The kernel's memory is shared with a collector that may have died halfway: whatever lies there, no read leaves the segment. */
static void a_page_that_says_nonsense_does_no_harm(void **state)
{
	const struct unwind_row row = {.cfa = ROW_CFA_END};
	struct row_page at = {.segment = 1, .first = 0xfffffff0, .count = 0xfffffff0};
	const __u64 page = row_page_key(7, 0);
	struct unwind_row got;
	struct walk w = {0};

	(void)state;
	put_rows(7, 0, 1, 0, &row, 1);
	memset(segments[1].values, 0xff, sizeof(struct row_cells));
	shim__put(&row_pages, &page, &at);
	for (__u32 pc = 0; pc < ROW_PAGE_SIZE; pc += 511)
		assert_int_equal(unwind_find_row(&w, frame_of_object(7, pc), &got), 0);
}

static void the_memo_answers_the_second_time(void **state)
{
	const struct unwind_row row = {.cfa = ROW_REG_RBP, .cfa_off = 2};
	const __u64 word = frame_of_object(9, 0x1234);
	struct unwind_row got = {0};
	struct walk w = {0};
	__u64 before;

	(void)state;
	put_rows(9, 0, 0, 0, &row, 1);
	assert_int_equal(unwind_find_row(&w, word, &got), 0);
	before = row_pages.n_lookups;
	assert_int_equal(unwind_find_row(&w, word, &got), 0);
	assert_memory_equal(&got, &row, sizeof(row));
	assert_int_equal(row_pages.n_lookups, before);
}

static void a_memo_torn_between_two_writers_is_not_believed(void **state)
{
	const struct unwind_row row = {.cfa = ROW_REG_RBP, .cfa_off = 2};
	const __u64 word = frame_of_object(9, 0x1234);
	struct row_memo *memo = (struct row_memo *)row_memo.values + row_memo__slot(word);
	struct unwind_row got;
	struct walk w = {0};

	(void)state;
	put_rows(9, 0, 0, 0, &row, 1);
	assert_int_equal(unwind_find_row(&w, word, &got), 0);
	memo->row ^= 0x100; /* another frame's row, with our check */
	assert_int_equal(unwind_find_row(&w, word, &got), 0);
	assert_memory_equal(&got, &row, sizeof(row));
	/* and a slot that was never written answers nothing: no frame is the word 0 */
	assert_int_equal(unwind_find_row(&w, frame_of_object(9, 0x99999), &got), END_NO_ROWS);
}

static void where_a_page_was_holds_until_a_segment_is_emptied(void **state)
{
	const struct unwind_row old = {.cfa = ROW_REG_RBP, .cfa_off = 2},
				row = {.cfa = ROW_REG_RSP, .cfa_off = 3};
	struct unwind_row got;
	struct walk w = {0};
	__u64 before;

	(void)state;
	put_rows(9, 0, 0, 0, &old, 1);
	assert_int_equal(unwind_find_row(&w, frame_of_object(9, 0x1000), &got), 0);
	before = row_pages.n_lookups;
	assert_int_equal(unwind_find_row(&w, frame_of_object(9, 0x1001), &got), 0);
	assert_memory_equal(&got, &old, sizeof(old));
	assert_int_equal(row_pages.n_lookups, before);
	/* the page comes back elsewhere */
	put_rows(9, 0, 1, 64, &row, 1);
	gate.n_emptied++;
	assert_int_equal(unwind_find_row(&w, frame_of_object(9, 0x1002), &got), 0);
	assert_memory_equal(&got, &row, sizeof(row));
	/* and one that is there no more is not found, whatever was remembered */
	row_pages.n = 0;
	gate.n_emptied++;
	assert_int_equal(unwind_find_row(&w, frame_of_object(9, 0x1003), &got), END_NO_ROWS);
}

/* What the collector does while a walk that may be kept from its CPU is on its way from a page's place to its rows: another page's rows lie there then. */
static void segment_is_emptied(const struct shim_map *m)
{
	const struct unwind_row other = {.cfa = ROW_REG_RBP, .cfa_off = 7};

	if (m != &row_segments)
		return;
	shim_meanwhile = NULL;
	row_pages.n = 0;
	gate.n_emptied++;
	put_rows(10, 0, 0, 0, &other, 1);
}

static void rows_that_were_overwritten_while_they_were_read_are_none(void **state)
{
	const struct unwind_row row = {.cfa = ROW_REG_RSP, .cfa_off = 3};
	const __u64 word = frame_of_object(9, 0x1000);
	struct unwind_row got;
	struct walk w = {0};

	(void)state;
	put_rows(9, 0, 0, 0, &row, 1);
	shim_meanwhile = segment_is_emptied;
	assert_int_equal(unwind_find_row(&w, word, &got), END_NO_ROWS);
	assert_null(shim_meanwhile);
	/* nor are they remembered: the page comes back, elsewhere */
	put_rows(9, 0, 1, 64, &row, 1);
	assert_int_equal(unwind_find_row(&w, word, &got), 0);
	assert_memory_equal(&got, &row, sizeof(row));
}

static void a_walk_goes_from_registers_to_the_end_mark(void **state)
{
	const struct unwind_row rows[] = {
		{.pc = 0, .cfa = ROW_REG_RSP, .cfa_off = 2},
		{.pc = 0x800, .cfa = ROW_CFA_END},
	};
	const struct pt_regs regs = {.rip = BASE + 0x100, .rsp = STACK, .cs = USER_CS_64};
	struct walk w = {0};
	int end;

	(void)state;
	map_process(1, 3);
	put_rows(5, 0, 0, 0, rows, 2);
	stack[1] = BASE + 0x201;
	stack[3] = BASE + 0x801;
	assert_int_equal(regs__begin(&w, &regs), 0);
	assert_true(begin(&w, &key));
	do {
		end = unwind__step(&w);
	} while (end == UNWIND_CONTINUE);
	assert_int_equal(end, END_END_MARK);
	assert_int_equal(w.n_words, 3);
	assert_int_equal(w.words[0], frame_of_object(5, 0x100));
	assert_int_equal(w.words[1], frame_of_object(5, 0x200));
	assert_int_equal(w.words[2], frame_of_object(5, 0x800));
}

static void a_walk_that_must_wait_stops_before_the_frame(void **state)
{
	const struct unwind_row row = {.pc = 0, .cfa = ROW_REG_RSP, .cfa_off = 1};
	const struct pt_regs regs = {.rip = BASE + 0x100, .rsp = STACK, .cs = USER_CS_64};
	struct walk w = {0};

	(void)state;
	map_process(1, 2);
	put_rows(5, 0, 0, 0, &row, 1);
	stack[0] = BASE + 0x10000 + 0x21; /* object 6 has no rows yet */
	assert_int_equal(regs__begin(&w, &regs), 0);
	assert_true(begin(&w, &key));
	assert_int_equal(unwind__step(&w), UNWIND_CONTINUE);
	assert_int_equal(unwind__step(&w), END_NO_ROWS);
	assert_int_equal(w.n_words, 1);
	assert_int_equal(w.pc, BASE + 0x10000 + 0x21);
	assert_int_equal(w.sp, STACK + 8);
	assert_false(w.leaf);
}

static void registers_come_by_their_dwarf_numbers(void **state)
{
	const struct pt_regs regs = {.rax = 0,
				     .rdx = 1,
				     .rcx = 2,
				     .rbx = 3,
				     .rsi = 4,
				     .rdi = 5,
				     .rbp = 6,
				     .rsp = 7,
				     .r8 = 8,
				     .r9 = 9,
				     .r10 = 10,
				     .r11 = 11,
				     .r12 = 12,
				     .r13 = 13,
				     .r14 = 14,
				     .r15 = 15,
				     .rip = 99,
				     .cs = USER_CS_64};
	struct walk w = {.fp_unknown = 1};

	(void)state;
	assert_int_equal(regs__begin(&w, &regs), 0);
	for (__u64 i = 0; i < REGS_N; i++)
		assert_int_equal(w.regs[i], i);
	assert_int_equal(w.pc, 99);
	assert_int_equal(w.sp, 7);
	assert_int_equal(w.fp, 6);
	assert_int_equal(w.leaf, 1);
	assert_int_equal(w.fp_unknown, 0);
}

static void registers_of_other_modes_are_refused(void **state)
{
	struct pt_regs regs = {.cs = 0x10};
	struct walk w = {0};

	(void)state;
	assert_int_equal(regs__begin(&w, &regs), END_NO_REGS); /* the kernel's own */
	regs.cs = USER_CS_32;
	assert_int_equal(regs__begin(&w, &regs), END_COMPAT);
}

static void a_call_is_known_in_each_of_its_forms(void **state)
{
	static const struct {
		uint8_t code[CALL_BYTES_MAX];
		int is_call;
	} cases[] = {
		{{0x90, 0x90, 0xe8, 1, 2, 3, 4}, 1},             /* call rel32 */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0}, 1}, /* call *%rax */
		{{0x90, 0x90, 0x90, 0x90, 0x41, 0xff, 0xd4}, 1}, /* call *%r12 */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x13}, 1}, /* call *(%rbx) */
		{{0x90, 0x90, 0x90, 0x90, 0xff, 0x50, 8}, 1},    /* call *8(%rax) */
		{{0x90, 0x90, 0x90, 0x90, 0xff, 0x14, 0xc3}, 1}, /* call *(%rbx,%rax,8) */
		{{0x90, 0x90, 0x90, 0xff, 0x54, 0x24, 8}, 1},    /* call *8(%rsp) */
		{{0x90, 0xff, 0x15, 1, 2, 3, 4}, 1},             /* call *…(%rip) */
		{{0xff, 0x94, 0xc3, 1, 2, 3, 4}, 1},             /* call *…(%rbx,%rax,8) */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0}, 0}, /* jmp *%rax */
		{{0x90, 0x90, 0xe9, 1, 2, 3, 4}, 0},             /* jmp rel32 */
		{{0x90, 0xff, 0x25, 1, 2, 3, 4}, 0},             /* jmp *…(%rip) */
		{{0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90}, 0},
		{{0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10}, 0}, /* a prologue */
	};

	struct walk w = {.pc = BASE};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(unwind__ends_in_call(cases[i].code), cases[i].is_call);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		before_pc = cases[i].code;
		w.unchecked = 1;
		assert_int_equal(unwind__is_return_address(&w), cases[i].is_call);
		assert_int_equal(w.unchecked, 0);
	}
	before_pc = NULL;
	assert_true(unwind__is_return_address(&w));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_known_in_each_of_its_forms),
		TEST(an_address_is_found_in_its_mapping),
		TEST(a_process_without_mappings_has_none_and_is_known),
		TEST(another_incarnation_is_not_known),
		TEST(a_run_that_was_given_to_another_set_is_not_looked_at),
		TEST(a_set_past_the_end_of_the_array_does_no_harm),
		TEST(each_row_of_a_page_is_found),
		TEST(a_page_that_is_not_there_is_told_from_one_without_rows),
		TEST(a_page_in_a_segment_that_went_is_not_there),
		TEST(a_page_that_says_nonsense_does_no_harm),
		TEST(the_memo_answers_the_second_time),
		TEST(a_memo_torn_between_two_writers_is_not_believed),
		TEST(where_a_page_was_holds_until_a_segment_is_emptied),
		TEST(rows_that_were_overwritten_while_they_were_read_are_none),
		TEST(a_walk_goes_from_registers_to_the_end_mark),
		TEST(a_walk_that_must_wait_stops_before_the_frame),
		TEST(registers_come_by_their_dwarf_numbers),
		TEST(registers_of_other_modes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
