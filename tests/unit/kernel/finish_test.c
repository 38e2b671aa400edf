// SPDX-License-Identifier: Apache-2.0
/*
 * Walks over stacks made by hand, one for each kind of row, with the frames that must come out.
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

#include "tests/unit/kernel/finish_world.h"

/* Rows of most tests: a plain function at 0x1000, `main` at 0x2000, the end mark at 0x3000. */
static void usual_rows(struct world *w)
{
	row(w, 0, ROW_CFA_NONE, 0, 0, 0);
	row(w, 0x1000, ROW_REG_RSP, 2, ROW_FP_SAME, 0);
	row(w, 0x2000, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	row(w, 0x3100, ROW_CFA_NONE, 0, 0, 0);
}

static void stack_pointer_rows_lead_to_the_end_mark(void **state)
{
	struct world *w = *state;

	usual_rows(w);
	put(w, STACK + 8, CODE + 0x2005);  /* CFA = SP + 16 */
	put(w, STACK + 16, CODE + 0x3009); /* CFA = SP + 8 */
	walk(w, CODE + 0x1010);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x1010), FRAME(CODE + 0x2004), FRAME(CODE + 0x3008));
	assert_int_equal(w->walk.sp, STACK + 24);
	assert_true(end_is_complete(w->walk.end));
}

static void a_row_holds_up_to_the_next_one(void **state)
{
	struct world *w = *state;

	usual_rows(w);
	put(w, STACK + 8, CODE + 0x3000 + 1); /* the first instruction of the end-marked code */
	walk(w, CODE + 0x1fff);               /* the last byte before 0x2000 */
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x1fff), FRAME(CODE + 0x3000));
}

static void a_call_at_the_end_of_a_function_belongs_to_it(void **state)
{
	struct world *w = *state;

	/* the return address is 0x3000, where the next function starts; the call before it is still in 0x2000 */
	usual_rows(w);
	put(w, STACK + 8, CODE + 0x3000);
	put(w, STACK + 16, CODE + 0x3005);
	walk(w, CODE + 0x1000);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x1000), FRAME(CODE + 0x2fff), FRAME(CODE + 0x3004));
}

static void frame_pointer_rows_restore_the_callers_frame_pointer(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	w->record->fp = STACK + 64;
	put(w, STACK + 64, STACK + 128); /* saved FP */
	put(w, STACK + 72, CODE + 0x105);
	put(w, STACK + 128, 0);
	put(w, STACK + 136, CODE + 0x3001);
	walk(w, CODE + 0x200);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x200), FRAME(CODE + 0x104), FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.fp, 0);
}

static void a_frame_pointer_saved_elsewhere_is_found(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_REG_RSP, 6, ROW_FP_AT_CFA, -4); /* pushed third */
	row(w, 0x2000, ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	put(w, STACK + 16, STACK + 256);
	put(w, STACK + 40, CODE + 0x2011);
	put(w, STACK + 264, CODE + 0x3001);
	walk(w, CODE + 0x100);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x100), FRAME(CODE + 0x2010), FRAME(CODE + 0x3000));
}

static void a_realigned_stack_is_left_by_dereference(void **state)
{
	struct world *w = *state;

	/* CFA = *(FP - 8) + 8, and the caller's FP lies at *(FP + 0): what gcc makes for main() that needs 32-byte alignment */
	row(w, 0, ROW_REG_RBP | ROW_CFA_DEREF | 1 << ROW_DEREF_ADD_SHIFT, -1, ROW_FP_AT_FP, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	w->record->fp = STACK + 128;
	put(w, STACK + 120, STACK + 512);
	put(w, STACK + 128, 0xabcd);
	put(w, STACK + 512, CODE + 0x3001); /* CFA = 520, RA at 512 */
	walk(w, CODE + 0x40);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x40), FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.sp, STACK + 520);
	assert_int_equal(w->walk.fp, 0xabcd);
}

static void plt_entry_before_its_push(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_CFA_PLT, 11, ROW_FP_SAME, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	put(w, STACK, CODE + 0x3001);
	put(w, STACK + 8, 0xdead);
	walk(w, CODE + 0x20 + 10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x2a), FRAME(CODE + 0x3000));
}

static void plt_entry_after_its_push(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_CFA_PLT, 11, ROW_FP_SAME, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	put(w, STACK, 3); /* the pushed index */
	put(w, STACK + 8, CODE + 0x3001);
	walk(w, CODE + 0x20 + 11);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x2b), FRAME(CODE + 0x3000));
}

