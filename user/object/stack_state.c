// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Assemblers, C libraries built for size and boot code leave no rules for unwinding, yet the rule is in plain sight: a function finds
 * its own return address by undoing what it did to the stack.
 *
 * Idea. Follow three facts through the instructions, all relative to the CFA, the stack pointer before the call: where the stack pointer is,
 * whether the frame pointer is the caller's or marks a frame, where the caller's was saved.
 *
 *      instruction            sp │ fp          │ saved at
 *      (entry)                 1 │ caller's    │
 *      push %rbp               2 │ caller's    │ 2
 *      mov  %rsp,%rbp          2 │ CFA - 2     │ 2
 *      sub  $32,%rsp           6 │ CFA - 2     │ 2
 *      and  $-64,%rsp      moved │ CFA - 2     │ 2           found by the frame pointer from here
 *      leave                   1 │ caller's    │
 *      ret
 *
 * Invariants. An instruction that changes a register in a way that is not understood makes it unknown (x86_insn__writes says which ones
 * it may change). Nothing unknown becomes known, but by a load from where it was saved, by the end of a frame that is known, or where a stack pointer that was aligned
 * points at a word into which the CFA was stored.
 *
 * Cost. A few comparisons an instruction.
 *
 * What it does not do. Registers and memory in general: one copy of a stack address and one of the frame pointer are followed, so that code which
 * keeps the old stack pointer in another register is understood. Stores that overwrite a saved register are not looked for, but
 * those over the word in which the CFA is kept (STACK_SP_KEEPER).
 *
 * Reference. System V ABI AMD64, 3.2; Intel SDM volume 2.
 */
#include "user/object/stack_state.h"

#include "user/object/x86_insn.h"

#define UNIT      8
#define UNITS_MAX INT16_MAX
/* A row has two bits for what is to be added to a word that was read. */
#define KEPT_MAX 3
/* What a call may change: rax, rcx, rdx, rsi, rdi, r8 to r11. */
#define CALL_CLOBBERS 0x0fc7u

struct stack_state stack_state__at_entry(void)
{
	return (struct stack_state){.sp = 1, .copy_reg = X86_NO_REG, .callers_reg = X86_NO_REG};
}

bool stack_state__is_misaligned(const struct stack_state *s, unsigned int habits)
{
	return !(habits & STACK_HABIT_GO) && s->sp_kind == STACK_SP_KNOWN && s->sp % 2;
}

/* -- what registers hold -- */

/* A value as far as it matters: the CFA less `units`, the address of a word that holds that, the caller's frame pointer, or none of these. */
struct value {
	enum { VALUE_OTHER, VALUE_STACK, VALUE_KEEPER, VALUE_CALLERS_FP } kind;
	int32_t units;
};

static struct value value_of(const struct stack_state *s, uint8_t reg)
{
	if (reg == X86_RSP && s->sp_kind == STACK_SP_KNOWN)
		return (struct value){VALUE_STACK, s->sp};
	if (reg == X86_RSP && s->sp_kind == STACK_SP_KEEPER)
		return (struct value){VALUE_KEEPER, s->sp};
	if (reg == X86_RBP && s->fp_kind == STACK_FP_FRAME)
		return (struct value){VALUE_STACK, s->fp};
	if (reg == X86_RBP && s->fp_kind == STACK_FP_KEEPER)
		return (struct value){VALUE_KEEPER, s->fp};
	if (reg == X86_RBP && s->fp_kind == STACK_FP_CALLERS)
		return (struct value){VALUE_CALLERS_FP, 0};
	if (reg == s->copy_reg && reg != X86_NO_REG)
		return (struct value){VALUE_STACK, s->copy};
	if (reg == s->callers_reg && reg != X86_NO_REG)
		return (struct value){VALUE_CALLERS_FP, 0};
	return (struct value){VALUE_OTHER, 0};
}

static struct value plus_bytes(struct value v, int64_t bytes)
{
	int64_t units = v.units - bytes / UNIT;

