// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Comparing two descriptions of a rule by their form needs the very pattern matching that is under test.
 *
 * Idea. Compare what they compute. Register n holds a value hashed from n, memory holds a value hashed from its address; two rules that mean
 * different things give different numbers except by a coincidence of one in 2^64.
 *
 * Reference. DWARF 5, 2.5; bpf/row.h; System V ABI AMD64, and the kernel's struct ucontext for trampolines.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <string.h>

#include "tests/validate/cfi_answer.h"

#define STACK_MAX    32
#define UCONTEXT_RBP (40 + 10 * 8)
#define UCONTEXT_RSP (40 + 15 * 8)
#define UCONTEXT_RIP (40 + 16 * 8)
#define REG_RBX      3
#define REG_RBP      6
#define REG_RSP      7
#define REG_RIP      16

static uint64_t mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

static uint64_t reg(uint64_t n, uint64_t pc)
{
	return n == REG_RIP ? pc : mix(n + 1) & ~15ull;
}

static uint64_t mem(uint64_t address)
{
	return mix(address ^ 0x6d656d6f7279ull);
}

static struct value known(uint64_t v)
{
	return (struct value){.known = true, .v = v};
}

/* -- a row -- */

static uint64_t row_cfa(const struct unwind_row *row, uint64_t pc)
{
	uint8_t base = ROW_CFA_BASE(row->cfa);
	uint64_t sum;

	if (base == ROW_CFA_PLT)
		return reg(REG_RSP, pc) + 8 + ((pc & 15) >= (uint64_t)row->cfa_off ? 8 : 0);
	if ((row->cfa & ROW_CFA_WIDE) && !(row->cfa & ROW_CFA_DEREF))
		return reg(base, pc) +
		       ((uint64_t)(uint16_t)row->cfa_off + (uint64_t)(row->saved >> 4) * 65536) * 8;
	sum = reg(base, pc) + (uint64_t)((int64_t)row->cfa_off * 8);
	if (row->cfa & ROW_CFA_DEREF)
		return mem(sum) + (uint64_t)(row->cfa >> ROW_DEREF_ADD_SHIFT) * 8;
	return sum;
}

static struct value row_fp(const struct unwind_row *row, uint64_t cfa, uint64_t pc)
{
	int16_t units = row->saved & ROW_RBX ? (int8_t)(row->fp_off & 0xff) : row->fp_off;
	uint64_t offset = (uint64_t)((int64_t)units * 8);

	switch (ROW_FP_RULE(row->saved)) {
	case ROW_FP_SAME:
		return known(reg(REG_RBP, pc));
	case ROW_FP_AT_CFA:
		return known(mem(cfa + offset));
	case ROW_FP_AT_FP:
		return known(mem(reg(REG_RBP, pc) + offset));
	default:
		return (struct value){0};
	}
}

static struct value row_bx(const struct unwind_row *row, uint64_t cfa, uint64_t pc)
{
	int8_t units = (int8_t)((uint16_t)row->fp_off >> 8);

	if (!(row->saved & ROW_RBX))
		return (struct value){0};
	return known(units ? mem(cfa + (uint64_t)((int64_t)units * 8)) : reg(REG_RBX, pc));
}

struct answer answer__of_row(const struct unwind_row *row, uint64_t pc)
{
	uint64_t sp = reg(REG_RSP, pc), cfa;

	if (!row || row->cfa == ROW_CFA_NONE)
		return (struct answer){.kind = ANSWER_NONE};
	if (row->cfa == ROW_CFA_END)
		return (struct answer){.kind = ANSWER_END};
	if (row->cfa == ROW_CFA_UNSUPPORTED)
		return (struct answer){.kind = ANSWER_UNSUPPORTED};
	if (row->cfa == ROW_CFA_FRAME_POINTER || ROW_CFA_BASE(row->cfa) == ROW_CFA_SWITCH)
		return (struct answer){.kind = ANSWER_FRAME_POINTER};
	if (row->cfa == ROW_CFA_SIGNAL) {
		return (struct answer){
			.kind = ANSWER_RULE,
			.cfa = known(mem(sp + UCONTEXT_RSP)),
			.sp = known(mem(sp + UCONTEXT_RSP)),
			.fp = known(mem(sp + UCONTEXT_RBP)),
			.ra = known(mem(sp + UCONTEXT_RIP)),
		};
	}
	cfa = row_cfa(row, pc);
	return (struct answer){
		.kind = ANSWER_RULE,
		.cfa = known(cfa),
		.sp = known(cfa),
		.fp = row_fp(row, cfa, pc),
		.bx = row_bx(row, cfa, pc),
		.ra = known(row->saved & ROW_RA_REG ? reg(row->saved >> ROW_RA_REG_SHIFT, pc) : mem(cfa - 8)),
	};
}