/* The registers of the interrupted code as the kernel lays them out from SP + 40 on: r8..r15 di si bp bx dx ax cx sp ip. */
static void put_ucontext(struct world *w, uint64_t sp, const uint64_t regs[17])
{
	for (int i = 0; i < 17; i++)
		put(w, sp + 40 + (uint64_t)i * 8, regs[i]);
}

static void a_signal_frame_leads_back_to_the_interrupted_instruction(void **state)
{
	struct world *w = *state;
	const uint64_t interrupted_sp = STACK + 1024;
	const uint64_t regs[17] = {8,
				   9,
				   10,
				   11,
				   12,
				   13,
				   14,
				   15,
				   5,
				   4,
				   0x666,
				   3,
				   1,
				   STACK + 2048,
				   2,
				   interrupted_sp,
				   CODE + 0x1000};

	row(w, 0, ROW_CFA_NONE, 0, 0, 0);
	row(w, 0x500, ROW_REG_RSP, 1, ROW_FP_SAME, 0); /* the handler */
	row(w, 0x800, ROW_CFA_SIGNAL, 0, 0, 0);
	row(w, 0x1000, ROW_REG_RAX, 1, ROW_FP_SAME,
	    0); /* holds at its very first instruction, and needs a register */
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	put(w, STACK, CODE + 0x810);
	put_ucontext(w, STACK + 8, regs);
	put(w, STACK + 2048, CODE + 0x3001); /* CFA = RAX + 8 */
	walk(w, CODE + 0x510);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x510), FRAME(CODE + 0x80f), FRAME(CODE + 0x1000),
	       FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.fp, 0x666);
}

static void every_register_of_a_signal_frame_has_its_place(void **state)
{
	struct world *w = *state;
	/* DWARF order: ax dx cx bx si di bp sp r8..r15 */
	const uint64_t want[16] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, STACK + 512,
				   0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};
	const uint64_t regs[17] = {0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,        0x1f,         0x15,
				   0x14, 0x16, 0x13, 0x11, 0x10, 0x12, STACK + 512, CODE + 0x3000};

	row(w, 0, ROW_CFA_SIGNAL, 0, 0, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	put_ucontext(w, STACK, regs);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x3000));
	for (int i = 0; i < 16; i++)
		assert_int_equal(w->walk.regs[i], want[i]);
}

static void a_return_address_may_be_in_a_register(void **state)
{
	struct world *w = *state;

	/* vfork: the return address was popped into RDI, and CFA is SP */
	row(w, 0, ROW_REG_RSP, 0, ROW_RA_REG | ROW_REG_RDI << ROW_RA_REG_SHIFT, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	w->record->regs[ROW_REG_RDI] = CODE + 0x3001;
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x3000));
}

static void a_leafs_register_is_not_known_further_up(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	row(w, 0x1000, ROW_REG_R15, 1, ROW_FP_SAME, 0);
	row(w, 0x2000, ROW_REG_RSP, 1, ROW_RA_REG | ROW_REG_RDI << ROW_RA_REG_SHIFT, 0);
	w->record->regs[15] = STACK + 64;
	put(w, STACK, CODE + 0x11);
	put(w, STACK + 8, CODE + 0x1001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_LEAF_REGISTER, FRAME(CODE + 0x10), FRAME(CODE + 0x10), FRAME(CODE + 0x1000),
	       frame_of_cut(END_LEAF_REGISTER));
	put(w, STACK, CODE + 0x2001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_LEAF_REGISTER, FRAME(CODE + 0x10), FRAME(CODE + 0x2000),
	       frame_of_cut(END_LEAF_REGISTER));
}

/* AES-GCM of libcrypto, which keeps its CFA in RAX: the helper that it calls leaves that alone. Whether it did is told by what then is the return address. */
static void a_leafs_register_may_be_that_of_its_caller(void **state)
{
	struct world *w = *state;

	w->has_code = true;
	row(w, 0, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	row(w, 0x1000, ROW_REG_RAX, 1, ROW_FP_AT_CFA, -3);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	w->record->regs[ROW_REG_RAX] = STACK + 64;
	put(w, STACK, CODE + 0x1010);
	put(w, STACK + 48, 0xfacade);
	put(w, STACK + 64, CODE + 0x3010);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x100f), FRAME(CODE + 0x300f));
	assert_int_equal(w->walk.fp, 0xfacade);
	assert_true(w->walk.derived);
	/* nobody was called from there */
	put(w, STACK + 64, CODE + 0x3011);
	walk(w, CODE + 0x10);
	EXPECT(w, END_NO_CALL, FRAME(CODE + 0x10), FRAME(CODE + 0x100f), frame_of_cut(END_NO_CALL));
	/* below the stack */
	w->record->regs[ROW_REG_RAX] = STACK - 64;
	walk(w, CODE + 0x10);
	EXPECT(w, END_BAD_SP, FRAME(CODE + 0x10), FRAME(CODE + 0x100f), frame_of_cut(END_BAD_SP));
	/* where the kernel's part of the walk ended at the caller */
	w->record->regs[ROW_REG_RAX] = STACK + 64;
	put(w, STACK + 64, CODE + 0x3010);
	w->record->leaf = 0;
	w->record->near_leaf = 1;
	walk(w, CODE + 0x1010);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x100f), FRAME(CODE + 0x300f));
	w->record->near_leaf = 0;
	walk(w, CODE + 0x1010);
	EXPECT(w, END_LEAF_REGISTER, FRAME(CODE + 0x100f), frame_of_cut(END_LEAF_REGISTER));
}

