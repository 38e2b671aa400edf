// SPDX-License-Identifier: Apache-2.0
/* Walks through code that is in no file but has pages of rows: a made-up JVM's, whose code, stack and rows are given here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bpf/stack.h"

#include "bpf/code_pages.h"
#include "bpf/walk.h"

#define HEAP   0x7f1200000000ull /* more bits than a frame of a file has */
#define NUMBER (CODE_PAGES_FIRST + 70000)
#define METHOD (HEAP + 0x100)
#define CALLER (HEAP + 0x800)
#define INTERP (HEAP + 0xc00)
#define NEWER  (HEAP + 0xe00)
#define END    (HEAP + 0xf00)

static uint8_t heap_code[0x1000];
static bool stack_is_code; /* can be read as such */
static bool has_pages;

static int unwind_read_code(struct walk *w, void *to, __u32 len, __u64 pc)
{
	if (pc < HEAP || pc - HEAP > sizeof(heap_code) - len)
		return stack_is_code ? unwind_read(w, to, len, pc) : END_STACK_READ;
	memcpy(to, heap_code + (pc - HEAP), len);
	return 0;
}

static int unwind_find_mapping(struct walk *w, __u64 pc)
{
	const struct unwind_row row = code_pages__row(NUMBER);

	if (pc < HEAP || pc >= HEAP + sizeof(heap_code))
		return END_NO_MAPPING;
	w->mapping = (struct walk_mapping){.start = HEAP, .end = HEAP + sizeof(heap_code)};
	if (has_pages)
		memcpy(&w->mapping.bias, &row, sizeof(row));
	return 0;
}

static int unwind_find_row(struct walk *w, __u64 word, struct unwind_row *row)
{
	static const struct unwind_row rows[] = {
		{.pc = 0x100, .cfa = ROW_REG_RSP, .cfa_off = 4, .saved = ROW_FP_AT_CFA, .fp_off = -2},
		{.pc = 0x800, .cfa = ROW_REG_RSP, .cfa_off = 3, .saved = ROW_FP_AT_CFA, .fp_off = -2},
		{.pc = 0xc00, .cfa = ROW_CFA_INTERPRETER},
		{.pc = 0xe00, .cfa = ROW_CFA_NONE},
		{.pc = 0xf00, .cfa = ROW_CFA_END},
	};

	(void)w;
	assert_int_equal(frame_object(word), NUMBER);
	assert_int_equal(frame_vaddr(word) & ~0xfffull, HEAP & FRAME_VADDR_MASK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && rows[i].pc <= (word & 0xfff); i++)
		*row = rows[i];
	return 0;
}

#include "bpf/unwind.bpf.h"

static int setup(void **state)
{
	(void)state;
	memset(stack, 0, sizeof(stack));
	memset(heap_code, 0x90, sizeof(heap_code));
	stack_is_code = false;
	has_pages = true;
	return 0;
}

static void put_code(uint64_t at, const char *bytes, size_t n)
{
	memcpy(heap_code + (at - HEAP), bytes, n);
}

/* What is returned to at `at` was called. */
static uint64_t called(uint64_t at)
{
	put_code(at - 5, "\xe8\1\2\3\4", 5);
	return at;
}

static int walk_from(struct walk *w, uint64_t pc, uint64_t fp)
{
	int end;

	*w = (struct walk){.pc = pc, .sp = STACK, .fp = fp, .leaf = 1};
	do {
		end = unwind__step(w);
	} while (end == UNWIND_CONTINUE);
	return end;
}

static void expect(const struct walk *w, uint32_t n, const uint64_t *pcs)
{
	assert_int_equal(w->n_words, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(w->words[i], frame_of_raw(pcs[i]));
}

/* The caller's frame from its SP on, which the end mark called. */
static void put_caller(uint32_t at)
{
	stack[at + 1] = 0x55;
	stack[at + 2] = called(END + 0x10);
}

static void a_method_is_walked_by_its_frame_and_stays_an_address(void **state)
{
	const uint64_t pcs[] = {METHOD + 0x40, CALLER + 0x3f, END + 0xf};
	struct walk w;

	(void)state;
	stack[2] = STACK + 256;
	stack[3] = called(CALLER + 0x40);
	put_caller(4);
	assert_int_equal(walk_from(&w, pcs[0], 1), END_END_MARK);
	expect(&w, 3, pcs);
	assert_int_equal(w.sp, STACK + 7 * 8);
	assert_int_equal(w.fp, 0x55);
	assert_false(w.derived);
}

static void an_interrupted_method_has_taken_down_as_much_as_its_code_says(void **state)
{
	static const struct {
		const char *before, *at; /* pc stands between */
		uint32_t n_words;        /* of its frame, with the return address */
	} cases[] = {
		{"\x48\x83\xc4\x10", "\x5d\xc3", 2},                             /* pop %rbp */
		{"\x5d", "\xc3", 1},                                             /* ret */
		{"\x5d", "\x49\x3b\x67\x10\x0f\x87\1\2\3\4\xc3", 1},             /* cmp 16(%r15),%rsp */
		{"\x5d\x49\x3b\x67\x10", "\x0f\x87\1\2\3\4\xc3", 1},             /* ja behind it */
		{"\x5d\x49\x3b\xa7\x48\x03\x01\x01", "\x0f\x87\1\2\3\4\xc3", 1}, /* … with four bytes */
		{"\x90\x49\x3b\x67\x10", "\x0f\x87\1\2\3\4\x90", 4},             /* a poll in a loop */
		{"\x90", "\x48\x83\xc4\x10", 4},
	};
	const uint64_t pcs[] = {METHOD + 0x40, CALLER + 0x3f, END + 0xf};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct walk w;

		setup(state);
		put_code(pcs[0] - strlen(cases[i].before), cases[i].before, strlen(cases[i].before));
		put_code(pcs[0], cases[i].at, strlen(cases[i].at));
		stack[cases[i].n_words - 1] = called(CALLER + 0x40);
		put_caller(cases[i].n_words);
		assert_int_equal(walk_from(&w, pcs[0], 1), END_END_MARK);
		expect(&w, 3, pcs);
		assert_false(w.derived);
	}
}

