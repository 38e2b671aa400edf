// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/frame.h"
#include "user/object/unwind_row.h"
#include "user/runtime/jvm_rows.h"

#define LOW 0x7f1200030000ull /* the third page of its 2^40 bytes */

static struct jvm_prologue parse(const char *bytes, size_t len)
{
	return jvm_prologue__parse((const uint8_t *)bytes, len);
}

static void assert_prologue(struct jvm_prologue p, int push, int sub, int store)
{
	assert_int_equal(p.has_push, push >= 0);
	assert_int_equal(p.after_push, push >= 0 ? push : 0);
	assert_int_equal(p.has_sub, sub >= 0);
	assert_int_equal(p.after_sub, sub >= 0 ? sub : 0);
	assert_int_equal(p.after_store, store);
}

#define PARSE(bytes) parse(bytes, sizeof(bytes) - 1)

static void each_way_to_set_up_a_frame(void **state)
{
	(void)state;
	/* mov %eax,-0x14000(%rsp); push %rbp; sub $0x30,%rsp */
	assert_prologue(PARSE("\x89\x84\x24\x00\xc0\xfe\xff\x55\x48\x83\xec\x30"), 4, 0, 0);
	assert_prologue(PARSE("\x55\x48\x81\xec\x30\x01\x00\x00"), 7, 0, 0);
	/* -XX:+PreserveFramePointer: mov %rsp,%rbp between, in both encodings */
	assert_prologue(PARSE("\x55\x48\x8b\xec\x48\x83\xec\x30"), 7, 0, 0);
	assert_prologue(PARSE("\x55\x48\x89\xe5\x48\x83\xec\x30"), 7, 0, 0);
	/* sub first, then mov %rbp,0x10(%rsp) or 0x110(%rsp) */
	assert_prologue(PARSE("\x48\x83\xec\x18\x48\x89\x6c\x24\x10"), -1, 5, 0);
	assert_prologue(PARSE("\x48\x81\xec\x18\x01\x00\x00\x48\x89\xac\x24\x10\x01\x00\x00"), -1, 8, 0);
	/* nothing but a push, and nothing */
	assert_prologue(PARSE("\x90\x55"), 0, -1, 0);
	assert_prologue(PARSE("\x90\x90"), -1, -1, 0);
	assert_prologue(PARSE(""), -1, -1, 0);
	/* the last sub is the frame's; instructions behind it */
	assert_prologue(PARSE("\x48\x83\xec\x08\x55\x48\x83\xec\x30\x90\x90"), 6, 2, 0);
}

static const struct unwind_row *row_at(const struct jvm_code *code, uint64_t pc)
{
	static struct unwind_row rows[64];
	uint32_t n;

	assert_int_equal(jvm_rows__build(code, pc, rows, 64, &n), 0);
	assert_int_equal(rows[0].pc, 0);
	for (uint32_t i = 1; i < n; i++)
		assert_true(rows[i].pc > rows[i - 1].pc);
	return unwind_row__find(rows, n, (uint16_t)pc);
}

static void assert_frame(const struct unwind_row *row, int words, int fp_is_saved)
{
	assert_int_equal(row->cfa, ROW_REG_RSP);
	assert_int_equal(row->cfa_off, words);
	assert_int_equal(ROW_FP_RULE(row->saved), fp_is_saved ? ROW_FP_AT_CFA : ROW_FP_SAME);
	assert_int_equal(row->fp_off, fp_is_saved ? -2 : 0);
}