static void uncovered_code_is_followed_by_a_plausible_frame_pointer(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_CFA_NONE, 0, 0, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	w->record->fp = STACK + 32;
	put(w, STACK + 32, 0x77);
	put(w, STACK + 40, CODE + 0x3001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.sp, STACK + 48);
	assert_int_equal(w->walk.fp, 0x77);
}

static void uncovered_code_without_one_is_not_covered(void **state)
{
	static const uint64_t implausible[] = {STACK - 8, STACK + 33, STACK + (1ull << 24) + 8, 1,
					       UINT64_MAX - 7};
	struct world *w = *state;

	row(w, 0, ROW_CFA_NONE, 0, 0, 0);
	for (size_t i = 0; i < sizeof(implausible) / sizeof(*implausible); i++) {
		w->record->fp = implausible[i];
		walk(w, CODE + 0x10);
		EXPECT(w, END_NOT_COVERED, FRAME(CODE + 0x10), frame_of_cut(END_NOT_COVERED));
	}
	w->record->fp = 0;
	walk(w, CODE + 0x10);
	EXPECT(w, END_FP_ZERO, FRAME(CODE + 0x10), frame_of_cut(END_FP_ZERO));
}

static void an_object_without_rows_is_uncovered(void **state)
{
	struct world *w = *state;

	w->record->fp = STACK + 1; /* not one */
	walk(w, CODE + 0x10);
	EXPECT(w, END_NOT_COVERED, FRAME(CODE + 0x10), frame_of_cut(END_NOT_COVERED));
}

static void code_in_no_file_is_followed_by_frame_pointers_and_stays_raw(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_CFA_END, 0, 0, 0);
	w->record->fp = STACK + 16;
	put(w, STACK + 16, STACK + 48);
	put(w, STACK + 24, JIT + 0x201);
	put(w, STACK + 48, 0);
	put(w, STACK + 56, CODE + 0x11);
	walk(w, JIT + 0x100);
	EXPECT(w, END_END_MARK, frame_of_raw(JIT + 0x100), frame_of_raw(JIT + 0x200), FRAME(CODE + 0x10));
}

static void code_known_to_keep_frame_pointers_says_when_it_has_none(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_CFA_FRAME_POINTER, 0, 0, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	w->record->fp = STACK + 16;
	put(w, STACK + 24, CODE + 0x3001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x3000));
	w->record->fp = STACK - 16;
	walk(w, CODE + 0x10);
	EXPECT(w, END_BAD_FP, FRAME(CODE + 0x10), frame_of_cut(END_BAD_FP));
}

static void a_function_that_left_its_stack_is_found_by_its_frame(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_CFA_SWITCH, 0, 0, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	/* below the stack pointer, as a thread's stack may lie */
	w->record->sp = STACK + 1024;
	w->record->fp = STACK + 16;
	put(w, STACK + 16, 0);
	put(w, STACK + 24, CODE + 0x3001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.sp, STACK + 32);
	w->record->fp = STACK + 17;
	walk(w, CODE + 0x10);
	EXPECT(w, END_BAD_FP, FRAME(CODE + 0x10), frame_of_cut(END_BAD_FP));
	w->record->fp = 0;
	walk(w, CODE + 0x10);
	EXPECT(w, END_FP_ZERO, FRAME(CODE + 0x10), frame_of_cut(END_FP_ZERO));
}

static void an_unsupported_rule_is_named(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_CFA_UNSUPPORTED, 0, 0, 0);
	w->record->fp = STACK + 16; /* plausible, and not to be guessed with */
	walk(w, CODE + 0x10);
	EXPECT(w, END_UNSUPPORTED_RULE, FRAME(CODE + 0x10), frame_of_cut(END_UNSUPPORTED_RULE));
}

