// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. What is known of the stack at an instruction (stack_state) depends on how it was reached. Code after a return or a jump is reached from
 * elsewhere; code after a call may never be; and where functions start is not written anywhere in a stripped file.
 *
 * Idea. Follow the branches. Starts of functions are what the caller knows of (symbols) and what direct calls in the code lead to. From
 * each the code is walked instruction by instruction; both ways of a branch are taken; where two ways meet, what they agree on holds.
 *
 *        start ─> … jcc L ─> … ret      pad   start? ─> …
 *                    └──────────> L: …  ^^^   ^ behind padding, aligned, and not reached by anybody: a weak start
 *
 *      - The way on after a call waits until nothing else is left to do: if the place is known by then to be different, or looks like the beginning of a
 *        function, the call did not return.
 *      - Jumps through a table are followed when the table is in sight: the last address of data that was loaded before the
 *        jump, with as many entries as the last comparison allows.
 *      - A jump through a register may lead to each place of its function whose address that function takes: loops that are written in assembler keep where they go on.
 *      - What was reached from a weak start is overruled by what is reached from a strong one.
 *      - In a function with a jump that leads nobody knows where, what is not reached is taken to belong to it, and stays unknown; in assembler it is taken to be where
 *        the jump leads, with its stack.
 *
 * Layout. One struct place and one byte of flags a byte of code; places in the middle of instructions and outside of what is to be followed stay
 * unused, which costs no memory, either.
 *
 *      - A call that finds the stack on an odd multiple of 8 was not reached as it seems: the ABI forbids it. But for functions in assembler, which do nothing before they call each
 *        other.
 *
 * Invariants. A place's state only ever loses knowledge, except that a strong one replaces a weak one; so the walk ends. If it takes more steps than
 * allowed, all states are given up, for they may not be final.
 *
 * Cost. About 50 ns an instruction.
 *
 * What it does not do. Tell functions that never return from others, but by their names (noreturn); notice data between functions, unless it is no code.
 *
 * Reference. B. Schwarz, S. Debray, G. Andrews: Disassembly of Executable Code Revisited, 2002 (linear sweep and recursive traversal).
 */
#include "user/object/code_sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/object/code_ways.h"
#include "user/object/noreturn.h"
#include "user/object/x86_insn.h"

#define START_ALIGN       16
#define TABLE_ENTRIES_MAX 1024
#define STEP_BYTES        64
#define STEP_FLAGS        1024 /* looked at for the price of an instruction */
#define ENTRY_LOOK_MAX    40   /* instructions that a place which may be an entry is judged by */

enum strength { UNREACHED = 0, WEAK, STRONG };

enum place_flag {
	PLACE_ALLOWED = 1,
	PLACE_START = 2,      /* of a function, for sure */
	PLACE_POINTED = 4,    /* its address is taken somewhere */
	PLACE_LOST = 8,       /* a jump to nobody knows where */
	PLACE_FELL_INTO = 16, /* reached first by the way on after a call */
	PLACE_LABEL = 32      /* its address is taken by the function that it seems to be in */
};

struct place {
	struct stack_state state;
	uint8_t strength, len;
	uint8_t flow;      /* enum x86_flow, once it is reached */
	bool is_slot_jump; /* through the global offset table */
	bool is_register_jump;
	bool is_lead; /* to where nobody knows, perhaps in its function */
};

struct code_sweep {
	const uint8_t *bytes;
	uint32_t len;
	uint64_t start;
	struct code_memory memory;
	unsigned int habits;
	const struct noreturn *noreturn; /* NULL: none is known */
	struct place *places;
	uint8_t *flags;           /* enum place_flag */
	struct code_ways ways;    /* a stack */
	struct code_ways returns; /* after calls: a heap */
	uint64_t steps_left;
	uint32_t n_labels, n_allowed;
	bool gave_up;
};

