// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. DWARF can say anything: the CFA may be the result of a program on a stack machine, each register may be anywhere. A row has eight bytes
 * and is applied by a BPF program in a few instructions.
 *
 * Idea. What compilers, linkers and assembler authors really write falls into a handful of shapes. Those become rows; all else is
 * named by reason and counted, so that a wrong frame is never made up.
 *
 * Shapes of expressions that are known here:
 *      breg8 n  [+ const]…                         register + n
 *      breg8 n  [+ const]…  deref  [+ const]…      *(register + n) + const     stack realignment, hand-written assembler
 *      [+ const]…                                  CFA + const                 (rules of registers start with the CFA on the stack)
 *      breg7 8, breg16 0, lit15, and, lit10|lit11, ge, lit3, shl, plus         the linker's PLT: a push at byte 10 or 11 of 16
 *
 * Invariants. Equal rules give equal bytes, so that rows can be merged by comparing them. A list is sorted by pc, has no two rows of
 * one pc, and no two neighbours that say the same.
 *
 * Cost. Appending is O(1). Painting is O(rows of the page), which is rare: marks, trampolines, rows of a second source.
 *
 * What it does not do. Evaluate expressions in general: DW_OP control flow, registers as values, several derefs.
 *
 * Reference. System V ABI AMD64, figure 3.36; DWARF 5, 2.5.1; binutils' bfd/elfxx-x86 for the PLT's expression.
 */
#include <dwarf.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/cursor.h"
#include "user/object/cfa_program.h"
#include "user/object/unwind_row.h"

#define EXPR_MAX         64 /* bytes; the longest shape known takes a third of it */
#define CFA_REGS         16 /* registers that a row can name as a base */
#define RA_AT_CFA        (-8)
#define PLT_EXPR_LEN     11
#define PLT_LITERAL_AT   6
#define PLT_FIRST_OFFSET 10 /* entries that start with endbr64 or a jump push at 11 or 10 */
#define PLT_LAST_OFFSET  11

static const uint8_t plt_expr[PLT_EXPR_LEN] = {
	DW_OP_breg7, 8,        DW_OP_breg16, 0,         DW_OP_lit15, DW_OP_and,
	DW_OP_lit11, DW_OP_ge, DW_OP_lit3,   DW_OP_shl, DW_OP_plus,
};

/* What an expression of a known shape computes: *(base + offset) + add, or base + offset. */
struct address {
	bool is_cfa; /* the base is the CFA, not a register */
	uint8_t reg;
	bool deref;
	int64_t offset, add;
};

const char *unwind_unsupported__name(enum unwind_unsupported why)
{
	static const char *const names[] = {
#define X(id, name, text) [UNWIND_UNSUPPORTED_##id] = name,
		UNWIND_UNSUPPORTED(X)
#undef X
	};

	return why < UNWIND_UNSUPPORTED_MAX ? names[why] : "supported";
}

/* One constant and the plus or minus after it; false for anything else. */
static bool parse_addition(struct cursor *c, uint8_t op, int64_t *ret_add)
{
	int64_t add;

	if (op == DW_OP_plus_uconst) {
		*ret_add = (int64_t)cursor__uleb(c);
		return true;
	}
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
		add = op - DW_OP_lit0;
	else if (op == DW_OP_const1u)
		add = cursor__u8(c);
	else if (op == DW_OP_const1s)
		add = (int8_t)cursor__u8(c);
	else if (op == DW_OP_const2u)
		add = cursor__u16(c);
	else if (op == DW_OP_const2s)
		add = (int16_t)cursor__u16(c);
	else if (op == DW_OP_consts)
		add = cursor__sleb(c);
	else
		return false;
	op = cursor__u8(c);
	if (op != DW_OP_plus && op != DW_OP_minus)
		return false;
	*ret_add = op == DW_OP_plus ? add : (int64_t) - (uint64_t)add;
	return true;
}