static void a_lost_frame_pointer_is_not_used(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_REG_RSP, 1, ROW_FP_UNKNOWN, 0);
	row(w, 0x1000, ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2);
	row(w, 0x2000, ROW_CFA_NONE, 0, 0, 0);
	row(w, 0x2800, ROW_REG_RSP, 2, ROW_FP_AT_CFA, -2);
	row(w, 0x2900, ROW_REG_RSP, 1, ROW_FP_AT_FP, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	w->record->fp = STACK + 64; /* looks good, and is clobbered */
	put(w, STACK + 64, 0x1234);
	put(w, STACK + 72, CODE + 0x3001);
	put(w, STACK, CODE + 0x1001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_BAD_FP, FRAME(CODE + 0x10), FRAME(CODE + 0x1000), frame_of_cut(END_BAD_FP));
	put(w, STACK, CODE + 0x2001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_NOT_COVERED, FRAME(CODE + 0x10), FRAME(CODE + 0x2000), frame_of_cut(END_NOT_COVERED));
	/* a caller that saved it makes it known again */
	put(w, STACK, CODE + 0x2801);
	put(w, STACK + 8, 0x4321);
	put(w, STACK + 16, CODE + 0x3001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x2800), FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.fp, 0x4321);
	assert_int_equal(w->walk.fp_unknown, 0);
	/* one that is found by a frame pointer that is lost is lost as well */
	put(w, STACK, CODE + 0x2901);
	put(w, STACK + 8, CODE + 0x3001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x2900), FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.fp_unknown, 1);
}

static void the_walk_goes_on_after_what_the_kernel_had(void **state)
{
	struct world *w = *state;

	usual_rows(w);
	w->record->n_kernel = 2;
	w->record->n_user = 1;
	w->record->words[0] = 0xffffffff81000010ull;
	w->record->words[1] = 0xffffffff81000020ull;
	w->record->words[2] = FRAME(CODE + 0x42);
	w->record->leaf = 0;
	put(w, STACK, CODE + 0x3001);
	walk(w, CODE + 0x2011); /* a return address */
	EXPECT(w, END_END_MARK, 0xffffffff81000010ull, 0xffffffff81000020ull, FRAME(CODE + 0x42),
	       FRAME(CODE + 0x2010), FRAME(CODE + 0x3000));
	assert_int_equal(w->walk.n_kernel, 2);
}

static void a_row_made_from_instructions_has_to_lead_behind_a_call(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_REG_RSP | ROW_DERIVED, 1, ROW_FP_SAME, 0);
	row(w, 0x2000, ROW_CFA_END, 0, 0, 0);
	row(w, 0x3000, ROW_CFA_SIGNAL, 0, 0, 0);
	w->has_code = true;
	put(w, STACK, CODE + 0x2010);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x200f));
	assert_true(w->walk.derived);
	put(w, STACK, CODE + 0x2011);
	walk(w, CODE + 0x10);
	EXPECT(w, END_NO_CALL, FRAME(CODE + 0x10), frame_of_cut(END_NO_CALL));
	/* a signal handler returns to code that calls nothing */
	put(w, STACK, CODE + 0x3005);
	put_ucontext(w, STACK + 8, (const uint64_t[17]){[15] = STACK + 512, [16] = CODE + 0x2011});
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x3004), FRAME(CODE + 0x2011));
	/* nobody knows the code of a JIT: it may be a caller */
	put(w, STACK, JIT + 0x11);
	w->record->fp = 0;
	walk(w, CODE + 0x10);
	EXPECT(w, END_FP_ZERO, FRAME(CODE + 0x10), frame_of_raw(JIT + 0x10), frame_of_cut(END_FP_ZERO));
	/* the same where the CFA is read from a word */
	w->rows[0].cfa = ROW_REG_RSP | ROW_CFA_DEREF;
	w->rows[0].saved = ROW_FP_SAME | ROW_DEREF_DERIVED;
	put(w, STACK + 8, STACK + 32);
	put(w, STACK + 24, CODE + 0x2011);
	walk(w, CODE + 0x10);
	EXPECT(w, END_NO_CALL, FRAME(CODE + 0x10), frame_of_cut(END_NO_CALL));
	put(w, STACK + 24, CODE + 0x2010);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x200f));
	assert_true(w->walk.derived);
	w->rows[0].cfa = ROW_REG_RSP | ROW_DERIVED;
	w->rows[0].saved = ROW_FP_SAME;
	/* nor that of a file that is gone */
	w->has_code = false;
	put(w, STACK, CODE + 0x2011);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x2010));
	/* a rule of the file needs no second opinion */
	w->has_code = true;
	w->rows[0].cfa = ROW_REG_RSP;
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x2010));
	assert_false(w->walk.derived);
	/* what the kernel did not come to check is checked here */
	w->record->unchecked = 1;
	w->record->leaf = 0;
	walk(w, CODE + 0x2012);
	EXPECT(w, END_NO_CALL, frame_of_cut(END_NO_CALL));
}