int code_sweep__new(const uint8_t *bytes, size_t len, uint64_t start, const struct code_memory *memory,
		    unsigned int habits, struct code_sweep **ret_sweep)
{
	struct code_sweep *s;

	if (len > CODE_SWEEP_MAX)
		return -E2BIG;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->places = calloc(len + 1, sizeof(*s->places));
	s->flags = calloc(len + 1, sizeof(*s->flags));
	if (!s->places || !s->flags) {
		code_sweep__free(s);
		return -ENOMEM;
	}
	s->bytes = bytes;
	s->len = (uint32_t)len;
	s->start = start;
	if (memory)
		s->memory = *memory;
	s->habits = habits;
	s->steps_left = (uint64_t)len * CODE_SWEEP_STEPS;
	*ret_sweep = s;
	return 0;
}

void code_sweep__free(struct code_sweep *s)
{
	if (!s)
		return;
	free(s->places);
	free(s->flags);
	code_ways__done(&s->ways);
	code_ways__done(&s->returns);
	free(s);
}

/* Offset of an address that is to be followed, or NOWHERE. */
#define NOWHERE UINT32_MAX
static uint32_t offset_of(const struct code_sweep *s, uint64_t vaddr)
{
	if (vaddr < s->start || vaddr - s->start >= s->len || !(s->flags[vaddr - s->start] & PLACE_ALLOWED))
		return NOWHERE;
	return (uint32_t)(vaddr - s->start);
}

static void set_flag(struct code_sweep *s, uint64_t vaddr, enum place_flag flag)
{
	uint32_t at = offset_of(s, vaddr);

	if (at != NOWHERE)
		s->flags[at] |= flag;
}

void code_sweep__allow(struct code_sweep *s, uint64_t from, uint64_t to)
{
	uint64_t end = s->start + s->len;

	for (uint64_t at = from > s->start ? from : s->start; at < to && at < end; at++) {
		s->n_allowed += !(s->flags[at - s->start] & PLACE_ALLOWED);
		s->flags[at - s->start] |= PLACE_ALLOWED;
	}
}

uint32_t code_sweep__n_allowed(const struct code_sweep *s)
{
	return s->n_allowed;
}

void code_sweep__add_start(struct code_sweep *s, uint64_t vaddr)
{
	set_flag(s, vaddr, PLACE_START);
}

static bool parse(const struct code_sweep *s, uint32_t at, struct x86_insn *in)
{
	return !x86_insn__parse(s->bytes + at, s->len - at, in);
}

/* The address that an instruction loads, relative to itself. */
static bool is_lea_rip(const struct x86_insn *in)
{
	return in->encoding == X86_LEGACY && in->map == X86_MAP_ONE && in->opcode == 0x8d &&
	       in->base == X86_RIP;
}

static uint64_t target_of(const struct code_sweep *s, uint32_t at, const struct x86_insn *in)
{
	return s->start + at + in->len + (uint64_t)(is_lea_rip(in) ? in->disp : in->imm);
}

void code_sweep__set_noreturn(struct code_sweep *s, const struct noreturn *noreturn)
{
	s->noreturn = noreturn;
}

void code_sweep__add_pointed(struct code_sweep *s, uint64_t vaddr)
{
	set_flag(s, vaddr, PLACE_POINTED);
}

/* A byte that may be the opcode of a call or of an address's load, and what its displacement leads to. */
struct candidate {
	const uint8_t *at;
	uint8_t opcode, len; /* from the opcode on */
};

static void candidate__next(struct candidate *c, const uint8_t *from, const uint8_t *end)
{
	c->at = from < end ? memchr(from, c->opcode, (size_t)(end - from)) : NULL;
	if (c->at && end - c->at < c->len)
		c->at = NULL;
}

static uint64_t candidate__target(const struct candidate *c, const uint8_t *bytes, uint64_t start)
{
	uint64_t end = start + (uint64_t)(c->at - bytes) + c->len;
	int32_t displacement;

	memcpy(&displacement, c->at + c->len - sizeof(displacement), sizeof(displacement));
	return end + (uint64_t)(int64_t)displacement;
}

