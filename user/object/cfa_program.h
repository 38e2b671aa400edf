/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfa_program - runs the DW_CFA program of one FDE and tells the rules that hold from address to address.
 *
 * Only what a stack walk needs is followed: the CFA, the frame pointer, the stack pointer, the return address, and one register that the ABI saves
 * (RBX); rules for other registers are skipped.
 *
 * Owns: nothing; states borrow their expressions from the program's bytes. Thread: any. Limit: the program's bytes, each read once;
 * CFA_DEPTH_MAX remembered states.
 * Errors: -EBADMSG a damaged program, -E2BIG over CFA_DEPTH_MAX; ranges told before the error are good.
 */
#ifndef EVERPROF_OBJECT_CFA_PROGRAM_H
#define EVERPROF_OBJECT_CFA_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

struct cfi_base;
struct cie;
struct fde;

#define CFA_DEPTH_MAX 16 /* compilers nest once, twice at most */

/* DWARF numbers of the registers that a walk carries; the return address's column is the CIE's to say. */
struct cfa_registers {
	uint16_t fp, sp, bx;
};
extern const struct cfa_registers cfa_registers_x86_64;

enum cfa_rule_kind {
	CFA_UNSET, /* the program says nothing: what the ABI says holds */
	CFA_SAME,
	CFA_UNDEFINED,
	CFA_AT_OFFSET,     /* saved at CFA + offset */
	CFA_IS_OFFSET,     /* is CFA + offset */
	CFA_REGISTER,      /* is register reg (for the CFA itself: register reg + offset) */
	CFA_AT_EXPRESSION, /* saved where the expression says */
	CFA_IS_EXPRESSION, /* is what the expression says */
};

struct cfa_rule {
	enum cfa_rule_kind kind;
	uint64_t reg;
	int64_t offset;
	const uint8_t *expr;
	size_t expr_len;
};

struct cfa_state {
	struct cfa_rule cfa, fp, sp, ra, bx;
};

/* The state holds in [start, end); borrowed for the call. */
typedef void (*cfa_range_fn)(uint64_t start, uint64_t end, const struct cfa_state *state, void *ctx);

/*
 * Tells every range of the FDE in order, up to the first that starts at or after `stop`. After an error, ret_at (where given) is the first address
 * whose rules are not known.
 */
int cfa_program__run(const struct cfa_registers *regs, const struct cfi_base *base, const struct cie *cie,
		     const struct fde *fde, uint64_t stop, cfa_range_fn fn, void *ctx, uint64_t *ret_at);

#endif
