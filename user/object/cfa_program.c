// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A function's unwind rules are a table with one line an instruction and one column a register, and that table is written as a
 * program that builds it line by line from the one before.
 *
 * Idea. Keep one line with five columns (CFA, frame pointer, stack pointer, return address, RBX), run the program, and tell the line
 * each time that the address moves on. The line at the start is what the CIE's program leaves; DW_CFA_restore goes back to it.
 *
 *      CIE program ──> initial ──copy──> current ──advance──> fn(from, to, current)
 *                                          ^  │
 *                            restore_state └──┘ remember_state       saved[CFA_DEPTH_MAX]
 *
 * Invariants. Each instruction takes at least one byte, so the number of steps is at most the length of the program. Addresses only grow:
 * a program that goes back is damaged. Nothing is told outside of [fde.start, fde.end).
 *
 * Cost. Some nanoseconds an instruction; no allocation.
 *
 * What it does not do. Evaluate expressions (unwind_row knows the few shapes that occur), or follow registers that a walk does not carry.
 *
 * Reference. DWARF 5, section 6.4.2; LSB core 5.0, 10.5.1 (the GNU additions).
 */
#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/cursor.h"
#include "user/object/cfa_program.h"
#include "user/object/ehframe.h"

#define PRIMARY(op) ((op)&0xc0) /* the three instructions that carry an operand in their low six bits */
#define OPERAND(op) ((op)&0x3f)

#ifndef DW_CFA_GNU_negative_offset_extended
#define DW_CFA_GNU_negative_offset_extended 0x2f
#endif

const struct cfa_registers cfa_registers_x86_64 = {.fp = 6, .sp = 7, .bx = 3};

struct machine {
	const struct cfa_registers *regs;
	const struct cfi_base *base;
	const struct cie *cie;
	uint64_t program_at; /* virtual address of the program */
	struct cfa_state now, initial;
	struct cfa_state *saved; /* CFA_DEPTH_MAX of them */
	uint32_t depth;
	uint64_t at, end, stop;
	bool is_cie; /* the CIE's own program: there is no address to move */
	cfa_range_fn fn;
	void *ctx;
};

/* The column of a register, or NULL for one that is not followed. */
static struct cfa_rule *column(const struct machine *m, struct cfa_state *s, uint64_t reg)
{
	if (reg == m->regs->fp)
		return &s->fp;
	if (reg == m->regs->sp)
		return &s->sp;
	if (reg == m->cie->ra_reg)
		return &s->ra;
	if (reg == m->regs->bx)
		return &s->bx;
	return NULL;
}

static void set(struct machine *m, uint64_t reg, struct cfa_rule rule)
{
	struct cfa_rule *c = column(m, &m->now, reg);

	if (c)
		*c = rule;
}

static void restore(struct machine *m, uint64_t reg)
{
	struct cfa_rule *to = column(m, &m->now, reg);

	if (to)
		*to = *column(m, &m->initial, reg);
}

static struct cfa_rule at_offset(const struct machine *m, enum cfa_rule_kind kind, int64_t factored)
{
	/* a wrap-around gives a wrong offset, which the row's range check judges, not undefined behaviour */
	return (struct cfa_rule){
		.kind = kind,
		.offset = (int64_t)((uint64_t)factored * (uint64_t)m->cie->data_align),
	};
}

static struct cfa_rule expression(struct cursor *c, enum cfa_rule_kind kind)
{
	struct cfa_rule rule = {.kind = kind, .expr_len = cursor__uleb(c)};

	rule.expr = cursor__bytes(c, rule.expr_len);
	return rule;
}

/* Tells the range that ends here; the rest of the program is not wanted once `stop` is reached. */
static int move_to(struct machine *m, uint64_t to)
{
	if (m->is_cie || to < m->at)
		return -EBADMSG;
	if (to > m->end)
		to = m->end;
	if (to > m->at)
		m->fn(m->at, to, &m->now, m->ctx);
	m->at = to;
	return 0;
}

static int advance(struct machine *m, uint64_t factored)
{
	uint64_t delta;

	if (__builtin_mul_overflow(factored, m->cie->code_align, &delta) || delta > UINT64_MAX - m->at)
		return -EBADMSG;
	return move_to(m, m->at + delta);
}

static int set_loc(struct machine *m, struct cursor *c)
{
	uint64_t to;
	int err = eh_pointer__read(c, m->base, m->cie->pointer_enc, m->program_at + cursor__offset(c), &to);

	return err ? err : move_to(m, to);
}