/* -- libdw's operations -- */

struct stack {
	uint64_t v[STACK_MAX];
	int n;
	bool bad;
};

static void push(struct stack *s, uint64_t v)
{
	if (s->n == STACK_MAX)
		s->bad = true;
	else
		s->v[s->n++] = v;
}

static uint64_t pop(struct stack *s)
{
	if (s->n == 0) {
		s->bad = true;
		return 0;
	}
	return s->v[--s->n];
}

static bool binary(struct stack *s, uint8_t atom)
{
	uint64_t b = pop(s), a = pop(s);

	switch (atom) {
	case DW_OP_plus:
		push(s, a + b);
		return true;
	case DW_OP_minus:
		push(s, a - b);
		return true;
	case DW_OP_and:
		push(s, a & b);
		return true;
	case DW_OP_or:
		push(s, a | b);
		return true;
	case DW_OP_mul:
		push(s, a * b);
		return true;
	case DW_OP_shl:
		push(s, b < 64 ? a << b : 0);
		return true;
	case DW_OP_shr:
		push(s, b < 64 ? a >> b : 0);
		return true;
	case DW_OP_ge:
		push(s, (int64_t)a >= (int64_t)b);
		return true;
	case DW_OP_ne:
		push(s, a != b);
		return true;
	case DW_OP_eq:
		push(s, a == b);
		return true;
	default:
		return false;
	}
}

/* One operation; *ret_is_value where the result is the value itself and not where it lies. */
static void evaluate(struct stack *s, const Dwarf_Op *op, uint64_t pc, const struct value *cfa,
		     bool *ret_is_value)
{
	uint8_t a = op->atom;

	if (a >= DW_OP_breg0 && a <= DW_OP_breg31)
		push(s, reg(a - DW_OP_breg0, pc) + op->number);
	else if (a == DW_OP_bregx)
		push(s, reg(op->number, pc) + op->number2);
	else if (a >= DW_OP_lit0 && a <= DW_OP_lit31)
		push(s, a - DW_OP_lit0);
	else if (a == DW_OP_plus_uconst)
		push(s, pop(s) + op->number);
	else if ((a >= DW_OP_const1u && a <= DW_OP_consts) || a == DW_OP_addr)
		push(s, op->number);
	else if (a == DW_OP_deref)
		push(s, mem(pop(s)));
	else if (a == DW_OP_call_frame_cfa && cfa)
		push(s, cfa->v);
	else if (a == DW_OP_dup) {
		push(s, pop(s));
		push(s, s->n ? s->v[s->n - 1] : 0);
	} else if (a == DW_OP_drop)
		pop(s);
	else if (a == DW_OP_stack_value)
		*ret_is_value = true;
	else if (a >= DW_OP_reg0 && a <= DW_OP_reg31) {
		push(s, reg(a - DW_OP_reg0, pc));
		*ret_is_value = true;
	} else if (a == DW_OP_regx) {
		push(s, reg(op->number, pc));
		*ret_is_value = true;
	} else if (a != DW_OP_nop && !binary(s, a))
		s->bad = true;
}

static struct value run(const Dwarf_Op *ops, size_t n, uint64_t pc, const struct value *cfa,
			bool *ret_is_value)
{
	struct stack s = {0};

	*ret_is_value = false;
	for (size_t i = 0; i < n && !s.bad; i++)
		evaluate(&s, &ops[i], pc, cfa, ret_is_value);
	if (s.bad || s.n == 0)
		return (struct value){0};
	return known(s.v[s.n - 1]);
}

/* The caller's value of a register; ret_undefined where the rule is that it is lost. */
static struct value caller_register(Dwarf_Frame *frame, int n, uint64_t pc, const struct value *cfa,
				    bool *ret_undefined, const Dwarf_Op **ret_ops, size_t *ret_n)
{
	static Dwarf_Op space[3];
	struct value v;
	bool is_value;
	Dwarf_Op *ops;
	size_t n_ops;

	*ret_undefined = false;
	*ret_ops = NULL;
	*ret_n = 0;
	if (dwarf_frame_register(frame, n, space, &ops, &n_ops))
		return (struct value){0};
	if (n_ops == 0) {
		*ret_undefined = ops == space;
		return *ret_undefined ? (struct value){0} : known(reg(n, pc));
	}
	*ret_ops = ops;
	*ret_n = n_ops;
	v = run(ops, n_ops, pc, cfa, &is_value);
	if (v.known && !is_value)
		v.v = mem(v.v);
	return v;
}

static bool fits_units(int64_t bytes)
{
	return bytes % 8 == 0 && bytes / 8 >= INT16_MIN && bytes / 8 <= INT16_MAX;
}