	if (v.kind == VALUE_KEEPER && bytes == 0)
		return v;
	if (v.kind != VALUE_STACK || bytes % UNIT || units > UNITS_MAX || units < -UNITS_MAX)
		return (struct value){VALUE_OTHER, 0};
	return (struct value){VALUE_STACK, (int32_t)units};
}

/* The stack pointer is at most at the return address, or something else goes on; what lies below it is gone. */
static void set_sp(struct stack_state *s, struct value v)
{
	if (v.kind != VALUE_KEEPER && (v.kind != VALUE_STACK || v.units < 1)) {
		s->sp_kind = STACK_SP_ELSEWHERE;
		s->sp = 0;
		return;
	}
	s->sp_kind = v.kind == VALUE_STACK ? STACK_SP_KNOWN : STACK_SP_KEEPER;
	s->sp = v.units;
	if (v.kind == VALUE_STACK && s->slot > s->sp)
		s->slot = 0;
}

static void set_fp(struct stack_state *s, struct value v)
{
	s->fp_kind = v.kind == VALUE_STACK        ? STACK_FP_FRAME
		     : v.kind == VALUE_KEEPER     ? STACK_FP_KEEPER
		     : v.kind == VALUE_CALLERS_FP ? STACK_FP_CALLERS
						  : STACK_FP_OTHER;
	s->fp = v.kind == VALUE_STACK || v.kind == VALUE_KEEPER ? v.units : 0;
}

static void set(struct stack_state *s, uint8_t reg, struct value v)
{
	if (reg == X86_RSP) {
		set_sp(s, v);
		return;
	}
	if (reg == X86_RBP) {
		set_fp(s, v);
		return;
	}
	if (s->copy_reg == reg)
		s->copy_reg = X86_NO_REG;
	if (s->callers_reg == reg)
		s->callers_reg = X86_NO_REG;
	if (v.kind == VALUE_STACK) {
		s->copy_reg = reg;
		s->copy = v.units;
	} else if (v.kind == VALUE_CALLERS_FP) {
		s->callers_reg = reg;
	}
	if (s->copy_reg == X86_NO_REG)
		s->copy = 0;
}

static void forget(struct stack_state *s, uint32_t regs)
{
	for (uint8_t reg = 0; reg < X86_REGS; reg++)
		if (regs & (1u << reg))
			set(s, reg, (struct value){VALUE_OTHER, 0});
}

/* The address of a memory operand, where it is one on this stack. */
static struct value address_of(const struct stack_state *s, const struct x86_insn *in)
{
	if (!x86_insn__is_memory(in) || in->index != X86_NO_REG || in->base >= X86_REGS ||
	    (in->prefixes & (X86_PREFIX_67 | X86_PREFIX_SEGMENT)))
		return (struct value){VALUE_OTHER, 0};
	return plus_bytes(value_of(s, in->base), in->disp);
}

/* Is the operand in the word that a register points at? */
static bool is_word_at_base(const struct x86_insn *in)
{
	return x86_insn__is_memory(in) && in->index == X86_NO_REG && in->disp >= 0 && in->disp < UNIT &&
	       !(in->prefixes & (X86_PREFIX_67 | X86_PREFIX_SEGMENT));
}

/* -- instructions -- */

/* The stack pointer by so much that is not known: it stays on its stack. */
static void move_sp(struct stack_state *s)
{
	if (s->sp_kind != STACK_SP_ELSEWHERE)
		s->sp_kind = STACK_SP_MOVED;
	s->sp = 0;
}

/* What touches the word in which the CFA is kept, and does not just load it, may have changed it. */
static void lose_keeper(struct stack_state *s, const struct x86_insn *in)
{
	bool is_load = in->encoding == X86_LEGACY && in->map == X86_MAP_ONE &&
		       (in->opcode == 0x8b || in->opcode == 0x8d);

	if (!is_word_at_base(in) || is_load || value_of(s, in->base).kind != VALUE_KEEPER)
		return;
	if (s->sp_kind == STACK_SP_KEEPER)
		move_sp(s);
	if (s->fp_kind == STACK_FP_KEEPER)
		forget(s, 1u << X86_RBP);
}