static void rbx_is_followed_where_the_file_needs_it(void **state)
{
	struct world *w = *state;

	/* 0x1000: saves RBX; 0x2000: leaves it alone; 0x3000: has its frame by it; 0x4000: in no such file */
	row(w, 0, ROW_CFA_NONE, 0, 0, 0);
	row(w, 0x1000, ROW_REG_RSP, 3, ROW_FP_SAME | ROW_RBX, (int16_t)(uint16_t)(0xfe00));
	row(w, 0x2000, ROW_REG_RSP, 1, ROW_FP_SAME | ROW_RBX, 0);
	row(w, 0x3000, ROW_REG_RBX, 2, ROW_FP_AT_CFA | ROW_RBX, (int16_t)(uint16_t)(0xfdfe));
	row(w, 0x4000, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	row(w, 0x5000, ROW_CFA_END, 0, 0, 0);
	put(w, STACK + 8, STACK + 0x200);     /* RBX, saved at CFA - 16 */
	put(w, STACK + 16, CODE + 0x2001);    /* 0x1000 returns to 0x2000 */
	put(w, STACK + 24, CODE + 0x3001);    /* 0x2000 to 0x3000 */
	put(w, STACK + 0x200, 0xabcde8);      /* RBP, at CFA - 16 */
	put(w, STACK + 0x208, CODE + 0x5001); /* 0x3000 to the root */
	walk(w, CODE + 0x1000);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x1000), FRAME(CODE + 0x2000), FRAME(CODE + 0x3000),
	       FRAME(CODE + 0x5000));
	assert_int_equal(w->walk.fp, 0xabcde8);
	/* as a leaf that has not saved it yet */
	w->record->regs[ROW_REG_RBX] = STACK + 0x200;
	put(w, STACK, CODE + 0x3001);
	walk(w, CODE + 0x2000);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x2000), FRAME(CODE + 0x3000), FRAME(CODE + 0x5000));
	/* through code that says nothing of it, it is lost */
	put(w, STACK, CODE + 0x4001);
	put(w, STACK + 8, CODE + 0x3001);
	walk(w, CODE + 0x4000);
	EXPECT(w, END_LEAF_REGISTER, FRAME(CODE + 0x4000), FRAME(CODE + 0x4000), FRAME(CODE + 0x3000),
	       frame_of_cut(END_LEAF_REGISTER));
	put(w, STACK, CODE + 0x3001);
	/* a walk that the kernel began */
	w->record->leaf = 0;
	w->record->rbx_known = 1;
	w->record->sp = STACK + 32;
	walk(w, CODE + 0x3001);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x3000), FRAME(CODE + 0x5000));
}

static void a_frame_may_be_larger_than_a_row_has_words(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_REG_RSP | ROW_CFA_WIDE, 6, ROW_FP_SAME, 0);
	row(w, 0x2000, ROW_CFA_END, 0, 0, 0);
	put(w, STACK + 40, CODE + 0x2001);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x2000));
	assert_int_equal(w->walk.sp, STACK + 48);
	/* unsigned: this one is above the copied piece, not below */
	w->rows[0].cfa_off = (int16_t)(540080 / 8);
	w->rows[0].saved = 540080 / 8 >> 16 << ROW_WIDE_SHIFT;
	walk(w, CODE + 0x10);
	EXPECT(w, END_STACK_COPY, FRAME(CODE + 0x10), frame_of_cut(END_STACK_COPY));
}

static void a_stack_copy_that_is_too_short_is_named(void **state)
{
	struct world *w = *state;

	usual_rows(w);
	put(w, STACK + 8, CODE + 0x2005);
	put(w, STACK + 16, CODE + 0x3009);
	w->record->stack_bytes = 23; /* the second return address is cut by one byte */
	walk(w, CODE + 0x1010);
	EXPECT(w, END_STACK_COPY, FRAME(CODE + 0x1010), FRAME(CODE + 0x2004), frame_of_cut(END_STACK_COPY));
	w->record->stack_bytes = 0;
	walk(w, CODE + 0x1010);
	EXPECT(w, END_STACK_READ, FRAME(CODE + 0x1010), frame_of_cut(END_STACK_READ)); /* none could be had */
}

