// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Go writes no .eh_frame. Its code keeps frame pointers, but a function that needs no stack makes no frame, and in the first and last
 * instructions of every other one the frame pointer is still, or again, the caller's: who follows frame pointers loses a caller there,
 * without noticing. And a few functions of the runtime leave the goroutine's stack for the thread's.
 *
 * Idea. The runtime walks stacks by a table of its own, how far the stack pointer has gone down since the function was entered (pcsp):
 *
 *      delta      CFA = SP + delta + 8           return address at CFA - 8, caller's frame pointer at CFA - 16 if the function saved it
 *
 *      Go 1.21 on   push %rbp              0 │ 8     saved from here on
 *                   mov  %rsp,%rbp           8
 *                   sub  $N,%rsp           8 │ N+8
 *      before       sub  $N,%rsp           0 │ N     not yet saved
 *                   mov  %rbp,N-8(%rsp)      N       saved from here on
 *
 * Which of the two it is is read from the code. Functions written in assembler may do anything with the stack, and the table does not know all of it:
 * their instructions are followed (code_sweep). Where such a function has gone to another stack, its frame is found by the frame pointer
 * (ROW_CFA_SWITCH), or, if it is one that nobody returns from, the walk ends there as it does in goexit.
 *
 * Invariants. A row is made only where the prologue is one that is known.
 *
 * Cost. Some microseconds a function of the page; nothing is kept.
 *
 * What it does not do. Find the caller of systemstack and asmcgocall before Go 1.21: they make no frame there, so the walk goes on with the caller's caller, and counts as in doubt (ROW_DERIVED).
 *
 * Reference. Go: cmd/internal/obj/x86/obj6.go (preprocess), runtime/symtab.go (funcspdelta), runtime/asm_amd64.s.
 */
#include "user/object/go_rows.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/code_sweep.h"
#include "user/object/elf.h"
#include "user/object/gopclntab.h"
#include "user/object/unwind_row.h"

#define SAVE_BYTES_MAX 8 /* the longest instruction that saves the frame pointer */

/* Functions that nobody called: a goroutine's, a thread's, a program's first. */
static const char *const roots[] = {
	"runtime.goexit",   "runtime.mstart", "runtime.rt0_go",       "_rt0_amd64",
	"_rt0_amd64_linux", "_rt0_amd64_lib", "_rt0_amd64_linux_lib",
};

/* Those that are called, and go to a stack where nothing stands before them. */
static const char *const departures[] = {
	"runtime.mcall", "runtime.morestack", "gogo",
	"runtime.gogo",  "runtime.clone",     "runtime.switchToCrashStack0",
};

/* How a function saves the frame pointer. */
enum saving {
	SAVING_NONE,    /* it has no frame */
	SAVING_BY_PUSH, /* before the stack pointer has moved on */
	SAVING_BY_MOV,  /* after */
	SAVING_UNKNOWN,
};

struct page {
	const struct gopclntab *table;
	const struct elf *elf;
	uint64_t from, to;
	struct row_list *rows;
	struct go_rows_stats stats;
	uint64_t budget; /* bytes that may still be followed */
	int err;
};

/* One function. */
struct function {
	struct page *page;
	uint64_t start, end;
	enum saving saving;
	uint64_t moved;   /* where the stack pointer first was lower */
	uint8_t save_len; /* SAVING_BY_MOV: bytes of the instruction at `moved` that saves */
	int32_t first_delta;
	bool has_moved;
};

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static void put(struct page *p, uint64_t start, struct unwind_row row)
{
	if (start < p->to)
		row_list__append(p->rows, start > p->from ? start - p->from : 0, row);
}

/* -- by the table -- */

static void find_move(uint64_t start, uint64_t end, int32_t delta, void *ctx)
{
	struct function *f = ctx;

	(void)end;
	if (start == f->start)
		f->first_delta = delta;
	if (f->has_moved || delta == 0)
		return;
	f->has_moved = true;
	f->moved = start;
	f->saving = delta == 8 ? SAVING_BY_PUSH : SAVING_BY_MOV;
}

/* Does the instruction there save the frame pointer below the return address, the stack pointer being `delta` lower? Its length, or 0. */
static uint8_t save_length(const uint8_t *code, int32_t delta)
{
	static const uint8_t mov[] = {0x48, 0x89};
	int32_t offset;

	if (memcmp(code, mov, sizeof(mov)) || code[3] != 0x24)
		return 0;
	if (code[2] == 0x6c)
		return (int8_t)code[4] == delta - 8 ? 5 : 0;
	memcpy(&offset, code + 4, sizeof(offset));
	return code[2] == 0xac && offset == delta - 8 ? 8 : 0;
}

static void find_delta(uint64_t start, uint64_t end, int32_t delta, void *ctx)
{
	struct function *f = ctx;

	if (f->moved >= start && f->moved < end)
		f->first_delta = delta;
}

/* Looks at the code where the stack pointer has moved first. */
static void find_saving(struct function *f, uint32_t i)
{
	const struct page *p = f->page;
	struct buf code;

	if (gopclntab__sp_deltas(p->table, i, find_move, f) || f->first_delta != 0) {
		f->saving = SAVING_UNKNOWN;
		return;
	}
	if (!f->has_moved)
		return;
	buf__init(&code, SAVE_BYTES_MAX);
	if (f->saving == SAVING_BY_PUSH) {
		if (elf__read_vaddr(p->elf, f->moved - 1, 1, &code) || code.data[0] != 0x55)
			f->saving = SAVING_UNKNOWN;
	} else {
		gopclntab__sp_deltas(p->table, i, find_delta, f);
		if (!elf__read_vaddr(p->elf, f->moved, SAVE_BYTES_MAX, &code))
			f->save_len = save_length(code.data, f->first_delta);
		if (!f->save_len)
			f->saving = SAVING_UNKNOWN;
	}
	buf__done(&code);
}

