// SPDX-License-Identifier: Apache-2.0
/*
 * Pieces of code as the assembler makes them, lying in this program as data, are followed from their first byte on; the rows before each
 * instruction are compared with what the code does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/object/stack_state.h"
#include "user/object/x86_insn.h"

#define CODE(name, text)                                                                    \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection"); \
	extern const uint8_t name[] __attribute__((visibility("hidden")));                  \
	extern const uint8_t name##_end[] __attribute__((visibility("hidden")))

struct wanted {
	uint8_t cfa;
	int16_t cfa_off;
	uint8_t saved;
	int16_t fp_off;
};
#define SP(off)                                  \
	{                                        \
		ROW_REG_RSP, off, ROW_FP_SAME, 0 \
	}
#define SP_SAVED(off, at)                           \
	{                                           \
		ROW_REG_RSP, off, ROW_FP_AT_CFA, at \
	}
#define SP_LOST(off)                                \
	{                                           \
		ROW_REG_RSP, off, ROW_FP_UNKNOWN, 0 \
	}
#define FP(off, at)                                 \
	{                                           \
		ROW_REG_RBP, off, ROW_FP_AT_CFA, at \
	}
#define COPY(reg, off)                   \
	{                                \
		reg, off, ROW_FP_SAME, 0 \
	}
/* The CFA less `off` is in the word that the register points at. */
#define KEPT(reg, off, ...)                                                        \
	{                                                                          \
		reg | ROW_CFA_DEREF | (off) << ROW_DEREF_ADD_SHIFT, 0, __VA_ARGS__ \
	}
#define KIND(kind)            \
	{                     \
		kind, 0, 0, 0 \
	}