/* Reads an expression of a known shape; has_cfa: the CFA is on the stack when it starts. */
static bool parse_address(const struct cfa_rule *rule, bool has_cfa, struct address *ret_address)
{
	struct address a = {.is_cfa = true};
	bool has_base = has_cfa;
	struct cursor c;

	if (rule->expr_len > EXPR_MAX)
		return false;
	cursor__init(&c, rule->expr, rule->expr_len);
	while (cursor__left(&c)) {
		int64_t *sum = a.deref ? &a.add : &a.offset;
		uint8_t op = cursor__u8(&c);
		int64_t add;

		if (op >= DW_OP_breg0 && op <= DW_OP_breg15 && cursor__offset(&c) == 1) {
			a.is_cfa = false;
			a.reg = op - DW_OP_breg0;
			a.offset = cursor__sleb(&c);
			has_base = true;
		} else if (!has_base) {
			return false;
		} else if (op == DW_OP_deref && !a.deref) {
			a.deref = true;
		} else if (!parse_addition(&c, op, &add) || __builtin_add_overflow(*sum, add, sum)) {
			return false;
		}
	}
	*ret_address = a;
	return has_base && !c.bad;
}

static bool is_plt(const struct cfa_rule *cfa, int *ret_offset)
{
	uint8_t expr[PLT_EXPR_LEN];

	if (cfa->expr_len != PLT_EXPR_LEN)
		return false;
	memcpy(expr, cfa->expr, PLT_EXPR_LEN);
	*ret_offset = expr[PLT_LITERAL_AT] - DW_OP_lit0;
	expr[PLT_LITERAL_AT] = plt_expr[PLT_LITERAL_AT];
	return !memcmp(expr, plt_expr, PLT_EXPR_LEN) && *ret_offset >= PLT_FIRST_OFFSET &&
	       *ret_offset <= PLT_LAST_OFFSET;
}

/* bytes / 8 where that is exact and fits. */
static bool to_units(int64_t bytes, int16_t *ret_units)
{
	if (bytes % 8 || bytes / 8 < INT16_MIN || bytes / 8 > INT16_MAX)
		return false;
	*ret_units = bytes / 8;
	return true;
}

#define WIDE_UNITS (1 << 20)

bool unwind_row__set_cfa_bytes(struct unwind_row *row, int64_t bytes)
{
	if (to_units(bytes, &row->cfa_off))
		return true;
	if (bytes % 8 || bytes < 0 || bytes / 8 >= WIDE_UNITS || row->saved & ROW_RA_REG)
		return false;
	row->cfa |= ROW_CFA_WIDE;
	row->cfa_off = (int16_t)(bytes / 8 & UINT16_MAX);
	row->saved |= (uint8_t)(bytes / 8 >> 16 << ROW_WIDE_SHIFT);
	return true;
}

static enum unwind_unsupported put_cfa(const struct cfa_rule *cfa, struct unwind_row *row)
{
	struct address a = {.reg = cfa->reg < CFA_REGS ? cfa->reg : 0, .offset = cfa->offset};
	int plt;

	if (cfa->kind == CFA_REGISTER) {
		if (cfa->reg >= CFA_REGS)
			return UNWIND_UNSUPPORTED_CFA_REGISTER;
	} else if (cfa->kind != CFA_IS_EXPRESSION) {
		return UNWIND_UNSUPPORTED_CFA_RULE;
	} else if (is_plt(cfa, &plt)) {
		row->cfa = ROW_CFA_PLT;
		row->cfa_off = plt;
		return UNWIND_SUPPORTED;
	} else if (!parse_address(cfa, false, &a)) {
		return UNWIND_UNSUPPORTED_CFA_EXPRESSION;
	}
	row->cfa = a.reg;
	if (!a.deref)
		return unwind_row__set_cfa_bytes(row, a.offset) ? UNWIND_SUPPORTED
								: UNWIND_UNSUPPORTED_CFA_OFFSET;
	if (!to_units(a.offset, &row->cfa_off) || a.add < 0 || a.add > 24 || a.add % 8)
		return UNWIND_UNSUPPORTED_CFA_OFFSET;
	row->cfa |= ROW_CFA_DEREF | (a.add / 8) << ROW_DEREF_ADD_SHIFT;
	return UNWIND_SUPPORTED;
}