/* One frame with a large array on it, and its callers where the stack begins. */
static void the_root_of_a_deep_stack_is_found_across_what_was_not_copied(void **state)
{
	const uint64_t array = 540080, ra_at = STACK + array - 8;
	struct world *w = *state;
	struct unfinished_record *r = w->record;
	uint64_t ra = CODE + 0x2005;

	row(w, 0x1000, ROW_REG_RSP | ROW_CFA_WIDE, (int16_t)(array / 8), array / 8 >> 16 << ROW_WIDE_SHIFT,
	    0);
	row(w, 0x2000, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	row(w, 0x3000, ROW_CFA_END, 0, 0, 0);
	r->root_bytes = 4096;
	r->root_at = ra_at - 512;
	memcpy(unfinished_record__root(r) + 512, &ra, sizeof(ra));
	ra = CODE + 0x3009;
	memcpy(unfinished_record__root(r) + 520, &ra, sizeof(ra));
	walk(w, CODE + 0x1010);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x1010), FRAME(CODE + 0x2004), FRAME(CODE + 0x3008));
	/* a caller that lies between the two pieces is not there */
	r->root_at = ra_at + 1;
	walk(w, CODE + 0x1010);
	EXPECT(w, END_STACK_COPY, FRAME(CODE + 0x1010), frame_of_cut(END_STACK_COPY));
	/* nor one that lies half behind the root piece */
	r->root_at = ra_at - 4092;
	walk(w, CODE + 0x1010);
	EXPECT(w, END_STACK_COPY, FRAME(CODE + 0x1010), frame_of_cut(END_STACK_COPY));
}

static void what_the_ports_do_not_know_ends_the_walk(void **state)
{
	struct world *w = *state;

	usual_rows(w);
	w->rows_end = END_NO_ROWS;
	walk(w, CODE + 0x1010);
	EXPECT(w, END_NO_ROWS, frame_of_cut(END_NO_ROWS));
	w->mapping_end = END_NO_PROCESS;
	walk(w, CODE + 0x1010);
	EXPECT(w, END_NO_PROCESS, frame_of_raw(CODE + 0x1010), frame_of_cut(END_NO_PROCESS));
	w->mapping_end = 0;
	walk(w, 0x900000);
	EXPECT(w, END_NO_MAPPING, frame_of_raw(0x900000), frame_of_cut(END_NO_MAPPING));
}

static void a_stack_pointer_that_does_not_move_up_ends_the_walk(void **state)
{
	struct world *w = *state;

	row(w, 0, ROW_REG_RSP, 0, ROW_FP_SAME, 0);
	row(w, 0x1000, ROW_REG_RSP, -1, ROW_FP_SAME, 0);
	row(w, 0x2000, ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2);
	walk(w, CODE + 0x10);
	EXPECT(w, END_BAD_SP, FRAME(CODE + 0x10), frame_of_cut(END_BAD_SP));
	walk(w, CODE + 0x1000);
	EXPECT(w, END_BAD_SP, FRAME(CODE + 0x1000), frame_of_cut(END_BAD_SP));
	w->record->fp = STACK + 3; /* CFA would not be aligned */
	walk(w, CODE + 0x2000);
	EXPECT(w, END_BAD_SP, FRAME(CODE + 0x2000), frame_of_cut(END_BAD_SP));
}

static void a_return_address_outside_of_user_space_ends_the_walk(void **state)
{
	static const uint64_t bad[] = {0, 1, 4095, 1ull << 56, 0xffffffff81000000ull, UINT64_MAX};
	struct world *w = *state;

	usual_rows(w);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put(w, STACK + 8, bad[i]);
		walk(w, CODE + 0x1010);
		EXPECT(w, END_BAD_PC, FRAME(CODE + 0x1010), frame_of_cut(END_BAD_PC));
	}
}