/* The instruction over the byte; told apart from a little before it, or from where they were last: code falls into step with itself after a few. from: behind it then. */
static bool find_over(const uint8_t *bytes, size_t len, size_t at, size_t *from, struct x86_insn *ret)
{
	if (at - *from > STEP_BYTES)
		*from = at - STEP_BYTES;
	for (bool found; *from <= at;) {
		found = !x86_insn__parse(bytes + *from, len - *from, ret);
		*from += found ? ret->len : 1;
		if (found && *from > at)
			return true;
	}
	return false;
}

/* Does a call or a load of an address have its opcode there? */
static bool is_opcode(const uint8_t *bytes, size_t len, size_t at, size_t *from)
{
	struct x86_insn in;

	return find_over(bytes, len, at, from, &in) &&
	       ((x86_insn__flow(&in) == X86_FLOW_CALL && *from == at + 5) ||
		(is_lea_rip(&in) && *from == at + 6));
}

/* Only bytes whose displacement leads to where it matters are looked at: most of the code need not be told apart. */
void code_sweep__find_starts(struct code_sweep *s, const uint8_t *bytes, size_t len, uint64_t start)
{
	struct candidate call = {.opcode = 0xe8, .len = 5}, lea = {.opcode = 0x8d, .len = 6};
	const uint8_t *end = bytes + len;
	size_t from = 0;

	candidate__next(&call, bytes, end);
	candidate__next(&lea, bytes, end);
	while (call.at || lea.at) {
		bool is_call = call.at && (!lea.at || call.at < lea.at);
		struct candidate *c = is_call ? &call : &lea;
		uint64_t target = candidate__target(c, bytes, start);
		uint32_t to = offset_of(s, target);
		size_t at = (size_t)(c->at - bytes);

		/* what other code takes the address of is no part of one of its own functions */
		bool is_start = is_call || offset_of(s, start + at) == NOWHERE;

		/* a call of what follows it only asks where it is */
		if (to != NOWHERE && !(is_call && target == start + at + c->len) &&
		    !(s->flags[to] & (is_start ? PLACE_START : PLACE_POINTED)) && at >= from &&
		    is_opcode(bytes, len, at, &from))
			s->flags[to] |= is_start ? PLACE_START : PLACE_POINTED;
		candidate__next(c, c->at + 1, end);
	}
}

/* mov $…,%reg, in both forms that have 32 bits of it. */
static bool is_move_of_number(const struct x86_insn *in)
{
	return in->encoding == X86_LEGACY && in->map == X86_MAP_ONE &&
	       ((in->opcode & 0xf8) == 0xb8 || (in->opcode == 0xc7 && in->modrm >= 0xc0));
}

/* Does such an instruction end there? */
static bool is_number(const uint8_t *bytes, size_t len, size_t end, size_t *from)
{
	struct x86_insn in;

	return find_over(bytes, len, end - 1, from, &in) && *from == end && is_move_of_number(&in);
}

void code_sweep__find_constants(struct code_sweep *s, const uint8_t *bytes, size_t len, uint64_t start)
{
	const size_t size = sizeof(uint32_t);
	size_t from = 0;

	for (size_t at = 1; at + size <= len; at++) {
		uint32_t number, to;
		bool is_start = offset_of(s, start + at) == NOWHERE;

		memcpy(&number, bytes + at, size);
		if (number - s->start >= s->len)
			continue;
		to = offset_of(s, number);
		if (to != NOWHERE && !(s->flags[to] & (is_start ? PLACE_START : PLACE_POINTED)) &&
		    at + size > from && is_number(bytes, len, at + size, &from))
			s->flags[to] |= is_start ? PLACE_START : PLACE_POINTED;
	}
}

/* -- ways -- */

/* What is done for so many steps; false where no more are left: then nothing is known. */
static bool spend(struct code_sweep *s, uint64_t steps)
{
	s->gave_up |= s->steps_left < steps;
	s->steps_left -= s->gave_up ? 0 : steps;
	return !s->gave_up;
}

