/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi_answer - what an unwind rule means, in numbers: the caller's registers for made-up registers and memory.
 *
 * One evaluator for rows (as bpf/row.h defines them) and one for libdw's DWARF operations; they share nothing but the made-up machine.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none; what cannot be evaluated says so.
 */
#ifndef EVERPROF_TESTS_VALIDATE_CFI_ANSWER_H
#define EVERPROF_TESTS_VALIDATE_CFI_ANSWER_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/row.h"

enum answer_kind { ANSWER_RULE, ANSWER_END, ANSWER_NONE, ANSWER_UNSUPPORTED, ANSWER_FRAME_POINTER };

struct value {
	bool known;
	uint64_t v;
};

struct answer {
	enum answer_kind kind;
	struct value cfa, fp, sp, ra;
	struct value bx; /* of a row: only with ROW_RBX */
};

/* Why a libdw rule cannot be held by a row, from libdw's operations alone. */
struct answer_limits {
	bool cfa_is_offset;   /* the CFA is a register plus an offset, or one load from there */
	bool cfa_offset_fits; /* that offset is a multiple of 8 in 19 bits, or without a load one of 16 in 20 */
	bool cfa_reg_fits;
	bool is_plt;  /* the operations of the linker's PLT */
	bool fp_fits; /* the frame pointer's rule is untouched, undefined, or a fitting offset from CFA, RBP or the CFA's register */
	bool ra_fits; /* the return address is at CFA-8 or in one of the sixteen registers */
};

struct answer answer__of_row(const struct unwind_row *row, uint64_t pc);
int answer__of_frame(Dwarf_Frame *frame, uint64_t pc, struct answer *ret_answer,
		     struct answer_limits *ret_limits);

#endif