/* As a stack that was made by hand begins. */
static void a_return_address_of_zero_is_an_end_mark(void **state)
{
	struct world *w = *state;
	struct unfinished_record *r = w->record;

	usual_rows(w);
	row(w, 0x4000, ROW_REG_RBP, 2, ROW_FP_AT_CFA, -2);
	row(w, 0x5000, ROW_REG_RSP | ROW_DERIVED, 1, ROW_FP_SAME, 0);
	row(w, 0x6000, ROW_CFA_FRAME_POINTER, 0, 0, 0);
	put(w, STACK + 8, CODE + 0x2005);
	put(w, STACK + 16, 0);
	walk(w, CODE + 0x1010);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x1010), FRAME(CODE + 0x2004));
	/* by a rule that is not the file's */
	put(w, STACK + 8, CODE + 0x5005);
	walk(w, CODE + 0x1010);
	EXPECT(w, END_BAD_PC, FRAME(CODE + 0x1010), FRAME(CODE + 0x5004), frame_of_cut(END_BAD_PC));
	/* by a frame pointer */
	put(w, STACK + 8, CODE + 0x6005);
	r->fp = STACK + 32;
	put(w, STACK + 32, STACK + 64);
	walk(w, CODE + 0x1010);
	EXPECT(w, END_BAD_PC, FRAME(CODE + 0x1010), FRAME(CODE + 0x6004), frame_of_cut(END_BAD_PC));
	/* in code of no file, of which a JIT told the rule */
	put(w, STACK + 8, CODE + 0x2005);
	put(w, STACK + 16, JIT + 5);
	put(w, STACK + 24, 0);
	memcpy(&w->jit_rule, &(struct unwind_row){.cfa = ROW_REG_RSP, .cfa_off = 1}, sizeof(w->jit_rule));
	walk(w, CODE + 0x1010);
	EXPECT(w, END_BAD_PC, FRAME(CODE + 0x1010), FRAME(CODE + 0x2004), frame_of_raw(JIT + 4),
	       frame_of_cut(END_BAD_PC));
}

static void a_zero_of_a_page_that_could_not_be_read_is_none(void **state)
{
	struct world *w = *state;
	struct unfinished_record *r = w->record;

	row(w, 0, ROW_REG_RSP, 2, ROW_FP_SAME, 0);
	row(w, 0x1000, ROW_REG_RSP, 600, ROW_FP_SAME, 0);
	r->stack_bytes = 8192;
	put(w, STACK + 8, CODE + 0x1005);
	walk(w, CODE + 0x10); /* 16 + 4800 - 8: on the second page */
	EXPECT(w, END_STACK_READ, FRAME(CODE + 0x10), FRAME(CODE + 0x1004), frame_of_cut(END_STACK_READ));
	put(w, STACK + 8184, 1);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x1004));
	/* nor is one of the other piece */
	put(w, STACK + 8184, 0);
	r->stack_bytes = 4096;
	r->root_at = STACK + 4096;
	r->root_bytes = 4096;
	walk(w, CODE + 0x10);
	EXPECT(w, END_STACK_READ, FRAME(CODE + 0x10), FRAME(CODE + 0x1004), frame_of_cut(END_STACK_READ));
	put(w, STACK + 8184, 1);
	walk(w, CODE + 0x10);
	EXPECT(w, END_END_MARK, FRAME(CODE + 0x10), FRAME(CODE + 0x1004));
}

static void hostile_registers_do_no_harm(void **state)
{
	static const uint64_t edges[] = {
		0, 1, 7, 8, STACK - 8, STACK + 4096, 1ull << 47, 1ull << 63, UINT64_MAX - 7, UINT64_MAX};
	const size_t n = sizeof(edges) / sizeof(*edges);
	struct world *w = *state;

	row(w, 0, ROW_REG_RBP | ROW_CFA_DEREF | 3 << ROW_DEREF_ADD_SHIFT, INT16_MIN, ROW_FP_AT_FP, INT16_MAX);
	row(w, 0x1000, ROW_REG_RSP, INT16_MAX, ROW_FP_AT_CFA, INT16_MIN);
	row(w, 0x2000, ROW_CFA_SIGNAL, 0, 0, 0);
	row(w, 0x3000, ROW_CFA_PLT, INT16_MIN, 0, 0);
	row(w, 0x4000, 0x1f | ROW_CFA_DEREF, 1, 0xff, 1);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			w->record->sp = edges[i];
			w->record->stack_at = edges[i];
			w->record->fp = edges[j];
			for (uint64_t pc = 0; pc < 0x5000; pc += 0x1000) {
				walk(w, CODE + pc);
				assert_false(end_is_complete(w->walk.end));
				assert_int_equal(w->walk.words[w->walk.n_words - 1],
						 frame_of_cut(w->walk.end));
			}
		}
	}
}