static void expect(const uint8_t *code, const uint8_t *end, unsigned int habits, const struct wanted *wanted,
		   size_t n)
{
	struct stack_state s = stack_state__at_entry();
	size_t i = 0;

	for (; code < end; i++) {
		struct unwind_row row = stack_state__row(&s);
		struct x86_insn in;

		assert_true(i < n);
		if (row.cfa != wanted[i].cfa || row.cfa_off != wanted[i].cfa_off ||
		    row.saved != wanted[i].saved || row.fp_off != wanted[i].fp_off)
			fail_msg("instruction %zu: cfa %#x %d saved %#x %d", i, row.cfa, row.cfa_off,
				 row.saved, row.fp_off);
		assert_int_equal(x86_insn__parse(code, end - code, &in), 0);
		stack_state__step(&s, &in, habits);
		code += in.len;
	}
	assert_int_equal(i, n);
}
#define EXPECT(name, habits, ...)                                                                \
	do {                                                                                     \
		static const struct wanted wanted_[] = {__VA_ARGS__};                            \
		expect(name, name##_end, habits, wanted_, sizeof(wanted_) / sizeof(wanted_[0])); \
	} while (0)

CODE(frame, "push %rbp; mov %rsp,%rbp; sub $32,%rsp; and $-64,%rsp; nop; leave; ret");

static void a_frame_is_followed_through_realignment(void **state)
{
	(void)state;
	EXPECT(frame, 0, SP(1), SP(2), SP_SAVED(2, -2), SP_SAVED(6, -2), FP(2, -2), FP(2, -2), SP(1));
}

CODE(pushes,
     "push %r15; push %rbp; push %rbx; sub $0x1000,%rsp; xor %ebp,%ebp; call 1f; add $0x1000,%rsp\n1: "
     "pop %rbx; pop %rbp; pop %r15; ret");

static void a_pushed_frame_pointer_comes_back_with_its_pop(void **state)
{
	(void)state;
	EXPECT(pushes, 0, SP(1), SP(2), SP(3), SP(4), SP(516), SP_SAVED(516, -3), SP_SAVED(516, -3),
	       SP_SAVED(4, -3), SP_SAVED(3, -3), SP(2), SP(1));
}

CODE(stored, "sub $24,%rsp; mov %rbp,16(%rsp); lea 16(%rsp),%rbp; nop; mov 16(%rsp),%rbp; add $24,%rsp; ret");

static void a_stored_frame_pointer_comes_back_with_its_load(void **state)
{
	(void)state;
	EXPECT(stored, 0, SP(1), SP(4), SP(4), SP_SAVED(4, -2), SP_SAVED(4, -2), SP(4), SP(1));
}

CODE(copied, "mov %rsp,%rax; mov %rbp,%r9; sub $100,%rsp; mov %rax,%rsp; mov $1,%ebp; mov %r9,%rbp; ret");
CODE(aligned,
     "push %rbx; mov %rsp,%rcx; and $-32,%rsp; mov %rcx,%rsi; xor %ecx,%ecx; mov %rsi,%rsp; pop %rbx; ret");

static void copies_in_registers_are_followed(void **state)
{
	(void)state;
	/* 100 is no multiple of 8: where the stack pointer is is not known then, but where it was */
	EXPECT(copied, 0, SP(1), SP(1), SP(1), COPY(ROW_REG_RAX, 1), SP(1), SP_LOST(1), SP(1));
	/* by the numbers that rows have for registers; of two copies the last is known */
	EXPECT(aligned, 0, SP(1), SP(2), SP(2), COPY(ROW_REG_RCX, 2), COPY(ROW_REG_RSI, 2),
	       COPY(ROW_REG_RSI, 2), SP(2), SP(1));
}

CODE(kept, "push %rbp; mov %rsp,%rax; sub $4,%rsp; and $-16,%rsp; mov %rax,(%rsp); mov %rsp,%rbp; lea "
	   "-32(%rbp),%rsp; "
	   "push %r10; mov %rdi,%rax; call kept; pop %r10; mov %rbp,%rsp; pop %rsp; pop %rbp; ret");
CODE(kept_over, "mov %rsp,%rax; and $-16,%rsp; mov %rax,(%rsp); push %rcx; pop %rcx; mov %rcx,(%rsp); mov "
		"(%rsp),%rsp; ret");
CODE(kept_written,
     "mov %rsp,%rax; and $-16,%rsp; mov %rax,(%rsp); mov %rsp,%rbp; xor %eax,%eax; movups %xmm0,-16(%rbp); "
     "mov (%rbp),%rcx; movb $1,7(%rbp); nop");
CODE(kept_whole,
     "lea 8(%rsp),%rax; and $-16,%rsp; mov %rax,(%rsp); mov %rsp,%rbp; sub $32,%rsp; mov %rbp,%rsp; nop");
CODE(kept_in_frame,
     "push %rbp; mov %rsp,%rbp; and $-32,%rsp; lea -8(%rbp),%rax; mov %rax,(%rsp); call kept; nop");
CODE(kept_far, "sub $32,%rsp; mov %rsp,%rax; and $-16,%rsp; mov %rax,(%rsp); nop");
CODE(kept_beside,
     "mov %rsp,%rax; and $-16,%rsp; mov %rax,8(%rsp); mov %rax,(%rsp,%rcx,8); mov %rax,%fs:(%rsp); nop");

static void where_the_stack_was_is_kept_in_a_word_at_the_aligned_one(void **state)
{
	(void)state;
	EXPECT(kept, 0, SP(1), SP(2), SP(2), COPY(ROW_REG_RAX, 2), COPY(ROW_REG_RAX, 2),
	       KEPT(ROW_REG_RSP, 2, ROW_FP_SAME, 0), KEPT(ROW_REG_RSP, 2, ROW_FP_AT_CFA, -2),
	       KEPT(ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2), KEPT(ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2),
	       KEPT(ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2), KEPT(ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2),
	       KEPT(ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2), KEPT(ROW_REG_RSP, 2, ROW_FP_AT_CFA, -2),
	       SP_SAVED(2, -2), SP(1));
	/* what moves the stack pointer leaves the word behind */
	EXPECT(kept_over, 0, SP(1), SP(1), COPY(ROW_REG_RAX, 1), KEPT(ROW_REG_RSP, 1, ROW_FP_SAME, 0),
	       COPY(ROW_REG_RAX, 1), COPY(ROW_REG_RAX, 1), COPY(ROW_REG_RAX, 1), KIND(ROW_CFA_NONE));
	/* until it is written to; beside it lies what the function has for itself */
	EXPECT(kept_written, 0, SP(1), SP(1), COPY(ROW_REG_RAX, 1), KEPT(ROW_REG_RSP, 1, ROW_FP_SAME, 0),
	       KEPT(ROW_REG_RSP, 1, ROW_FP_UNKNOWN, 0), KEPT(ROW_REG_RSP, 1, ROW_FP_UNKNOWN, 0),
	       KEPT(ROW_REG_RSP, 1, ROW_FP_UNKNOWN, 0), KEPT(ROW_REG_RSP, 1, ROW_FP_UNKNOWN, 0),
	       {ROW_REG_RCX, 1, ROW_FP_UNKNOWN, 0});
	EXPECT(kept_whole, 0, SP(1), SP(1), COPY(ROW_REG_RAX, 0), KEPT(ROW_REG_RSP, 0, ROW_FP_SAME, 0),
	       KEPT(ROW_REG_RSP, 0, ROW_FP_UNKNOWN, 0), KEPT(ROW_REG_RBP, 0, ROW_FP_UNKNOWN, 0),
	       KEPT(ROW_REG_RSP, 0, ROW_FP_UNKNOWN, 0));
	/* an argument that is an address of the frame is no such word */
	EXPECT(kept_in_frame, 0, SP(1), SP(2), SP_SAVED(2, -2), FP(2, -2), FP(2, -2), FP(2, -2), FP(2, -2));
	/* a row adds up to three words */
	EXPECT(kept_far, 0, SP(1), SP(5), SP(5), COPY(ROW_REG_RAX, 5), COPY(ROW_REG_RAX, 5));
	EXPECT(kept_beside, 0, SP(1), SP(1), COPY(ROW_REG_RAX, 1), COPY(ROW_REG_RAX, 1), COPY(ROW_REG_RAX, 1),
	       COPY(ROW_REG_RAX, 1));
}

CODE(alloca_, "push %rbp; mov %rsp,%rbp; sub %rax,%rsp; lea (%rsp,%rcx,8),%rsp; lea -8(%rbp),%rsp; pop %rbx; "
	      "pop %rbp; ret");

static void space_of_unknown_size_leaves_the_frame_pointer(void **state)
{
	(void)state;
	EXPECT(alloca_, 0, SP(1), SP(2), SP_SAVED(2, -2), FP(2, -2), FP(2, -2), SP_SAVED(3, -2),
	       SP_SAVED(2, -2), SP(1));
}

CODE(switched,
     "push %rbp; mov %rsp,%rbp; mov 56(%rdx),%rsp; call *%rdi; mov 56(%rax),%rsp; mov 96(%rax),%rbp; pop "
     "%rbp; ret");

static void another_stack_is_left_by_the_frame_pointer(void **state)
{
	(void)state;
	EXPECT(switched, STACK_HABIT_GO, SP(1), SP(2), SP_SAVED(2, -2), KIND(ROW_CFA_SWITCH),
	       KIND(ROW_CFA_SWITCH), KIND(ROW_CFA_SWITCH), KIND(ROW_CFA_SWITCH), SP(1));
	/* others load something else there */
	EXPECT(switched, 0, SP(1), SP(2), SP_SAVED(2, -2), KIND(ROW_CFA_SWITCH), KIND(ROW_CFA_SWITCH),
	       KIND(ROW_CFA_SWITCH), KIND(ROW_CFA_NONE), KIND(ROW_CFA_NONE));
}

CODE(unknown, "mov %rdi,%rsp; push %rax; ret");
CODE(popped, "pop %rdi; jmp *%rdi");
CODE(short_push, "pushw %ax; popw %ax; ret");
CODE(own_address, "call 1f; 1: pop %rax; ret");
CODE(segment, "push %rbp; xor %ebp,%ebp; mov %fs:(%rsp),%rbp; nop");

static void what_is_not_understood_is_not_known(void **state)
{
	(void)state;
	EXPECT(unknown, 0, SP(1), KIND(ROW_CFA_NONE), KIND(ROW_CFA_NONE));
	EXPECT(popped, 0, SP(1), KIND(ROW_CFA_NONE));
	EXPECT(short_push, 0, SP(1), KIND(ROW_CFA_NONE), KIND(ROW_CFA_NONE));
	EXPECT(own_address, 0, SP(1), SP(2), SP(1));
	/* the same displacement in another segment is another place */
	EXPECT(segment, 0, SP(1), SP(2), SP_SAVED(2, -2), SP_SAVED(2, -2));
}

static void two_ways_agree_on_what_both_know(void **state)
{
	struct stack_state a = stack_state__at_entry(), b = a;

	(void)state;
	assert_false(stack_state__meet(&a, &b));
	b.sp = 3;
	assert_true(stack_state__meet(&a, &b));
	assert_int_equal(stack_state__row(&a).cfa, ROW_CFA_NONE);
	assert_false(stack_state__meet(&a, &b));
	a = b = (struct stack_state){.sp = 4,
				     .fp_kind = STACK_FP_FRAME,
				     .fp = 2,
				     .slot = 2,
				     .copy_reg = X86_NO_REG,
				     .callers_reg = X86_NO_REG};
	b.sp = 6;
	assert_true(stack_state__meet(&a, &b));
	assert_int_equal(stack_state__row(&a).cfa, ROW_REG_RBP);
	b.slot = 0;
	assert_true(stack_state__meet(&a, &b));
	assert_int_equal(stack_state__row(&a).saved, ROW_FP_UNKNOWN);
}

static void calls_need_an_aligned_stack_except_in_go(void **state)
{
	struct stack_state s = stack_state__at_entry();

	(void)state;
	assert_true(stack_state__is_misaligned(&s, 0));
	assert_false(stack_state__is_misaligned(&s, STACK_HABIT_GO));
	s.sp = 2;
	assert_false(stack_state__is_misaligned(&s, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_followed_through_realignment),
		cmocka_unit_test(a_pushed_frame_pointer_comes_back_with_its_pop),
		cmocka_unit_test(a_stored_frame_pointer_comes_back_with_its_load),
		cmocka_unit_test(copies_in_registers_are_followed),
		cmocka_unit_test(where_the_stack_was_is_kept_in_a_word_at_the_aligned_one),
		cmocka_unit_test(space_of_unknown_size_leaves_the_frame_pointer),
		cmocka_unit_test(another_stack_is_left_by_the_frame_pointer),
		cmocka_unit_test(what_is_not_understood_is_not_known),
		cmocka_unit_test(two_ways_agree_on_what_both_know),
		cmocka_unit_test(calls_need_an_aligned_stack_except_in_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
