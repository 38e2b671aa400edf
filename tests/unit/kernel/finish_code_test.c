// SPDX-License-Identifier: Apache-2.0
/*
 * Stacks that go through code in no file, finished in user space: what the process tells of that code, and the code itself, are asked for under the record's own
 * incarnation.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/code_pages.h"
#include "tests/unit/kernel/finish_world.h"
#include "user/process/process_key.h"

#define NUMBER   (CODE_PAGES_FIRST + 9)
#define HEAP     0x7f1200000000ull /* more bits than a frame of a file has */
#define HEAP_LEN 0x1000u
#define METHOD   (HEAP + 0x100)
#define CALLER   (HEAP + 0x800)
#define NEWER    (HEAP + 0xe00)
#define BEHIND   (CALLER + 5) /* of a call there */
#define NOP      0x90
#define CALL     0xe8
#define POP_RBP  0x5d
#define RET      0xc3

static const struct task_key whose = {.start_ns = 77, .tgid = 42, .exec_id = 3};

/* A JVM's heap of code with its rows, beside the world's object, which has the end mark. */
struct heap {
	struct world *world;
	struct unwind_row rule; /* of all of it */
	uint8_t code[HEAP_LEN];
	bool is_gone; /* its code cannot be read any more */
	uint32_t n_read;
};

static struct heap heap;

static int find_mapping(void *ctx, const struct task_key *key, uint64_t pc, struct walk_mapping *ret)
{
	(void)ctx;
	assert_true(process_key__eq(key, &whose));
	if (pc >= CODE && pc < CODE_END) {
		*ret = (struct walk_mapping){.start = CODE, .end = CODE_END, .bias = CODE, .object = OBJECT};
		return 0;
	}
	if (pc < HEAP || pc >= HEAP + HEAP_LEN)
		return END_NO_MAPPING;
	*ret = (struct walk_mapping){.start = HEAP, .end = HEAP + HEAP_LEN};
	memcpy(&ret->bias, &heap.rule, sizeof(heap.rule));
	return 0;
}

static int find_row(void *ctx, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row)
{
	(void)ctx;
	if (object == CODE_PAGES_UNTOLD)
		return END_NO_ROWS;
	if (object == OBJECT) {
		*ret_row = (struct unwind_row){.cfa = ROW_CFA_END};
		return 0;
	}
	assert_int_equal(object, NUMBER);
	assert_int_equal(vaddr & ~0xfffull, HEAP & FRAME_VADDR_MASK);
	*ret_row = (struct unwind_row){.cfa = ROW_CFA_NONE};
	if ((vaddr & 0xfff) < (NEWER & 0xfff))
		*ret_row = (struct unwind_row){
			.cfa = ROW_REG_RSP, .cfa_off = 4, .saved = ROW_FP_AT_CFA, .fp_off = -2};
	return 0;
}

static int read_code(void *ctx, const struct task_key *key, uint32_t object, uint64_t vaddr, void *to,
		     size_t len)
{
	(void)ctx;
	assert_true(process_key__eq(key, &whose));
	assert_int_equal(object, 0);
	heap.n_read++;
	if (heap.is_gone)
		return -ESRCH;
	if (vaddr < HEAP || vaddr > HEAP + HEAP_LEN - len)
		return -EFAULT;
	memcpy(to, heap.code + (vaddr - HEAP), len);
	return 0;
}

static int heap_setup(void **state)
{
	if (setup(state))
		return -1;
	heap = (struct heap){.world = *state, .rule = code_pages__row(NUMBER)};
	heap.world->record->key = whose;
	memset(heap.code, NOP, sizeof(heap.code));
	heap.code[CALLER - HEAP] = CALL;
	return 0;
}

static void walk_heap(uint64_t pc)
{
	const struct finish_ports ports = {
		.find_mapping = find_mapping, .find_row = find_row, .read_code = read_code, .ctx = &heap};
	struct world *w = heap.world;

	w->record->pc = pc;
	assert_int_equal(finish__walk(w->record, sizeof(*w->record), &ports, &w->walk), 0);
}

/* A method's frame of four words at `sp`, and its caller's. */
static void put_frames(uint64_t sp)
{
	put(heap.world, sp + 24, BEHIND);
	put(heap.world, sp + 32 + 24, CODE + 0x10);
}