static void unsound_records_are_refused(void **state)
{
	struct world *w = *state;
	const struct finish_ports ports = world__ports(w);
	struct unfinished_record *r = w->record;
	const size_t size = sizeof(*r), head = offsetof(struct unfinished_record, stack);

	r->stack_bytes = 8;
	assert_int_equal(finish__walk(r, head + 8, &ports, &w->walk), 0); /* a small record */
	assert_int_equal(finish__walk(r, head + 7, &ports, &w->walk), -EBADMSG);
	r->stack_bytes = 0;
	assert_int_equal(finish__walk(r, head - 1, &ports, &w->walk), -EBADMSG);
	r->stack_bytes = STACK_WHOLE_MAX + 1;
	assert_int_equal(finish__walk(r, size, &ports, &w->walk), -EBADMSG);
	/* both lengths together go round */
	r->stack_bytes = r->root_bytes = 0x80000000u;
	assert_int_equal(finish__walk(r, size, &ports, &w->walk), -EBADMSG);
	r->stack_bytes = 16;
	r->root_bytes = 8;
	assert_int_equal(finish__walk(r, head + 23, &ports, &w->walk), -EBADMSG);
	assert_int_equal(finish__walk(r, head + 24, &ports, &w->walk), 0);
	r->stack_bytes = r->root_bytes = 0;
	r->n_kernel = KERNEL_FRAMES_MAX + 1;
	assert_int_equal(finish__walk(r, size, &ports, &w->walk), -EBADMSG);
	r->n_kernel = 0;
	r->n_user = USER_FRAMES_MAX + 1;
	assert_int_equal(finish__walk(r, size, &ports, &w->walk), -EBADMSG);
	r->n_user = 0;
	r->n_outer = WALK_FRAMES_MAX + 1;
	assert_int_equal(finish__walk(r, size, &ports, &w->walk), -EBADMSG);
	r->n_outer = 0;
	r->end = END_MAX;
	assert_int_equal(finish__walk(r, size, &ports, &w->walk), -EBADMSG);
}

static void equal_stacks_have_equal_hashes(void **state)
{
	struct world *w = *state;
	uint64_t hash;

	usual_rows(w);
	put(w, STACK + 8, CODE + 0x2005);
	put(w, STACK + 16, CODE + 0x3009);
	walk(w, CODE + 0x1010);
	hash = w->walk.hash;
	walk(w, CODE + 0x1010);
	assert_int_equal(w->walk.hash, hash);
	walk(w, CODE + 0x1011);
	assert_int_not_equal(w->walk.hash, hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stack_pointer_rows_lead_to_the_end_mark),
		TEST(a_row_holds_up_to_the_next_one),
		TEST(a_call_at_the_end_of_a_function_belongs_to_it),
		TEST(frame_pointer_rows_restore_the_callers_frame_pointer),
		TEST(a_frame_pointer_saved_elsewhere_is_found),
		TEST(a_realigned_stack_is_left_by_dereference),
		TEST(plt_entry_before_its_push),
		TEST(plt_entry_after_its_push),
		TEST(a_signal_frame_leads_back_to_the_interrupted_instruction),
		TEST(every_register_of_a_signal_frame_has_its_place),
		TEST(a_return_address_may_be_in_a_register),
		TEST(a_leafs_register_is_not_known_further_up),
		TEST(a_leafs_register_may_be_that_of_its_caller),
		TEST(uncovered_code_is_followed_by_a_plausible_frame_pointer),
		TEST(uncovered_code_without_one_is_not_covered),
		TEST(an_object_without_rows_is_uncovered),
		TEST(code_in_no_file_is_followed_by_frame_pointers_and_stays_raw),
		TEST(code_known_to_keep_frame_pointers_says_when_it_has_none),
		TEST(a_function_that_left_its_stack_is_found_by_its_frame),
		TEST(an_unsupported_rule_is_named),
		TEST(a_lost_frame_pointer_is_not_used),
		TEST(the_walk_goes_on_after_what_the_kernel_had),
		TEST(a_row_made_from_instructions_has_to_lead_behind_a_call),
		TEST(rbx_is_followed_where_the_file_needs_it),
		TEST(a_frame_may_be_larger_than_a_row_has_words),
		TEST(a_stack_copy_that_is_too_short_is_named),
		TEST(the_root_of_a_deep_stack_is_found_across_what_was_not_copied),
		TEST(what_the_ports_do_not_know_ends_the_walk),
		TEST(a_stack_pointer_that_does_not_move_up_ends_the_walk),
		TEST(a_return_address_outside_of_user_space_ends_the_walk),
		TEST(a_return_address_of_zero_is_an_end_mark),
		TEST(a_zero_of_a_page_that_could_not_be_read_is_none),
		TEST(hostile_registers_do_no_harm),
		TEST(unsound_records_are_refused),
		TEST(equal_stacks_have_equal_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
