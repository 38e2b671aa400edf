/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_state - what is known of the stack before one instruction, and what the instruction makes of it.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none; what cannot be followed is known no more.
 */
#ifndef EVERPROF_OBJECT_STACK_STATE_H
#define EVERPROF_OBJECT_STACK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/row.h"

struct x86_insn;

enum stack_sp {
	STACK_SP_KNOWN = 0, /* the CFA less `sp` */
	STACK_SP_MOVED,     /* somewhere below: alloca, realignment */
	STACK_SP_KEEPER,    /* there, at a word that holds the CFA less `sp` */
	STACK_SP_ELSEWHERE, /* loaded: on another stack, or anywhere */
};

enum stack_fp {
	STACK_FP_CALLERS = 0, /* as the caller left it */
	STACK_FP_FRAME,       /* the CFA less `fp` */
	STACK_FP_KEEPER,      /* the address of a word on the stack that holds the CFA less `fp` */
	STACK_FP_OTHER,
};

/* Distances below the CFA in units of 8 bytes. */
struct stack_state {
	uint8_t sp_kind, fp_kind;
	uint8_t copy_reg;    /* enum x86_reg: a register that holds the CFA less `copy`, or X86_NO_REG */
	uint8_t callers_reg; /* one that holds the caller's frame pointer, or X86_NO_REG */
	int16_t sp, fp, copy;
	int16_t slot; /* where the caller's frame pointer was saved; 0: nowhere */
};

/* Of code whose habits are known. */
enum stack_habit {
	/*
	 * Go's: calls do not need a stack that is aligned to 16 bytes, and a frame pointer that is loaded after the stack was changed is the one that
	 * was saved when it was left.
	 */
	STACK_HABIT_GO = 1,
	/* An assembler's, among code of a compiler that writes rules: jumps go where registers say, and what functions keep in registers is left alone by those that they call. */
	STACK_HABIT_ASSEMBLER = 2,
};

/* Is a call impossible here, because the stack would not be aligned as the ABI wants it? */
bool stack_state__is_misaligned(const struct stack_state *s, unsigned int habits);
/* At a function's first instruction. */
struct stack_state stack_state__at_entry(void);
/* After the instruction, where it goes on to the next one or its target; after a call, when it has returned. */
void stack_state__step(struct stack_state *s, const struct x86_insn *in, unsigned int habits);
/* What two ways to one place have in common; true where that is less than `s` was. */
bool stack_state__meet(struct stack_state *s, const struct stack_state *other);
bool stack_state__equals(const struct stack_state *a, const struct stack_state *b);
/* The row, pc 0; ROW_CFA_NONE where the caller cannot be found. */
struct unwind_row stack_state__row(const struct stack_state *s);

#endif