/* The base register and offset of the first operation, whichever way it is written. */
static bool is_breg(const Dwarf_Op *op, uint64_t *ret_reg, int64_t *ret_offset)
{
	if (op->atom == DW_OP_bregx) {
		*ret_reg = op->number;
		*ret_offset = op->number2;
		return true;
	}
	*ret_reg = op->atom - DW_OP_breg0;
	*ret_offset = op->number;
	return op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31;
}

static void judge_cfa(const Dwarf_Op *ops, size_t n, struct answer_limits *l)
{
	uint64_t base = 0, add = 0;
	int64_t offset = 0;

	if (n == 0 || !is_breg(&ops[0], &base, &offset))
		return;
	l->is_plt = n == 9 && base == REG_RSP && offset == 8 && ops[1].atom == DW_OP_breg16 &&
		    ops[4].atom >= DW_OP_lit10 && ops[4].atom <= DW_OP_lit11;
	if (n == 3 && ops[2].atom == DW_OP_plus_uconst)
		add = ops[2].number;
	l->cfa_is_offset = n == 1 || (n == 2 && ops[1].atom == DW_OP_deref) ||
			   (n == 3 && ops[1].atom == DW_OP_deref && ops[2].atom == DW_OP_plus_uconst);
	l->cfa_offset_fits = (fits_units(offset) && add % 8 == 0 && add <= 24) ||
			     (n == 1 && offset > 0 && offset % 16 == 0 && offset / 16 <= UINT16_MAX);
	l->cfa_reg_fits = base < 16;
}

static void judge_fp(const Dwarf_Op *ops, size_t n, const Dwarf_Op *cfa, size_t n_cfa,
		     struct answer_limits *l)
{
	uint64_t base, cfa_base = UINT64_MAX;
	int64_t offset, cfa_offset = 0;

	if (n == 0) {
		l->fp_fits = true;
		return;
	}
	if (n_cfa == 1)
		is_breg(&cfa[0], &cfa_base, &cfa_offset);
	if (ops[0].atom == DW_OP_call_frame_cfa)
		l->fp_fits =
			n == 1 || (n == 2 && ops[1].atom == DW_OP_plus_uconst && fits_units(ops[1].number));
	if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && is_breg(&ops[1], &base, &offset)) {
		if (base == REG_RBP)
			l->fp_fits = fits_units(offset);
		else if (base == cfa_base)
			l->fp_fits = fits_units(offset - cfa_offset);
	}
}

static void judge_ra(const Dwarf_Op *ops, size_t n, struct answer_limits *l)
{
	l->ra_fits = (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_plus_uconst &&
		      (int64_t)ops[1].number == -8) ||
		     (n == 1 && ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg15);
}

int answer__of_frame(Dwarf_Frame *frame, uint64_t pc, struct answer *ret_answer,
		     struct answer_limits *ret_limits)
{
	struct answer a = {.kind = ANSWER_RULE};
	struct answer_limits l = {0};
	const Dwarf_Op *reg_ops;
	Dwarf_Addr start, end;
	Dwarf_Op *cfa_ops;
	size_t n_cfa, n;
	bool undefined, is_value, is_signal;
	int ra = dwarf_frame_info(frame, &start, &end, &is_signal);

	if (ra < 0)
		return -EBADMSG;
	a.ra = caller_register(frame, ra, pc, &a.cfa, &undefined, &reg_ops, &n);
	if (undefined)
		a.kind = ANSWER_END;
	if (dwarf_frame_cfa(frame, &cfa_ops, &n_cfa) == 0 && n_cfa) {
		a.cfa = run(cfa_ops, n_cfa, pc, NULL, &is_value);
		judge_cfa(cfa_ops, n_cfa, &l);
	} else {
		n_cfa = 0;
	}
	a.ra = caller_register(frame, ra, pc, &a.cfa, &undefined, &reg_ops, &n);
	judge_ra(reg_ops, n, &l);
	a.sp = caller_register(frame, REG_RSP, pc, &a.cfa, &undefined, &reg_ops, &n);
	a.fp = caller_register(frame, REG_RBP, pc, &a.cfa, &undefined, &reg_ops, &n);
	judge_fp(reg_ops, n, cfa_ops, n_cfa, &l);
	a.bx = caller_register(frame, REG_RBX, pc, &a.cfa, &undefined, &reg_ops, &n);
	/* where a file says nothing of RBX, the ABI says that it is kept; elfutils 0.188 says that of RAX instead */
	if (undefined)
		a.bx = known(reg(REG_RBX, pc));
	*ret_answer = a;
	*ret_limits = l;
	return 0;
}