static void each_kind_of_piece_has_its_rows(void **state)
{
	struct jvm_blob blobs[] = {
		{.start = LOW + 0x100, .bytes = 0x40, .kind = JVM_BLOB_STUBS, .frame_complete = -1},
		{.start = LOW + 0x200, .bytes = 0x100, .kind = JVM_BLOB_INTERPRETER, .frame_complete = -1},
		{.start = LOW + 0x300, .bytes = 0x20, .kind = JVM_BLOB_BARE, .frame_complete = -1},
		{.start = LOW + 0x400,
		 .bytes = 0x80,
		 .kind = JVM_BLOB_COMPILED,
		 .frame_complete = 20,
		 .frame_bytes = 64,
		 .prologue = {.has_push = 1, .after_push = 7, .has_sub = 1}},
		{.start = LOW + 0x500,
		 .bytes = 0x80,
		 .kind = JVM_BLOB_COMPILED,
		 .frame_complete = 20,
		 .frame_bytes = 64,
		 .prologue = {.has_sub = 1, .after_sub = 5}},
		{.start = LOW + 0x600,
		 .bytes = 0x80,
		 .kind = JVM_BLOB_COMPILED,
		 .frame_complete = -1,
		 .frame_bytes = 1 << 19},
		{.start = LOW + 0xff00,
		 .bytes = 0x400,
		 .kind = JVM_BLOB_COMPILED,
		 .frame_complete = -1,
		 .frame_bytes = 16},
	};
	const struct jvm_code code = {.blobs = blobs, .n = 7, .low = LOW, .high = LOW + 0x100000};
	const struct unwind_row *row;

	(void)state;
	assert_int_equal(row_at(&code, LOW)->cfa, ROW_CFA_NONE);
	assert_int_equal(row_at(&code, LOW + 0x100)->cfa, ROW_CFA_FRAME_POINTER);
	assert_int_equal(row_at(&code, LOW + 0x140)->cfa, ROW_CFA_NONE);
	assert_int_equal(row_at(&code, LOW + 0x200)->cfa, ROW_CFA_INTERPRETER);
	assert_int_equal(row_at(&code, LOW + 0x2ff)->cfa, ROW_CFA_INTERPRETER);
	assert_frame(row_at(&code, LOW + 0x300), 1, 0);
	assert_int_equal(row_at(&code, LOW + 0x320)->cfa, ROW_CFA_NONE);
	assert_frame(row_at(&code, LOW + 0x400), 1, 0);
	assert_frame(row_at(&code, LOW + 0x40d), 2, 1);
	assert_frame(row_at(&code, LOW + 0x413), 2, 1);
	assert_frame(row_at(&code, LOW + 0x414), 8, 1);
	assert_frame(row_at(&code, LOW + 0x47f), 8, 1);
	assert_frame(row_at(&code, LOW + 0x50e), 1, 0);
	assert_frame(row_at(&code, LOW + 0x50f), 8, 0);
	assert_frame(row_at(&code, LOW + 0x514), 8, 1);
	row = row_at(&code, LOW + 0x600);
	assert_int_equal(unwind_row__cfa_bytes(row), 1 << 19);
	/* a piece goes on in the next page, by an address or by what a frame has of it */
	assert_frame(row_at(&code, LOW + 0xff00), 2, 1);
	assert_frame(row_at(&code, LOW + 0x10000), 2, 1);
	assert_frame(row_at(&code, (LOW + 0x102ff) & FRAME_VADDR_MASK), 2, 1);
	assert_int_equal(row_at(&code, LOW + 0x10300)->cfa, ROW_CFA_NONE);
}

static void a_page_without_code_is_none(void **state)
{
	struct jvm_blob blob = {.start = LOW + 0x100, .bytes = 0x40, .kind = JVM_BLOB_BARE};
	struct jvm_code code = {.blobs = &blob, .n = 1, .low = LOW, .high = LOW + 0x100000};
	struct unwind_row rows[2];
	uint32_t n;

	(void)state;
	assert_int_equal(jvm_rows__build(&code, LOW + 0x10000, rows, 2, &n), -ENOENT);
	assert_int_equal(jvm_rows__build(&code, LOW, rows, 2, &n), -E2BIG);
	code.n = 0;
	assert_int_equal(jvm_rows__build(&code, LOW, rows, 2, &n), -ENOENT);
}

/* Code on both sides of where the bits that a frame has of an address begin again. */
static void the_bits_above_a_frame_are_found_again(void **state)
{
	const uint64_t edge = 0x7f0000000000ull;
	struct jvm_blob blobs[] = {
		{.start = edge - 0x100, .bytes = 0x40, .kind = JVM_BLOB_BARE},
		{.start = edge + 0x100, .bytes = 0x40, .kind = JVM_BLOB_INTERPRETER},
	};
	const struct jvm_code code = {
		.blobs = blobs, .n = 2, .low = edge - 0x100000, .high = edge + 0x100000};

	(void)state;
	assert_frame(row_at(&code, (edge - 0x100) & FRAME_VADDR_MASK), 1, 0);
	assert_int_equal(row_at(&code, (edge + 0x100) & FRAME_VADDR_MASK)->cfa, ROW_CFA_INTERPRETER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_to_set_up_a_frame),
		cmocka_unit_test(each_kind_of_piece_has_its_rows),
		cmocka_unit_test(a_page_without_code_is_none),
		cmocka_unit_test(the_bits_above_a_frame_are_found_again),
	};

	return cmocka_run_group_tests_name("jvm_rows", tests, NULL, NULL);
}