static void push(struct stack_state *s, struct value what, bool is_short)
{
	if (s->sp_kind != STACK_SP_KNOWN || is_short || s->sp == UNITS_MAX) {
		move_sp(s);
		return;
	}
	s->sp++;
	if (what.kind == VALUE_CALLERS_FP && !s->slot)
		s->slot = s->sp;
}

/* Is the frame pointer that of a frame which begins with the caller's? */
static bool has_frame(const struct stack_state *s)
{
	return s->fp_kind == STACK_FP_FRAME && s->slot && s->slot == s->fp;
}

static struct value loaded_from(const struct stack_state *s, struct value at)
{
	if (at.kind == VALUE_STACK && s->slot && at.units == s->slot)
		return (struct value){VALUE_CALLERS_FP, 0};
	if (at.kind == VALUE_KEEPER)
		return (struct value){VALUE_STACK, at.units};
	return (struct value){VALUE_OTHER, 0};
}

static void pop(struct stack_state *s, uint8_t reg, bool is_short)
{
	struct value sp = value_of(s, X86_RSP), what = loaded_from(s, sp);

	if (sp.kind != VALUE_STACK && reg == X86_RBP && has_frame(s)) {
		/* the end of a frame: whatever was done to the stack pointer was undone */
		sp = (struct value){VALUE_STACK, s->fp};
		what = (struct value){VALUE_CALLERS_FP, 0};
	}
	if (sp.kind == VALUE_STACK)
		set_sp(s, is_short ? (struct value){VALUE_OTHER, 0} : plus_bytes(sp, UNIT));
	else
		move_sp(s);
	if (reg < X86_REGS)
		set(s, reg, what);
}

static void leave(struct stack_state *s)
{
	struct value fp = value_of(s, X86_RBP), what = loaded_from(s, fp);

	set_sp(s, plus_bytes(fp, UNIT));
	set_fp(s, what);
}

static void enter(struct stack_state *s, const struct x86_insn *in)
{
	push(s, value_of(s, X86_RBP), false);
	set_fp(s, value_of(s, X86_RSP));
	if (in->imm & 0xff0000)
		forget(s, 1u << X86_RSP); /* nested levels: nobody uses them */
	else
		set_sp(s, plus_bytes(value_of(s, X86_RSP), -(in->imm & 0xffff)));
}

/* add, sub and and with the stack pointer as what is changed; false where it is another instruction. */
static bool step_arithmetic(struct stack_state *s, const struct x86_insn *in)
{
	uint8_t op = in->opcode, group = x86_insn__group(in);
	bool is_wide = x86_insn__is_wide(in);

	if (in->map != X86_MAP_ONE || !is_wide)
		return false;
	if ((op == 0x81 || op == 0x83) && in->modrm >= 0xc0 && x86_insn__rm(in) == X86_RSP) {
		if (group != 0 && group != 4 && group != 5)
			return group == 7;
		if (group == 4 || s->sp_kind != STACK_SP_KNOWN || in->imm % UNIT)
			move_sp(s);
		else
			set_sp(s, plus_bytes(value_of(s, X86_RSP), group == 5 ? -in->imm : in->imm));
		return true;
	}
	if (((op == 0x01 || op == 0x29 || op == 0x21) && in->modrm >= 0xc0 && x86_insn__rm(in) == X86_RSP) ||
	    ((op == 0x03 || op == 0x2b || op == 0x23) && x86_insn__reg(in) == X86_RSP)) {
		move_sp(s);
		return true;
	}
	return false;
}