static void emit_delta(uint64_t start, uint64_t end, int32_t delta, void *ctx)
{
	struct function *f = ctx;
	struct unwind_row row = {.cfa = ROW_REG_RSP, .saved = ROW_FP_SAME};

	if (end <= f->page->from || start >= f->page->to)
		return;
	if (delta < 0 || delta % 8 || delta / 8 + 1 > INT16_MAX) {
		put(f->page, start, unwind_row__of(ROW_CFA_UNSUPPORTED));
		return;
	}
	row.cfa_off = delta / 8 + 1;
	if (delta && start == f->moved && f->saving == SAVING_BY_MOV) {
		put(f->page, start, row);
		start += f->save_len;
		if (start >= end || end <= f->page->from)
			return;
	}
	if (delta) {
		row.saved = ROW_FP_AT_CFA;
		row.fp_off = -2;
	}
	put(f->page, start, row);
}

/* -- by the instructions -- */

static struct unwind_row row_of_state(const struct stack_state *s, bool departs)
{
	struct unwind_row row;

	if (departs && s->sp_kind == STACK_SP_ELSEWHERE)
		return unwind_row__of(ROW_CFA_END);
	row = stack_state__row(s);
	/* no frame of its own: the caller's is passed over, and the stack is in doubt */
	if (row.cfa == ROW_CFA_NONE && s->sp_kind == STACK_SP_ELSEWHERE && s->fp_kind == STACK_FP_CALLERS)
		return unwind_row__of(ROW_CFA_SWITCH | ROW_DERIVED);
	return row;
}

static void emit_states(struct function *f, const struct code_sweep *s, bool departs)
{
	uint64_t at = f->start;
	bool was_known = true;

	while (at < f->end && at < f->page->to) {
		uint8_t len = 1;
		const struct stack_state *state = code_sweep__find(s, at, &len);

		if (state && at + len > f->page->from)
			put(f->page, at, row_of_state(state, departs));
		else if (!state && was_known && at >= f->page->from)
			put(f->page, at, unwind_row__of(ROW_CFA_NONE));
		was_known = state && at >= f->page->from;
		at += len;
	}
}

/* False where it cannot be followed. */
static bool follow(struct function *f, const char *name)
{
	struct page *p = f->page;
	bool departs = is_one_of(name, departures, sizeof(departures) / sizeof(departures[0]));
	uint64_t len = f->end - f->start;
	struct code_sweep *s;
	struct buf code;
	bool ok = false;

	if (len > CODE_SWEEP_MAX || len > p->budget)
		return false;
	p->budget -= len;
	buf__init(&code, CODE_SWEEP_MAX);
	if (elf__read_vaddr(p->elf, f->start, len, &code))
		goto out;
	p->stats.bytes += len;
	p->err = code_sweep__new(code.data, len, f->start, NULL, STACK_HABIT_GO, &s);
	if (p->err)
		goto out;
	code_sweep__allow(s, f->start, f->end);
	code_sweep__add_start(s, f->start);
	code_sweep__run(s);
	emit_states(f, s, departs);
	code_sweep__free(s);
	p->stats.followed++;
	ok = true;
out:
	buf__done(&code);
	return ok;
}

/* -- a page -- */

static void put_function(struct page *p, uint32_t i, const struct gopclntab_function *function)
{
	struct function f = {.page = p, .start = function->start, .end = function->end};

	put(p, f.start, unwind_row__of(ROW_CFA_NONE));
	if (is_one_of(function->name, roots, sizeof(roots) / sizeof(roots[0]))) {
		put(p, f.start, unwind_row__of(ROW_CFA_END));
		p->stats.functions++;
		return;
	}
	if (gopclntab__is_assembly(p->table, i)) {
		p->stats.functions += follow(&f, function->name);
		return;
	}
	find_saving(&f, i);
	if (f.saving == SAVING_UNKNOWN)
		p->stats.functions += follow(&f, function->name);
	else
		p->stats.functions += !gopclntab__sp_deltas(p->table, i, emit_delta, &f);
}

int go_rows__build(const struct gopclntab *t, const struct elf *e, uint64_t from, uint64_t to,
		   struct row_list *rows, struct go_rows_stats *ret_stats)
{
	struct page p = {
		.table = t, .elf = e, .from = from, .to = to, .rows = rows, .budget = GO_ROWS_FOLLOWED_MAX};
	uint32_t n = gopclntab__count(t), first = gopclntab__first(t, from);
	size_t bytes = gopclntab__bytes(t);
	uint64_t covered = from;

	put(&p, from, unwind_row__of(ROW_CFA_NONE));
	for (uint32_t i = first; i < n && !p.err; i++) {
		struct gopclntab_function f;

		/* what was made up may bring nothing forward */
		if (i - first == GO_ROWS_ENTRIES_MAX || gopclntab__bytes(t) - bytes > GO_ROWS_TOUCHED_MAX)
			return -E2BIG;
		if (gopclntab__get(t, i, &f))
			continue;
		if (f.start >= to)
			break;
		/* a damaged table may go back */
		if (f.start == f.end || f.end <= covered || (f.start < covered && covered > from))
			continue;
		put_function(&p, i, &f);
		covered = f.end;
		put(&p, covered, unwind_row__of(ROW_CFA_NONE));
	}
	if (p.err)
		return p.err;
	*ret_stats = p.stats;
	return 0;
}