/* The row's CFA part is there already: an address that hangs on the same register hangs on the CFA as well. */
static enum unwind_unsupported put_fp(const struct cfa_rule *fp, struct unwind_row *row)
{
	struct address a = {.is_cfa = true, .offset = fp->offset};
	uint8_t kind = ROW_FP_AT_CFA;
	int16_t units;

	switch (fp->kind) {
	case CFA_UNSET:
	case CFA_SAME:
		row->saved |= ROW_FP_SAME;
		return UNWIND_SUPPORTED;
	case CFA_UNDEFINED:
		row->saved |= ROW_FP_UNKNOWN;
		return UNWIND_SUPPORTED;
	case CFA_AT_OFFSET:
		break;
	case CFA_AT_EXPRESSION:
		if (parse_address(fp, true, &a) && !a.deref)
			break;
		goto lost;
	default:
		goto lost;
	}
	if (a.offset != (int32_t)a.offset)
		goto lost;
	if (!a.is_cfa && a.reg == ROW_REG_RBP)
		kind = ROW_FP_AT_FP;
	else if (!a.is_cfa && a.reg == ROW_CFA_BASE(row->cfa) && !(row->cfa & ROW_CFA_DEREF))
		a.offset -= unwind_row__cfa_bytes(row);
	else if (!a.is_cfa)
		goto lost;
	if (!to_units(a.offset, &units))
		goto lost;
	row->saved |= kind;
	row->fp_off = units;
	return UNWIND_SUPPORTED;
lost:
	row->saved |= ROW_FP_UNKNOWN;
	return UNWIND_UNSUPPORTED_FP_RULE;
}

static enum unwind_unsupported put_ra(const struct cfa_rule *ra, struct unwind_row *row)
{
	if (ra->kind == CFA_AT_OFFSET && ra->offset == RA_AT_CFA)
		return UNWIND_SUPPORTED;
	if (ra->kind == CFA_REGISTER && ra->reg < CFA_REGS && row->saved >> ROW_WIDE_SHIFT == 0) {
		row->saved |= ROW_RA_REG | ra->reg << ROW_RA_REG_SHIFT;
		return UNWIND_SUPPORTED;
	}
	return UNWIND_UNSUPPORTED_RA_RULE;
}

void unwind_row__add_rbx(const struct cfa_state *state, struct unwind_row *row)
{
	int64_t units = state->bx.kind == CFA_AT_OFFSET ? state->bx.offset / 8 : 0;
	bool is_same = state->bx.kind == CFA_UNSET || state->bx.kind == CFA_SAME;

	if (ROW_CFA_BASE(row->cfa) >= CFA_REGS ||
	    (!is_same && (units >= 0 || units < INT8_MIN || state->bx.offset % 8)) ||
	    row->fp_off < INT8_MIN || row->fp_off > INT8_MAX)
		return;
	row->saved |= ROW_RBX;
	row->fp_off = (int16_t)((uint16_t)units << 8 | (uint8_t)row->fp_off);
}

struct unwind_row unwind_row__of_state(const struct cfa_state *state, enum unwind_unsupported *ret_why)
{
	struct unwind_row row = {0};
	enum unwind_unsupported why;

	*ret_why = UNWIND_SUPPORTED;
	if (state->ra.kind == CFA_UNDEFINED)
		return unwind_row__of(ROW_CFA_END);
	why = put_cfa(&state->cfa, &row);
	if (why == UNWIND_SUPPORTED)
		why = put_ra(&state->ra, &row);
	if (why == UNWIND_SUPPORTED && state->sp.kind != CFA_UNSET &&
	    !(state->sp.kind == CFA_IS_OFFSET && state->sp.offset == 0))
		why = UNWIND_UNSUPPORTED_SP_RULE;
	*ret_why = why;
	if (why != UNWIND_SUPPORTED)
		return unwind_row__of(ROW_CFA_UNSUPPORTED);
	*ret_why = put_fp(&state->fp, &row);
	return row;
}