/* Instructions that move the address or the stack of states. */
static int step_location(struct machine *m, uint8_t op, struct cursor *c)
{
	switch (op) {
	case DW_CFA_set_loc:
		return set_loc(m, c);
	case DW_CFA_advance_loc1:
		return advance(m, cursor__u8(c));
	case DW_CFA_advance_loc2:
		return advance(m, cursor__u16(c));
	case DW_CFA_advance_loc4:
		return advance(m, cursor__u32(c));
	case DW_CFA_MIPS_advance_loc8:
		return advance(m, cursor__u64(c));
	case DW_CFA_remember_state:
		if (m->depth == CFA_DEPTH_MAX)
			return -E2BIG;
		m->saved[m->depth++] = m->now;
		return 0;
	case DW_CFA_restore_state:
		if (m->depth == 0)
			return -EBADMSG;
		m->now = m->saved[--m->depth];
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Instructions that say what the CFA is. */
static int step_cfa(struct machine *m, uint8_t op, struct cursor *c)
{
	struct cfa_rule *cfa = &m->now.cfa;

	if (op == DW_CFA_def_cfa_expression) {
		*cfa = expression(c, CFA_IS_EXPRESSION);
		return 0;
	}
	if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_sf)
		*cfa = (struct cfa_rule){.kind = CFA_REGISTER, .reg = cursor__uleb(c)};
	else if (cfa->kind != CFA_REGISTER)
		return -EBADMSG; /* half a change of a rule that has no such half */
	switch (op) {
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_offset:
		cfa->offset = (int64_t)cursor__uleb(c);
		break;
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_offset_sf:
		cfa->offset = at_offset(m, CFA_REGISTER, cursor__sleb(c)).offset;
		break;
	default: /* DW_CFA_def_cfa_register */
		cfa->reg = cursor__uleb(c);
	}
	return 0;
}

/* Instructions that say where a register is. */
static int step_register(struct machine *m, uint8_t op, struct cursor *c)
{
	uint64_t reg = cursor__uleb(c);

	switch (op) {
	case DW_CFA_offset_extended:
		set(m, reg, at_offset(m, CFA_AT_OFFSET, (int64_t)cursor__uleb(c)));
		return 0;
	case DW_CFA_offset_extended_sf:
		set(m, reg, at_offset(m, CFA_AT_OFFSET, cursor__sleb(c)));
		return 0;
	case DW_CFA_GNU_negative_offset_extended:
		set(m, reg, at_offset(m, CFA_AT_OFFSET, (int64_t)-cursor__uleb(c)));
		return 0;
	case DW_CFA_val_offset:
		set(m, reg, at_offset(m, CFA_IS_OFFSET, (int64_t)cursor__uleb(c)));
		return 0;
	case DW_CFA_val_offset_sf:
		set(m, reg, at_offset(m, CFA_IS_OFFSET, cursor__sleb(c)));
		return 0;
	case DW_CFA_restore_extended:
		restore(m, reg);
		return 0;
	case DW_CFA_undefined:
		set(m, reg, (struct cfa_rule){.kind = CFA_UNDEFINED});
		return 0;
	case DW_CFA_same_value:
		set(m, reg, (struct cfa_rule){.kind = CFA_SAME});
		return 0;
	case DW_CFA_register:
		set(m, reg, (struct cfa_rule){.kind = CFA_REGISTER, .reg = cursor__uleb(c)});
		return 0;
	case DW_CFA_expression:
		set(m, reg, expression(c, CFA_AT_EXPRESSION));
		return 0;
	case DW_CFA_val_expression:
		set(m, reg, expression(c, CFA_IS_EXPRESSION));
		return 0;
	default:
		return -EBADMSG;
	}
}

static int step(struct machine *m, uint8_t op, struct cursor *c)
{
	switch (PRIMARY(op)) {
	case DW_CFA_advance_loc:
		return advance(m, OPERAND(op));
	case DW_CFA_offset:
		set(m, OPERAND(op), at_offset(m, CFA_AT_OFFSET, (int64_t)cursor__uleb(c)));
		return 0;
	case DW_CFA_restore:
		restore(m, OPERAND(op));
		return 0;
	}
	switch (op) {
	case DW_CFA_nop:
		return 0;
	case DW_CFA_GNU_args_size: /* of use to exception handlers only */
		cursor__uleb(c);
		return 0;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		return step_cfa(m, op, c);
	case DW_CFA_set_loc:
	case DW_CFA_advance_loc1:
	case DW_CFA_advance_loc2:
	case DW_CFA_advance_loc4:
	case DW_CFA_MIPS_advance_loc8:
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
		return step_location(m, op, c);
	default:
		return step_register(m, op, c);
	}
}

static int run(struct machine *m, const uint8_t *bytes, size_t len)
{
	struct cursor c;
	int err = 0;

	cursor__init(&c, bytes, len);
	while (!err && cursor__left(&c) && (m->is_cie || m->at < m->stop)) {
		uint8_t op = cursor__u8(&c);

		err = step(m, op, &c);
		if (c.bad)
			err = -EBADMSG;
	}
	return err;
}

int cfa_program__run(const struct cfa_registers *regs, const struct cfi_base *base, const struct cie *cie,
		     const struct fde *fde, uint64_t stop, cfa_range_fn fn, void *ctx, uint64_t *ret_at)
{
	struct cfa_state saved
		[CFA_DEPTH_MAX]; /* outside of the machine: zeroing it would cost more than the program */
	struct machine m = {
		.saved = saved,
		.regs = regs,
		.base = base,
		.cie = cie,
		.program_at = fde->program_at,
		.at = fde->start,
		.end = fde->end,
		.stop = stop < fde->end ? stop : fde->end,
		.is_cie = true,
		.fn = fn,
		.ctx = ctx,
	};
	int err = run(&m, cie->program, cie->program_len);

	m.is_cie = false;
	m.initial = m.now;
	m.depth = 0;
	if (!err)
		err = run(&m, fde->program, fde->program_len);
	if (!err && m.at < m.stop)
		err = move_to(&m, m.end);
	if (err && ret_at)
		*ret_at = m.at;
	return err;
}