#define EXPECT_WHOLE(at) \
	EXPECT(heap.world, END_END_MARK, frame_of_raw(at), frame_of_raw(BEHIND - 1), FRAME(CODE + 0xf))

static void frames_are_of_the_sizes_that_the_pages_say(void **state)
{
	(void)state;
	put_frames(STACK);
	walk_heap(METHOD + 0x20);
	EXPECT_WHOLE(METHOD + 0x20);
	assert_false(heap.world->walk.derived);
}

static void a_method_that_returns_is_told_by_its_code(void **state)
{
	(void)state;
	heap.code[METHOD + 0x30 - HEAP] = RET;
	put_frames(STACK - 24); /* its frame is gone but for the return address */
	walk_heap(METHOD + 0x30);
	EXPECT_WHOLE(METHOD + 0x30);
	heap.code[METHOD + 0x30 - HEAP] = POP_RBP;
	put_frames(STACK - 16);
	walk_heap(METHOD + 0x30);
	EXPECT_WHOLE(METHOD + 0x30);
}

static void a_frame_that_is_a_word_deeper_is_told_by_what_is_called(void **state)
{
	(void)state;
	put_frames(STACK + 8);
	walk_heap(METHOD + 0x20);
	EXPECT_WHOLE(METHOD + 0x20);
	assert_true(heap.world->walk.derived);
}

/* The process has ended, or is another program by now: the pages are what is left. */
static void without_its_code_frames_are_what_the_pages_say(void **state)
{
	(void)state;
	heap.is_gone = true;
	heap.code[METHOD + 0x30 - HEAP] = RET;
	put_frames(STACK);
	walk_heap(METHOD + 0x30);
	EXPECT_WHOLE(METHOD + 0x30);
	assert_int_equal(heap.n_read, 1);
}

static void code_that_is_newer_than_the_pages_is_asked_for(void **state)
{
	(void)state;
	heap.rule = code_pages__row(NUMBER);
	walk_heap(NEWER + 0x10);
	EXPECT(heap.world, END_NO_ROWS, frame_of_raw(NEWER + 0x10), frame_of_cut(END_NO_ROWS));
	assert_int_equal(heap.world->walk.mapping.object, 0);
}

static void code_of_which_nothing_is_told_yet_is_asked_for(void **state)
{
	const uint64_t sp = STACK + 32;

	(void)state;
	heap.rule = code_pages__row(CODE_PAGES_UNTOLD);
	heap.world->record->fp = sp;
	put(heap.world, sp + 8, CODE + 0x10);
	walk_heap(METHOD + 0x20);
	EXPECT(heap.world, END_NO_ROWS, frame_of_raw(METHOD + 0x20), frame_of_cut(END_NO_ROWS));
	assert_int_equal(heap.world->walk.sp, STACK); /* the walk can be taken up there */
	/* what it then tells, one rule for all, is what leads on */
	heap.rule =
		(struct unwind_row){.cfa = ROW_REG_RSP, .cfa_off = 4, .saved = ROW_FP_AT_CFA, .fp_off = -2};
	put_frames(STACK);
	walk_heap(METHOD + 0x20);
	EXPECT_WHOLE(METHOD + 0x20);
	/* or nothing, and it is followed by frame pointers */
	heap.rule = (struct unwind_row){.cfa = ROW_CFA_FRAME_POINTER};
	put(heap.world, sp + 8, CODE + 0x10);
	walk_heap(METHOD + 0x20);
	EXPECT(heap.world, END_END_MARK, frame_of_raw(METHOD + 0x20), FRAME(CODE + 0xf));
	assert_int_equal(heap.n_read, 0);
}

#define HEAP_TEST(name) cmocka_unit_test_setup_teardown(name, heap_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HEAP_TEST(frames_are_of_the_sizes_that_the_pages_say),
		HEAP_TEST(a_method_that_returns_is_told_by_its_code),
		HEAP_TEST(a_frame_that_is_a_word_deeper_is_told_by_what_is_called),
		HEAP_TEST(without_its_code_frames_are_what_the_pages_say),
		HEAP_TEST(code_that_is_newer_than_the_pages_is_asked_for),
		HEAP_TEST(code_of_which_nothing_is_told_yet_is_asked_for),
	};

	return cmocka_run_group_tests_name("finish_code", tests, NULL, NULL);
}