/* Index of the last row at or before pc; the rows are sorted and not empty, the first one is at or before pc. */
static uint32_t find_index(const struct unwind_row *rows, uint32_t n, uint32_t pc)
{
	uint32_t at = bisect__count(n, i, rows[i].pc <= pc);

	return at ? at - 1 : 0;
}

const struct unwind_row *unwind_row__find(const struct unwind_row *rows, uint32_t n, uint16_t pc)
{
	if (n == 0 || rows[0].pc > pc)
		return NULL;
	return &rows[find_index(rows, n, pc)];
}

static bool same_rule(const struct unwind_row *a, const struct unwind_row *b)
{
	return a->cfa == b->cfa && a->saved == b->saved && a->cfa_off == b->cfa_off && a->fp_off == b->fp_off;
}

void row_list__append(struct row_list *l, uint32_t pc, struct unwind_row rule)
{
	rule.pc = pc;
	if (l->n && l->rows[l->n - 1].pc == pc)
		l->n--;
	if (l->n && same_rule(&l->rows[l->n - 1], &rule))
		return;
	if (l->n == l->max) {
		l->full = true;
		return;
	}
	l->rows[l->n++] = rule;
}

/* Makes a row start at pc, saying what holds there anyway; returns its index, or n at the page's end or when there is no room. */
static uint32_t split(struct row_list *l, uint32_t pc)
{
	uint32_t i;

	if (pc >= ROW_PAGE_SIZE)
		return l->n;
	i = find_index(l->rows, l->n, pc);
	if (l->rows[i].pc == pc)
		return i;
	if (l->n == l->max) {
		l->full = true;
		return l->n;
	}
	memmove(&l->rows[i + 2], &l->rows[i + 1], (l->n - i - 1) * sizeof(*l->rows));
	l->rows[i + 1] = l->rows[i];
	l->rows[i + 1].pc = pc;
	l->n++;
	return i + 1;
}

void row_list__paint(struct row_list *l, uint32_t from, uint32_t to, struct unwind_row rule,
		     uint8_t only_over)
{
	uint32_t first, end, n = 0;

	if (from >= to || from >= ROW_PAGE_SIZE || l->n == 0)
		return;
	first = split(l, from);
	end = split(l, to);
	if (l->full)
		return;
	for (uint32_t i = first; i < end; i++) {
		uint16_t pc = l->rows[i].pc;

		if (only_over != ROW_OVER_ALL && ROW_CFA_BASE(l->rows[i].cfa) != only_over)
			continue;
		l->rows[i] = rule;
		l->rows[i].pc = pc;
	}
	/* neighbours that now say the same become one */
	for (uint32_t i = 0; i < l->n; i++)
		if (n == 0 || !same_rule(&l->rows[n - 1], &l->rows[i]))
			l->rows[n++] = l->rows[i];
	l->n = n;
}

void row_list__fill_holes(struct row_list *to, const struct row_list *base, const struct row_list *filler,
			  uint8_t hole)
{
	uint32_t b = 0, f = 0;

	if (!base->n || !filler->n)
		return;
	for (;;) {
		const struct unwind_row *row = &base->rows[b];
		uint32_t pc = row->pc > filler->rows[f].pc ? row->pc : filler->rows[f].pc;
		uint32_t next_b = b + 1 < base->n ? base->rows[b + 1].pc : ROW_PAGE_SIZE;
		uint32_t next_f = f + 1 < filler->n ? filler->rows[f + 1].pc : ROW_PAGE_SIZE;

		row_list__append(to, pc,
				 row->cfa == hole && filler->rows[f].cfa != ROW_CFA_NONE ? filler->rows[f]
											 : *row);
		if (next_b == ROW_PAGE_SIZE && next_f == ROW_PAGE_SIZE)
			return;
		b += next_b <= next_f;
		f += next_f <= next_b;
	}
}