static void add_way(struct code_sweep *s, uint64_t vaddr, const struct stack_state *state, uint8_t strength)
{
	struct way way = {(uint32_t)(vaddr - s->start), strength, *state};

	if (offset_of(s, vaddr) != NOWHERE && spend(s, 1))
		s->gave_up |= !code_ways__push(&s->ways, &way);
}

/* Does a function begin the way compilers begin one there: by making room on the stack? */
static bool is_prologue(const struct code_sweep *s, uint32_t at)
{
	struct x86_insn in;
	uint8_t reg;

	if (!parse(s, at, &in) || in.encoding != X86_LEGACY || in.map != X86_MAP_ONE)
		return false;
	if ((in.opcode & 0xf8) == 0x50) {
		reg = x86_insn__opcode_reg(&in);
		return reg == X86_RBP || reg == X86_RBX || reg >= 12;
	}
	return (in.opcode == 0x81 || in.opcode == 0x83) && in.modrm == 0xec && x86_insn__is_wide(&in);
}

static bool is_endbr64(const struct code_sweep *s, uint32_t at)
{
	static const uint8_t bytes[] = {0xf3, 0x0f, 0x1e, 0xfa};

	return s->len - at >= sizeof(bytes) && !memcmp(s->bytes + at, bytes, sizeof(bytes));
}

/* Is what follows a call another function, because the call does not return? */
static bool is_next_function(const struct code_sweep *s, uint32_t at)
{
	uint32_t n;

	while (!(s->flags[at] & (PLACE_START | PLACE_POINTED)) &&
	       (n = x86_insn__padding(s->bytes + at, s->len - at)) != 0)
		at += n;
	if ((s->flags[at] & (PLACE_START | PLACE_POINTED)) || is_endbr64(s, at))
		return true;
	return (s->start + at) % START_ALIGN == 0 && is_prologue(s, at);
}

static void add_return(struct code_sweep *s, uint32_t at, const struct stack_state *state, uint8_t strength)
{
	struct way way = {at, strength, *state};

	if (offset_of(s, s->start + at) != NOWHERE && !is_next_function(s, at))
		s->gave_up |= !code_ways__add(&s->returns, &way);
}

/* -- jump tables -- */

/* What a walk saw on its way that a table may hang on. */
struct sight {
	uint64_t table;     /* the last address of no code that was loaded; 0: none */
	int64_t last_index; /* of the last comparison with a number; -1: none */
	int64_t mask;       /* of the last `and` with one; -1: none */
};

/* Are both places in one function, as far as is known? */
static bool is_in_one_function(struct code_sweep *s, uint32_t a, uint32_t b)
{
	uint32_t from = a < b ? a : b, last = a < b ? b : a, to = last;

	while (from < to && (s->flags[to] & (PLACE_START | PLACE_ALLOWED)) == PLACE_ALLOWED)
		to--;
	return spend(s, (last - to) / STEP_FLAGS) && from == to;
}

static void look(struct code_sweep *s, uint32_t at, const struct x86_insn *in, struct sight *sight)
{
	uint8_t op = in->opcode;
	uint32_t to;

	if (in->encoding != X86_LEGACY || in->map != X86_MAP_ONE)
		return;
	if (is_lea_rip(in)) {
		to = offset_of(s, target_of(s, at, in));
		if (to == NOWHERE)
			sight->table = target_of(s, at, in);
		else if (!(s->flags[to] & PLACE_LABEL) && is_in_one_function(s, at, to)) {
			s->flags[to] |= PLACE_LABEL;
			s->n_labels++;
		}
	} else if ((op == 0x81 || op == 0x83) && x86_insn__group(in) == 4)
		sight->mask = in->imm;
	else if (op == 0x3c || op == 0x3d ||
		 ((op == 0x80 || op == 0x81 || op == 0x83) && x86_insn__group(in) == 7))
		sight->last_index = op == 0x3c || op == 0x80 ? in->imm & 0xff : in->imm;
}