static void a_word_more_is_seen_by_what_then_is_a_return_address(void **state)
{
	const uint64_t pcs[] = {METHOD + 0x40, CALLER + 0x3f, END + 0xf};
	struct walk w;

	(void)state;
	stack[3] = STACK + 256; /* RBP of the caller, where the return address would be */
	stack[4] = called(CALLER + 0x40);
	put_caller(5);
	assert_int_equal(walk_from(&w, pcs[0], 1), END_END_MARK);
	expect(&w, 3, pcs);
	assert_true(w.derived);
}

/* An interpreted caller's frame, before which stands an address that has the byte of a call in the right place. */
static void a_saved_frame_pointer_is_no_return_address(void **state)
{
	const uint64_t pcs[] = {METHOD + 0x40, CALLER + 0x3f, END + 0xf};
	struct walk w;

	(void)state;
	stack[3] = STACK + 256;
	stack[31] = 0x7f90e8123456ull;
	stack_is_code = true;
	stack[4] = called(CALLER + 0x40);
	put_caller(5);
	assert_int_equal(walk_from(&w, pcs[0], 1), END_END_MARK);
	expect(&w, 3, pcs);
}

/* It puts down where it wants to go on, and jumps: no call stands there. */
static void a_word_more_above_the_interpreter_is_seen_by_its_rows(void **state)
{
	const uint64_t pcs[] = {METHOD + 0x40, INTERP + 0x1f, CALLER + 0x3f, END + 0xf};
	struct walk w;

	(void)state;
	stack[3] = STACK + 10 * 8;
	stack[4] = INTERP + 0x20;
	stack[9] = STACK + 14 * 8;
	stack[10] = 0x77;
	stack[11] = CALLER + 0x40;
	put_caller(14);
	assert_int_equal(walk_from(&w, pcs[0], 1), END_END_MARK);
	expect(&w, 4, pcs);
	assert_true(w.derived);
}

/* A caller is where a call is: no instruction of it is looked at. */
static void a_caller_has_all_of_its_frame(void **state)
{
	const uint64_t pcs[] = {METHOD + 0x40, CALLER + 0x3f, END + 0xf};
	struct walk w;

	(void)state;
	stack[3] = called(CALLER + 0x40);
	put_code(CALLER + 0x40, "\x5d\xc3", 2);
	put_caller(4);
	assert_int_equal(walk_from(&w, pcs[0], 1), END_END_MARK);
	expect(&w, 3, pcs);
}

static void the_interpreter_keeps_its_callers_stack_pointer(void **state)
{
	const uint64_t pcs[] = {INTERP + 0x20, CALLER + 0x3f, END + 0xf};
	struct walk w;

	(void)state;
	stack[9] = STACK + 14 * 8; /* SP of the caller; what it passed lies between */
	stack[10] = 0x77;          /* FP of the caller */
	stack[11] = CALLER + 0x40;
	put_caller(14);
	assert_int_equal(walk_from(&w, pcs[0], STACK + 80), END_END_MARK);
	expect(&w, 3, pcs);

	stack[9] = STACK + 11 * 8; /* below its frame's end by a word */
	stack[12] = 0x77;
	stack[13] = CALLER + 0x40;
	stack[11] = INTERP + 0x40;
	stack[10] = STACK + 15 * 8;
	stack[14] = STACK + 19 * 8;
	stack[15] = 0x77;
	stack[16] = CALLER + 0x40;
	put_caller(19);
	assert_int_equal(walk_from(&w, pcs[0], STACK + 80), END_END_MARK);
	assert_int_equal(w.n_words, 4);
	stack[9] = STACK + 10 * 8; /* … by more */
	assert_int_equal(walk_from(&w, pcs[0], STACK + 80), END_BAD_SP);
	stack[9] = STACK + (1ull << 32);
	assert_int_equal(walk_from(&w, pcs[0], STACK + 80), END_BAD_SP);
	assert_int_equal(walk_from(&w, pcs[0], STACK + 81), END_BAD_FP);
	assert_int_equal(walk_from(&w, pcs[0], STACK + sizeof(stack)), END_STACK_READ);
}

