/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_row - unwind rules squeezed into the eight bytes of bpf/row.h, and the sorted rows of one page.
 *
 * Owns: nothing; the rows of a list are the caller's. Thread: one owner a list. Limit: the list's max; past it `full` is set and rows are dropped.
 * Errors: none; what a row cannot hold becomes ROW_CFA_UNSUPPORTED or ROW_FP_UNKNOWN with a reason.
 */
#ifndef EVERPROF_OBJECT_UNWIND_ROW_H
#define EVERPROF_OBJECT_UNWIND_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/row.h"

struct cfa_state;

/* Why a rule does not fit a row. All but FP_RULE make the row ROW_CFA_UNSUPPORTED; FP_RULE only loses the frame pointer. */
#define UNWIND_UNSUPPORTED(X)                                                                         \
	X(CFA_RULE, "cfa_rule", "the CFA is undefined or never defined")                              \
	X(CFA_REGISTER, "cfa_register", "the CFA is computed from a register that a row cannot name") \
	X(CFA_OFFSET, "cfa_offset", "an offset of the CFA that is no multiple of 8 or too large")     \
	X(CFA_EXPRESSION, "cfa_expression", "an expression for the CFA of an unknown shape")          \
	X(RA_RULE, "ra_rule", "the return address is neither at CFA-8 nor in a register")             \
	X(SP_RULE, "sp_rule", "the caller's stack pointer is not the CFA")                            \
	X(FP_RULE, "fp_rule", "a rule for the frame pointer that a row cannot hold")                  \
	X(PROGRAM, "program", "a damaged program: its rules are not known from some address on")

enum unwind_unsupported {
#define X(id, name, text) UNWIND_UNSUPPORTED_##id,
	UNWIND_UNSUPPORTED(X)
#undef X
		UNWIND_UNSUPPORTED_MAX,
	UNWIND_SUPPORTED = UNWIND_UNSUPPORTED_MAX
};

const char *unwind_unsupported__name(enum unwind_unsupported why);

/* A row of that kind (enum row_cfa from ROW_CFA_SIGNAL on), with nothing else in it; pc 0. */
static inline struct unwind_row unwind_row__of(uint8_t cfa)
{
	return (struct unwind_row){.cfa = cfa};
}

/* x86-64: the row for these rules, pc 0; ret_why says UNWIND_SUPPORTED or what was lost. */
struct unwind_row unwind_row__of_state(const struct cfa_state *state, enum unwind_unsupported *ret_why);
/* For a file that needs it: where the caller's RBX is, if the row has room to say so (ROW_RBX). */
void unwind_row__add_rbx(const struct cfa_state *state, struct unwind_row *row);
/* CFA = the row's base register + so much; false where a row cannot hold that. */
bool unwind_row__set_cfa_bytes(struct unwind_row *row, int64_t bytes);
/* The row in force at pc, or NULL where the rows do not start at 0. */
const struct unwind_row *unwind_row__find(const struct unwind_row *rows, uint32_t n, uint16_t pc);

/* Rows of one page while they are made. */
struct row_list {
	struct unwind_row *rows;
	uint32_t n, max;
	bool full;
};

/* Rows come in order of pc (< ROW_PAGE_SIZE); one with the pc of the last replaces it, one that says what the last says is dropped. */
void row_list__append(struct row_list *l, uint32_t pc, struct unwind_row rule);
/* Makes `rule` hold in [from, to), to <= ROW_PAGE_SIZE: everywhere, or only where the rows so far are of kind `only_over`. */
#define ROW_OVER_ALL 0xff
void row_list__paint(struct row_list *l, uint32_t from, uint32_t to, struct unwind_row rule,
		     uint8_t only_over);
/* `to` becomes `base` with its stretches of kind `hole` as `filler` has them, where that is not ROW_CFA_NONE; both start at pc 0. */
void row_list__fill_holes(struct row_list *to, const struct row_list *base, const struct row_list *filler,
			  uint8_t hole);

#endif