/* Entries of 4 bytes count from the table, those of 8 are addresses. False where the table is not understood. */
static bool follow_table(struct code_sweep *s, uint64_t table, size_t entry, int64_t last_index,
			 const struct stack_state *state, uint8_t strength)
{
	uint32_t n = last_index >= 0 && last_index < TABLE_ENTRIES_MAX ? (uint32_t)last_index + 1 : 0;
	uint8_t entries[TABLE_ENTRIES_MAX * sizeof(uint64_t)];
	uint32_t i;

	if (!s->memory.read || !n || !s->memory.read(s->memory.ctx, table, entries, n * entry))
		return false;
	for (i = 0; i < n; i++) {
		uint64_t target = 0;

		memcpy(&target, entries + i * entry, entry);
		if (entry == 4)
			target = table + (uint64_t)(int64_t)(int32_t)target;
		if (offset_of(s, target) == NOWHERE)
			break;
		add_way(s, target, state, strength);
	}
	return i == n;
}

static void follow_indirect(struct code_sweep *s, uint32_t at, const struct x86_insn *in,
			    const struct stack_state *state, const struct sight *sight, uint8_t strength)
{
	bool is_entry = state->sp_kind == STACK_SP_KNOWN && state->sp == 1;
	int64_t last_index = sight->last_index >= 0 ? sight->last_index : sight->mask;
	bool found = false;

	if (in->base == X86_RIP)
		return; /* through the global offset table: to another function */
	if (x86_insn__is_memory(in) && in->index != X86_NO_REG && in->base == X86_NO_REG)
		found = follow_table(s, (uint64_t)(int64_t)in->disp, 8, last_index, state, strength);
	else if (!x86_insn__is_memory(in) && sight->table)
		found = follow_table(s, sight->table, 4, last_index, state, strength);
	/* with the stack as it was on entry it is taken for the call of another function that ends this one */
	if (!found && (!is_entry || (x86_insn__is_memory(in) && in->index != X86_NO_REG)))
		s->flags[at] |= PLACE_LOST;
}

/* -- walking -- */

/* Comes to a place with a state; false where nothing new is to be learnt from going on. */
static bool arrive(struct place *p, uint8_t *flags, const struct stack_state *state, uint8_t strength,
		   bool after_call)
{
	if (p->strength > strength)
		return false;
	if (p->strength == strength && p->strength != UNREACHED) {
		if (after_call)
			return false;
		if ((*flags & PLACE_FELL_INTO) && !stack_state__equals(&p->state, state)) {
			/* the call before did not return, then */
			*flags &= ~PLACE_FELL_INTO;
			p->state = *state;
			return true;
		}
		return stack_state__meet(&p->state, state);
	}
	p->strength = strength;
	p->state = *state;
	*flags = after_call ? *flags | PLACE_FELL_INTO : *flags & ~PLACE_FELL_INTO;
	return true;
}

/* Zeros could be decoded, but nobody writes them. */
static bool is_no_code(const struct code_sweep *s, uint32_t at)
{
	return s->bytes[at] == 0 && at + 1 < s->len && s->bytes[at + 1] == 0;
}

/* Of a function that was entered here for sure, or of code that is all of that kind, and has done nothing with its stack, of another one without rules. */
static bool is_call_in_assembler(const struct code_sweep *s, uint32_t at, const struct x86_insn *in,
				 const struct stack_state *state, uint8_t strength)
{
	return (strength == STRONG || s->habits & STACK_HABIT_ASSEMBLER) &&
	       state->sp_kind == STACK_SP_KNOWN && state->sp == 1 && x86_insn__flow(in) == X86_FLOW_CALL &&
	       offset_of(s, target_of(s, at, in)) != NOWHERE;
}