static void step_lea(struct stack_state *s, const struct x86_insn *in)
{
	uint8_t to = x86_insn__reg(in);
	bool is_wide = x86_insn__is_wide(in);
	struct value v = address_of(s, in);

	/* an address that counts by an index from the stack is still on it */
	if (is_wide && to == X86_RSP && v.kind != VALUE_STACK && s->sp_kind != STACK_SP_ELSEWHERE &&
	    (in->base == X86_RSP || value_of(s, in->base).kind == VALUE_STACK ||
	     value_of(s, in->base).kind == VALUE_KEEPER))
		move_sp(s);
	else
		set(s, to, is_wide ? v : (struct value){VALUE_OTHER, 0});
}

static void store(struct stack_state *s, const struct x86_insn *in)
{
	struct value at = address_of(s, in), what = value_of(s, x86_insn__reg(in));

	if (what.kind == VALUE_CALLERS_FP && at.kind == VALUE_STACK && at.units > 1 && !s->slot)
		s->slot = at.units;
	if (what.kind == VALUE_STACK && s->sp_kind == STACK_SP_MOVED && in->base == X86_RSP &&
	    is_word_at_base(in) && in->disp == 0 && what.units >= 0 && what.units <= KEPT_MAX) {
		s->sp_kind = STACK_SP_KEEPER;
		s->sp = what.units;
	}
}

/* mov between registers, or a register and memory, of 8 bytes. */
static void step_mov(struct stack_state *s, const struct x86_insn *in, unsigned int habits)
{
	uint8_t to = in->opcode == 0x89 ? x86_insn__rm(in) : x86_insn__reg(in);
	uint8_t from = in->opcode == 0x89 ? x86_insn__reg(in) : x86_insn__rm(in);

	if (in->modrm >= 0xc0) {
		set(s, to, value_of(s, from));
	} else if (in->opcode == 0x89) {
		store(s, in);
	} else if (to != X86_RBP || !(habits & STACK_HABIT_GO) || s->sp_kind != STACK_SP_ELSEWHERE ||
		   !has_frame(s)) {
		set(s, to, loaded_from(s, address_of(s, in)));
	}
}

/* Instructions of the one-byte map that are followed exactly; false for all others. */
static bool step_one(struct stack_state *s, const struct x86_insn *in, unsigned int habits)
{
	bool is_short = in->prefixes & X86_PREFIX_66;
	uint8_t op = in->opcode;

	if ((op & 0xf8) == 0x50)
		push(s, value_of(s, x86_insn__opcode_reg(in)), is_short);
	else if ((op & 0xf8) == 0x58)
		pop(s, x86_insn__opcode_reg(in), is_short);
	else if (op == 0x68 || op == 0x6a || op == 0x9c || (op == 0xff && x86_insn__group(in) == 6))
		push(s, (struct value){VALUE_OTHER, 0}, is_short);
	else if (op == 0x9d)
		pop(s, X86_NO_REG, is_short);
	else if (op == 0x8f)
		pop(s, in->modrm >= 0xc0 ? x86_insn__rm(in) : X86_NO_REG, is_short);
	else if (op == 0xc9)
		leave(s);
	else if (op == 0xc8)
		enter(s, in);
	else if (op == 0x8d)
		step_lea(s, in);
	else if ((op == 0x89 || op == 0x8b) && x86_insn__is_wide(in))
		step_mov(s, in, habits);
	else
		return false;
	return true;
}

void stack_state__step(struct stack_state *s, const struct x86_insn *in, unsigned int habits)
{
	enum x86_flow flow;

	lose_keeper(s, in);
	if (in->encoding != X86_LEGACY) {
		forget(s, x86_insn__writes(in));
		return;
	}
	flow = x86_insn__flow(in);
	if (flow == X86_FLOW_CALL && in->imm == 0) {
		push(s, (struct value){VALUE_OTHER, 0}, false); /* to learn its own address */
		return;
	}
	if (flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_INDIRECT) {
		forget(s, CALL_CLOBBERS);
		return;
	}
	if (in->map == X86_MAP_ONE && step_one(s, in, habits))
		return;
	if (in->map == X86_MAP_0F && (in->opcode == 0xa0 || in->opcode == 0xa8)) {
		push(s, (struct value){VALUE_OTHER, 0}, in->prefixes & X86_PREFIX_66);
		return;
	}
	if (in->map == X86_MAP_0F && (in->opcode == 0xa1 || in->opcode == 0xa9)) {
		pop(s, X86_NO_REG, in->prefixes & X86_PREFIX_66);
		return;
	}
	if (!step_arithmetic(s, in))
		forget(s, x86_insn__writes(in));
}