static void an_interpreted_method_that_only_begins_has_no_frame(void **state)
{
	const uint64_t pcs[] = {INTERP + 0x20, CALLER + 0x3f, END + 0xf};
	const uint64_t fps[] = {0, 1, STACK + 88, STACK + sizeof(stack)};
	struct walk w;
	int end;

	(void)state;
	for (int has_room = 0; has_room < 2; has_room++) {
		for (size_t i = 0; i < sizeof(fps) / sizeof(*fps); i++) {
			setup(state);
			stack[0] = called(CALLER + 0x40);
			put_caller(has_room ? 5 : 1);
			w = (struct walk){.pc = pcs[0], .sp = STACK, .fp = fps[i], .leaf = 1};
			w.regs[ROW_REG_R13] = has_room ? STACK + 5 * 8 : 3;
			do {
				end = unwind__step(&w);
			} while (end == UNWIND_CONTINUE);
			assert_int_equal(end, END_END_MARK);
			expect(&w, 3, pcs);
			assert_true(w.derived);
		}
	}
	stack[0] = CALLER + 0x80; /* where nothing was called */
	assert_int_equal(walk_from(&w, pcs[0], 0), END_FP_ZERO);
}

static void an_interpreted_frame_is_the_methods_that_it_tells(void **state)
{
	static const uint64_t methods[] = {0x7f0012345678, 0, 8, 0x7f0012345674, 1ull << 60};
	struct walk w;

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		setup(state);
		stack[7] = methods[i];
		stack[9] = STACK + 12 * 8;
		stack[10] = 0x77;
		stack[11] = CALLER + 0x40;
		put_caller(12);
		assert_int_equal(walk_from(&w, INTERP + 0x20, STACK + 80), END_END_MARK);
		assert_int_equal(w.n_words, 3);
		assert_int_equal(w.words[0], i ? frame_of_raw(INTERP + 0x20) : frame_of_method(methods[i]));
		assert_int_equal(w.words[1], frame_of_raw(CALLER + 0x3f));
	}
}

/* Its frame pointer may be one, of a frame further up: callers would be passed over. */
/* CPython's: `sub $8,%rsp; call *%rcx; add $8,%rsp; ret`, between two functions of which neither keeps RBP. */
static void code_without_rows_that_returns_right_behind_its_call_needs_no_frame_pointer(void **state)
{
	const uint64_t pcs[] = {METHOD, CALLER + 5, INTERP + 0x1f};
	struct walk w;

	(void)state;
	has_pages = false;
	put_code(CALLER, "\x48\x83\xec\x08\xff\xd1\x48\x83\xc4\x08\xc3", 11);
	stack[0] = 7; /* what was in RBP is no frame pointer */
	stack[1] = CALLER + 6;
	stack[3] = INTERP + 0x20;
	assert_int_equal(walk_from(&w, METHOD, STACK), END_BAD_FP);
	expect(&w, 3, pcs);
	assert_int_equal(w.sp, STACK + 4 * 8);
	/* any other code behind the call says nothing */
	heap_code[CALLER - HEAP + 10] = 0x90;
	assert_int_equal(walk_from(&w, METHOD, STACK), END_BAD_FP);
	assert_int_equal(w.n_words, 2);
}

static void code_that_is_newer_waits_before_its_frame(void **state)
{
	struct walk w;

	(void)state;
	stack[2] = STACK + 64;
	stack[3] = called(CALLER + 0x40);
	assert_int_equal(walk_from(&w, NEWER, STACK + 16), END_NO_ROWS);
	assert_int_equal(w.n_words, 0);
	assert_int_equal(w.pc, NEWER);
	w.end = END_NO_ROWS;
	walk__close(&w);
	assert_int_equal(w.n_words, 2);
	assert_int_equal(w.words[0], frame_of_raw(NEWER));
	assert_int_equal(w.words[1], frame_of_cut(END_NO_ROWS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_method_is_walked_by_its_frame_and_stays_an_address, setup),
		cmocka_unit_test_setup(an_interrupted_method_has_taken_down_as_much_as_its_code_says, setup),
		cmocka_unit_test_setup(a_word_more_is_seen_by_what_then_is_a_return_address, setup),
		cmocka_unit_test_setup(a_saved_frame_pointer_is_no_return_address, setup),
		cmocka_unit_test_setup(a_word_more_above_the_interpreter_is_seen_by_its_rows, setup),
		cmocka_unit_test_setup(a_caller_has_all_of_its_frame, setup),
		cmocka_unit_test_setup(the_interpreter_keeps_its_callers_stack_pointer, setup),
		cmocka_unit_test_setup(an_interpreted_method_that_only_begins_has_no_frame, setup),
		cmocka_unit_test_setup(an_interpreted_frame_is_the_methods_that_it_tells, setup),
		cmocka_unit_test_setup(
			code_without_rows_that_returns_right_behind_its_call_needs_no_frame_pointer, setup),
		cmocka_unit_test_setup(code_that_is_newer_waits_before_its_frame, setup),
	};

	return cmocka_run_group_tests_name("code_pages", tests, NULL, NULL);
}