/* Functions in assembler that align their stack keep where it was in a register, which those that they call among themselves leave alone. */
static bool keeps_copy(const struct code_sweep *s, uint32_t at, const struct x86_insn *in,
		       const struct stack_state *before)
{
	return s->habits & STACK_HABIT_ASSEMBLER && x86_insn__flow(in) == X86_FLOW_CALL && in->imm &&
	       before->sp_kind == STACK_SP_MOVED && before->fp_kind != STACK_FP_FRAME &&
	       before->copy_reg != X86_NO_REG && offset_of(s, target_of(s, at, in)) != NOWHERE;
}

/* Follows one way until it ends or comes to where nothing changes. */
static void walk(struct code_sweep *s, const struct way *way, bool after_call)
{
	struct sight sight = {.last_index = -1, .mask = -1};
	struct stack_state state = way->state;
	uint32_t at = way->at;
	struct x86_insn in;

	for (;; at += in.len, after_call = false) {
		struct place *p = &s->places[at];
		struct stack_state before;
		enum x86_flow flow;

		if (offset_of(s, s->start + at) == NOWHERE || is_no_code(s, at) ||
		    !arrive(p, &s->flags[at], &state, way->strength, after_call) || !parse(s, at, &in))
			return;
		if (!spend(s, 1))
			return;
		before = state = p->state;
		look(s, at, &in, &sight);
		stack_state__step(&state, &in, s->habits);
		flow = x86_insn__flow(&in);
		if (keeps_copy(s, at, &in, &before))
			state = before;
		p->len = in.len;
		p->flow = flow;
		p->is_slot_jump = flow == X86_FLOW_JUMP_INDIRECT && in.base == X86_RIP;
		p->is_register_jump = flow == X86_FLOW_JUMP_INDIRECT && !x86_insn__is_memory(&in);
		p->is_lead = flow == X86_FLOW_JUMP_INDIRECT && in.base != X86_RIP;
		if (flow == X86_FLOW_BRANCH || flow == X86_FLOW_JUMP)
			add_way(s, target_of(s, at, &in), &state, way->strength);
		if (flow == X86_FLOW_JUMP_INDIRECT)
			follow_indirect(s, at, &in, &state, &sight, way->strength);
		if ((flow == X86_FLOW_CALL && in.imm) || flow == X86_FLOW_CALL_INDIRECT) {
			if (stack_state__is_misaligned(&p->state, s->habits) &&
			    !is_call_in_assembler(s, at, &in, &p->state, way->strength))
				return; /* what is known is not so, or the call does not return */
			if (flow == X86_FLOW_CALL && s->noreturn &&
			    noreturn__has(s->noreturn, target_of(s, at, &in)))
				return;
			add_return(s, at + in.len, &state, way->strength);
			return;
		}
		if (flow != X86_FLOW_NEXT && flow != X86_FLOW_BRANCH && flow != X86_FLOW_CALL)
			return;
	}
}

static void drain(struct code_sweep *s)
{
	while (!s->gave_up && (s->ways.n || s->returns.n)) {
		bool after_call = !s->ways.n;
		struct way way = after_call ? code_ways__take_lowest(&s->returns) : code_ways__pop(&s->ways);

		walk(s, &way, after_call);
	}
}

/* Where the function that begins there, or goes on, ends. */
static uint32_t function_end(const struct code_sweep *s, uint32_t from)
{
	uint32_t to = from + 1;

	while (to < s->len && (s->flags[to] & (PLACE_START | PLACE_ALLOWED)) == PLACE_ALLOWED)
		to++;
	return to;
}

/* To the labels of a function, with what its jumps that lead nobody knows where agree on. */
static void follow_labels(struct code_sweep *s, uint32_t from, uint32_t end)
{
	struct stack_state state;
	bool has_jump = false;

	for (uint32_t at = from; at < end; at++) {
		const struct place *p = &s->places[at];

		if (!(s->flags[at] & PLACE_LOST) || !p->is_register_jump || p->strength != STRONG)
			continue;
		if (has_jump)
			stack_state__meet(&state, &p->state);
		else
			state = p->state;
		has_jump = true;
	}
	for (uint32_t at = from; has_jump && at < end; at++)
		if (s->flags[at] & PLACE_LABEL)
			add_way(s, s->start + at, &state, STRONG);
}