/* -- states -- */

bool stack_state__equals(const struct stack_state *a, const struct stack_state *b)
{
	return a->sp_kind == b->sp_kind && a->fp_kind == b->fp_kind && a->copy_reg == b->copy_reg &&
	       a->callers_reg == b->callers_reg && a->sp == b->sp && a->fp == b->fp && a->copy == b->copy &&
	       a->slot == b->slot;
}

bool stack_state__meet(struct stack_state *s, const struct stack_state *other)
{
	struct stack_state before = *s;

	if (s->sp_kind != other->sp_kind || s->sp != other->sp) {
		s->sp_kind = s->sp_kind == STACK_SP_ELSEWHERE || other->sp_kind == STACK_SP_ELSEWHERE
				     ? STACK_SP_ELSEWHERE
				     : STACK_SP_MOVED;
		s->sp = 0;
	}
	if (s->fp_kind != other->fp_kind || s->fp != other->fp) {
		s->fp_kind = STACK_FP_OTHER;
		s->fp = 0;
	}
	if (s->copy_reg != other->copy_reg || s->copy != other->copy) {
		s->copy_reg = X86_NO_REG;
		s->copy = 0;
	}
	if (s->callers_reg != other->callers_reg)
		s->callers_reg = X86_NO_REG;
	if (s->slot != other->slot)
		s->slot = 0;
	return !stack_state__equals(s, &before);
}

static void put_fp(const struct stack_state *s, struct unwind_row *row)
{
	if (s->fp_kind == STACK_FP_CALLERS) {
		row->saved = ROW_FP_SAME;
	} else if (s->slot) {
		row->saved = ROW_FP_AT_CFA;
		row->fp_off = -s->slot;
	} else {
		row->saved = ROW_FP_UNKNOWN;
	}
}

static uint8_t dwarf_number(uint8_t reg)
{
	static const uint8_t first[] = {ROW_REG_RAX, ROW_REG_RCX, ROW_REG_RDX, ROW_REG_RBX,
					ROW_REG_RSP, ROW_REG_RBP, ROW_REG_RSI, ROW_REG_RDI};

	return reg < sizeof(first) ? first[reg] : reg;
}

struct unwind_row stack_state__row(const struct stack_state *s)
{
	struct unwind_row row = {.cfa = ROW_CFA_NONE};

	if (s->sp_kind == STACK_SP_KNOWN) {
		row.cfa = ROW_REG_RSP;
		row.cfa_off = s->sp;
	} else if (s->fp_kind == STACK_FP_FRAME && s->sp_kind != STACK_SP_ELSEWHERE) {
		row.cfa = ROW_REG_RBP;
		row.cfa_off = s->fp;
	} else if (s->sp_kind == STACK_SP_KEEPER) {
		row.cfa = ROW_REG_RSP | ROW_CFA_DEREF | s->sp << ROW_DEREF_ADD_SHIFT;
	} else if (s->fp_kind == STACK_FP_KEEPER && s->sp_kind == STACK_SP_MOVED) {
		row.cfa = ROW_REG_RBP | ROW_CFA_DEREF | s->fp << ROW_DEREF_ADD_SHIFT;
	} else if (has_frame(s) && s->fp == 2) {
		row.cfa = ROW_CFA_SWITCH;
		return row;
	} else if (s->copy_reg != X86_NO_REG && s->sp_kind == STACK_SP_MOVED) {
		row.cfa = dwarf_number(s->copy_reg);
		row.cfa_off = s->copy;
	} else {
		return row;
	}
	put_fp(s, &row);
	return row;
}