/* What is followed may bring new labels, and new jumps. */
static void run_labels(struct code_sweep *s)
{
	uint32_t n_before = 0;

	while (s->n_labels != n_before && spend(s, s->len / STEP_FLAGS)) {
		n_before = s->n_labels;
		for (uint32_t from = 0, end; from < s->len; from = end) {
			end = function_end(s, from);
			if (s->flags[from] & PLACE_ALLOWED)
				follow_labels(s, from, end);
		}
		drain(s);
	}
}

void code_sweep__run(struct code_sweep *s)
{
	const struct stack_state entry = stack_state__at_entry();

	for (uint32_t at = 0; at < s->len && !s->gave_up; at++)
		if ((s->flags[at] & (PLACE_START | PLACE_ALLOWED)) == (PLACE_START | PLACE_ALLOWED))
			add_way(s, s->start + at, &entry, STRONG);
	drain(s);
	run_labels(s);
}

/* -- what was not reached -- */

/* Where the scan over the code is. */
struct scan {
	bool has_ended; /* what stands here was not fallen into */
	bool is_lost;   /* in a function whose parts are not all known */
	bool after_slot_jump;
	bool after_call; /* one that may not have returned */
	bool has_lead;   /* there was a jump in this function that may lead here, too, with this state */
	struct stack_state lead;
};

/* What nobody hands over to a function: rax, rbx, rbp, r12 to r15. */
#define CALLERS_OWN 0xf029u

/* Does it use a register that nothing was put into, other than to save it? */
static bool uses_unset(const struct x86_insn *in, uint32_t unset)
{
	if (in->encoding == X86_LEGACY && in->map == X86_MAP_0F && in->opcode == 0x1f)
		return false; /* a nop with an address */
	if (x86_insn__is_memory(in))
		return (in->base < X86_REGS && (unset >> in->base & 1)) ||
		       (in->index < X86_REGS && (unset >> in->index & 1));
	if (in->encoding != X86_LEGACY || in->map != X86_MAP_ONE || !in->has_modrm)
		return false;
	if (in->opcode == 0x8b)
		return unset >> x86_insn__rm(in) & 1;
	return in->opcode == 0x89 && (unset >> x86_insn__reg(in) & 1);
}

/* A function that calls another has made the stack even before, and takes nothing out of registers that are its caller's: a landing pad does. */
static bool could_be_entry(const struct code_sweep *s, uint32_t at)
{
	struct stack_state state = stack_state__at_entry();
	uint32_t unset = CALLERS_OWN;
	struct x86_insn in;

	for (int i = 0;
	     i < ENTRY_LOOK_MAX && at < s->len && (s->flags[at] & PLACE_ALLOWED) && parse(s, at, &in); i++) {
		enum x86_flow flow = x86_insn__flow(&in);

		if (flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_INDIRECT)
			return !stack_state__is_misaligned(&state, s->habits) ||
			       (s->habits & STACK_HABIT_ASSEMBLER &&
				is_call_in_assembler(s, at, &in, &state, WEAK));
		if (uses_unset(&in, unset))
			return false;
		unset &= ~x86_insn__writes(&in);
		if (flow != X86_FLOW_NEXT && flow != X86_FLOW_BRANCH)
			return true;
		stack_state__step(&state, &in, s->habits);
		at += in.len;
	}
	return true;
}

static bool looks_like_start(const struct code_sweep *s, const struct scan *scan, uint32_t at)
{
	if (s->flags[at] & PLACE_POINTED)
		return true;
	/* landing pads of exceptions begin with it, too */
	if (is_endbr64(s, at))
		return could_be_entry(s, at);
	/* the second half of a stub: push of its number, jump to the resolver */
	if (scan->after_slot_jump && s->bytes[at] == 0x68)
		return true;
	return !scan->is_lost && (s->start + at) % START_ALIGN == 0 && could_be_entry(s, at);
}

/* Jumps of one function that may lead on in it; where their stacks differ, nobody can tell with which. */
static void pass_lead(struct scan *scan, const struct place *p)
{
	if (p->is_lead && scan->has_lead)
		stack_state__meet(&scan->lead, &p->state);
	else if (p->is_lead)
		scan->lead = p->state;
	scan->has_lead |= p->is_lead;
}

/* Passes one instruction that was reached, or not: what it means for the next. */
static void pass(struct scan *scan, uint8_t flags, enum x86_flow flow, bool is_slot_jump)
{
	scan->has_ended = flow == X86_FLOW_JUMP || flow == X86_FLOW_JUMP_INDIRECT ||
			  flow == X86_FLOW_RETURN || flow == X86_FLOW_STOP;
	scan->after_call = flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_INDIRECT;
	scan->after_slot_jump = is_slot_jump;
	if (flags & PLACE_START)
		scan->is_lost = scan->has_lead = false;
	if (flags & PLACE_LOST)
		scan->is_lost = true;
}

/*
 * Behind a jump or a return, no start of a function, and reached by nobody in a function with a jump that nobody knows all the places of: this is one of them. But
 * for what may as well be the next function, with another stack. Of a compiler's code it would be wrong twice as often as what else is found out (cc1: 0.6 % of all for 0.2).
 */
static bool may_be_led_to(const struct code_sweep *s, const struct scan *scan, uint32_t at)
{
	const struct stack_state entry = stack_state__at_entry();

	return s->habits & STACK_HABIT_ASSEMBLER && scan->has_lead && scan->lead.sp_kind == STACK_SP_KNOWN &&
	       ((s->start + at) % START_ALIGN || !could_be_entry(s, at) ||
		(scan->lead.sp == entry.sp && scan->lead.fp_kind == entry.fp_kind));
}

void code_sweep__run_rest(struct code_sweep *s)
{
	const struct stack_state entry = stack_state__at_entry();
	struct scan scan = {.has_ended = true};
	struct x86_insn in;

	for (uint32_t at = 0; at < s->len && !s->gave_up;) {
		struct place *p = &s->places[at];
		uint32_t n;

		if (!(s->flags[at] & PLACE_ALLOWED)) {
			scan = (struct scan){.has_ended = true};
			at++;
			continue;
		}
		if (p->strength && p->len) {
			pass(&scan, s->flags[at], p->flow, p->is_slot_jump);
			pass_lead(&scan, p);
			at += p->len;
			continue;
		}
		if (!parse(s, at, &in)) {
			scan.has_ended = true;
			at++;
			continue;
		}
		n = scan.has_ended || scan.after_call ? x86_insn__padding(s->bytes + at, s->len - at) : 0;
		if (n) {
			at += n;
			continue;
		}
		if ((scan.has_ended || (scan.after_call && is_next_function(s, at))) &&
		    looks_like_start(s, &scan, at)) {
			scan.is_lost = scan.has_lead = false;
			add_way(s, s->start + at, &entry, WEAK);
			drain(s);
		} else if (scan.has_ended && may_be_led_to(s, &scan, at)) {
			add_way(s, s->start + at, &scan.lead, WEAK);
			drain(s);
		}
		pass(&scan, s->flags[at], x86_insn__flow(&in),
		     x86_insn__flow(&in) == X86_FLOW_JUMP_INDIRECT && in.base == X86_RIP);
		at += in.len;
	}
}

const struct stack_state *code_sweep__find(const struct code_sweep *s, uint64_t vaddr, uint8_t *ret_len)
{
	uint32_t at = offset_of(s, vaddr);

	if (s->gave_up || at == NOWHERE || !s->places[at].strength || !s->places[at].len)
		return NULL;
	*ret_len = s->places[at].len;
	return &s->places[at].state;
}
