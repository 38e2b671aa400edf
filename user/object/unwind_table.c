// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A host maps hundreds of megabytes of code and runs a small part of it. Turning all unwind rules of all files into rows costs
 * seconds and gigabytes; doing it for the pages that samples fall into costs next to nothing, if one page can be made without
 * reading the rest.
 *
 * Idea. Linkers left a sorted index of functions (fde_index). A page needs the function that reaches into it from before, those that start in it,
 * and the start of the next one. Their programs run once, and what they say is cut to the page:
 *
 *        page            [0 ………………………………………………………………………………… 65535]
 *        FDEs      …─f0────┤├──f1──┤  ├────f2────┤        ├──f3──┤      ├─f4──…
 *        rows            f0|f1|f1|f1…|f2|f2|f2|f2|NONE    |f3|f3 |NONE  |f4|f4
 *                                  ^ padding: f1 goes on         ^ a hole: covered by nothing
 *
 * Over these rows go, in this order: .debug_frame where .eh_frame has holes; the frame pointer rule where the file is known to keep
 * them; trampolines and roots without CFI, by their bytes (code_bytes); the entry point without CFI; the tables of Go's runtime (go_rows); what the
 * instructions say of the holes that are left (code_rows), as far as the file's sections say that there is code; the caller's end marks.
 *
 * Overlapping FDEs: the one that starts last wins, and each ends where the next one starts. That is what a bisection of the file's own
 * table finds, so it is what exception handling on the machine does.
 *
 * Invariants. Rows are sorted, start at 0, differ from their neighbours. A page's rows depend on the file only, not on pages built before.
 *
 * Cost. Opening: one pass over the table of .eh_frame_hdr. A page: three preads and some tens of microseconds a hundred functions.
 *
 * What it does not do. Keep rows, judge addresses at run time, follow relocations (object files are refused).
 *
 * Reference. LSB core 5.0, 10.6; System V ABI AMD64, 3.7 and 6.2.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/object/cfa_program.h"
#include "user/object/cfi_source.h"
#include "user/object/code_bytes.h"
#include "user/object/code_rows.h"
#include "user/object/elf.h"
#include "user/object/go_rows.h"
#include "user/object/gopclntab.h"
#include "user/object/noreturn.h"
#include "user/object/stack_state.h"
#include "user/object/unwind_rules.h"
#include "user/object/unwind_table.h"

/* The longest stub, and what is looked at behind it. */
#define STUB_BYTES_MAX    24
#define DEBUG_FRAME_LIMIT (16u << 20)

/* How far into the next pages code is followed from a page, to know its first and last functions. */
#define NEIGHBOUR_BYTES (16u << 10)
#define MANY_FDES       4096 /* a file whose compiler writes rules */
#define SOME_FDES       128  /* and where what has none is assembler: musl's libc has 4 */
/* How far around a page without rules it is asked who made it, and how much of a compiler's code has one frame pointer at least */
#define FOREIGN_AROUND      (512u << 10)
#define FOREIGN_FRAME_BYTES (16u << 10)

struct unwind_table {
	const struct elf *elf;
	struct unwind_rules eh_frame, debug_frame;
	struct gopclntab *go;
	uint32_t sources;
	bool needs_rbx;
	uint64_t code_from, code_to; /* outside of it lies no code, by the file's sections */
	struct noreturn noreturn;    /* loaded with the first code without rules */
	struct unwind_mark *end_marks;
	uint32_t n_end_marks;
};

/* One page while it is built. */
struct page {
	uint64_t from, to;
	struct row_list list;
	struct unwind_page_stats stats;
};

/* -- opening -- */

/*
 * Go's compiler writes .debug_frame too, but its rules do not mention the frame pointer, which the rest of the walk needs. Linked by another
 * linker than Go's own, .gopclntab may have lost its name.
 */
static bool is_go(const struct elf *e)
{
	static const char *const sections[] = {".gopclntab", ".data.rel.ro.gopclntab", ".go.buildinfo",
					       ".note.go.buildid"};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (elf__find_section(e, sections[i]))
			return true;
	return false;
}

/*
 * The dynamic loader finds the frame of its trampoline by RBX while it binds a function. It is the one shared object that is entered and asks for no
 * loader.
 */
static bool is_loader(const struct elf *e)
{
	if (elf__type(e) != ET_DYN || !elf__is_entered(e))
		return false;
	for (uint32_t i = 0; i < elf__n_segments(e); i++)
		if (elf__segment(e, i)->type == PT_INTERP)
			return false;
	return true;
}

static void open_rules(struct unwind_table *t, const struct unwind_table_opts *opts)
{
	size_t limit = opts->debug_frame_limit ? opts->debug_frame_limit : DEBUG_FRAME_LIMIT;

	if (!unwind_rules__open_hdr(&t->eh_frame, t->elf))
		t->sources |= UNWIND_SOURCE_EH_FRAME_HDR;
	else if (!unwind_rules__open_eh_frame(&t->eh_frame, t->elf))
		t->sources |= UNWIND_SOURCE_EH_FRAME;
	if (is_go(t->elf) && !gopclntab__load(t->elf, 0, &t->go))
		t->sources |= UNWIND_SOURCE_GO;
	if (opts->assume_frame_pointers || is_go(t->elf))
		t->sources |= UNWIND_SOURCE_FRAME_POINTERS;
	else if (!unwind_rules__open_debug_frame(&t->debug_frame, t->elf, limit))
		t->sources |= UNWIND_SOURCE_DEBUG_FRAME;
}

/* Many linkers put what is only read (symbols, constants, .eh_frame) into the segment that is executable, which may be ten times the code. */
static void find_code(struct unwind_table *t)
{
	uint64_t from = UINT64_MAX, to = 0;

	for (uint32_t i = 0; i < elf__n_sections(t->elf); i++) {
		const struct elf_section *s = elf__section(t->elf, i);

		if (!(s->flags & SHF_ALLOC) || !(s->flags & SHF_EXECINSTR) || s->size > UINT64_MAX - s->vaddr)
			continue;
		from = s->vaddr < from ? s->vaddr : from;
		to = s->vaddr + s->size > to ? s->vaddr + s->size : to;
	}
	t->code_from = from < to ? from : 0;
	t->code_to = from < to ? to : UINT64_MAX;
}

int unwind_table__open(const struct elf *e, const struct unwind_table_opts *opts,
		       struct unwind_table **ret_table)
{
	static const struct unwind_table_opts defaults;
	struct unwind_table *t = NULL;
	int err = 0;

	if (!opts)
		opts = &defaults;
	if (elf__machine(e) != EM_X86_64 || (elf__type(e) != ET_EXEC && elf__type(e) != ET_DYN))
		return -EOPNOTSUPP;
	if (opts->n_end_marks > UNWIND_MARKS_MAX)
		return -E2BIG;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->elf = e;
	if (opts->n_end_marks) {
		t->end_marks = calloc(opts->n_end_marks, sizeof(*t->end_marks));
		if (!t->end_marks) {
			err = -ENOMEM;
			goto out;
		}
		memcpy(t->end_marks, opts->end_marks, opts->n_end_marks * sizeof(*t->end_marks));
		t->n_end_marks = opts->n_end_marks;
	}
	t->needs_rbx = is_loader(e);
	find_code(t);
	open_rules(t, opts);
	*ret_table = t;
	t = NULL;
out:
	unwind_table__free(t);
	return err;
}

void unwind_table__free(struct unwind_table *t)
{
	if (!t)
		return;
	unwind_rules__done(&t->eh_frame);
	unwind_rules__done(&t->debug_frame);
	gopclntab__free(t->go);
	noreturn__done(&t->noreturn);
	free(t->end_marks);
	free(t);
}

uint32_t unwind_table__sources(const struct unwind_table *t)
{
	return t->sources;
}

uint64_t unwind_table__n_fdes(const struct unwind_table *t)
{
	return t->eh_frame.index.n + t->debug_frame.index.n;
}

size_t unwind_table__bytes(const struct unwind_table *t)
{
	return sizeof(*t) + t->n_end_marks * sizeof(*t->end_marks) + fde_index__bytes(&t->eh_frame.index) +
	       fde_index__bytes(&t->debug_frame.index) + t->debug_frame.source.bytes.cap +
	       t->noreturn.n * sizeof(*t->noreturn.vaddrs) + (t->go ? gopclntab__bytes(t->go) : 0);
}

/* -- rows of one section of rules -- */

/* One FDE on its way into a page. */
struct emission {
	struct page *page;
	bool needs_rbx;
	uint64_t fde_end; /* as the FDE says */
	uint64_t end;     /* where its last rule stops holding: at the next function, or after padding */
};

/* From `start` on, if that is in the page or before it. */
static void put(struct page *p, uint64_t start, struct unwind_row row)
{
	if (start < p->to)
		row_list__append(&p->list, start > p->from ? start - p->from : 0, row);
}

static void emit_range(uint64_t start, uint64_t end, const struct cfa_state *state, void *ctx)
{
	struct emission *e = ctx;
	struct unwind_row row;
	enum unwind_unsupported why;

	if (end == e->fde_end || end > e->end)
		end = e->end;
	if (start >= end || end <= e->page->from || start >= e->page->to)
		return;
	row = unwind_row__of_state(state, &why);
	if (why != UNWIND_SUPPORTED)
		e->page->stats.unsupported[why]++;
	if (e->needs_rbx)
		unwind_row__add_rbx(state, &row);
	put(e->page, start, row);
}

static void emit_fde(const struct unwind_table *t, struct page *p, const struct unwind_rules *r,
		     const struct cie *cie, const struct fde *fde, uint64_t end)
{
	struct emission e = {.page = p, .needs_rbx = t->needs_rbx, .fde_end = fde->end, .end = end};
	uint64_t at;

	if (!cfa_program__run(&cfa_registers_x86_64, &r->source.base, cie, fde, p->to, emit_range, &e, &at))
		return;
	if (at < end && end > p->from && at < p->to) {
		p->stats.unsupported[UNWIND_UNSUPPORTED_PROGRAM]++;
		put(p, at, unwind_row__of(ROW_CFA_UNSUPPORTED));
	}
}

/*
 * A trampoline that returns from a signal handler. Its first byte is reached by returning to it, so the lookup is for the byte before: the row
 * starts there, unless the FDE does already.
 */
static bool put_signal(struct unwind_table *t, struct page *p, const struct cie *cie, const struct fde *fde)
{
	uint64_t at;

	if (!cie->is_signal || !code_bytes__find_sigreturn(t->elf, fde->start, fde->start + 2, &at))
		return false;
	put(p, at - 1, unwind_row__of(ROW_CFA_SIGNAL));
	return true;
}

static bool has_program(const struct fde *fde)
{
	for (size_t i = 0; i < fde->program_len; i++)
		if (fde->program[i]) /* DW_CFA_nop */
			return true;
	return false;
}

/* As such a trampoline, what contexts of makecontext(3) return to; there they end, whatever its rules say. Those are none: it is looked for where there are none. */
static bool put_context(struct unwind_table *t, struct page *p, const struct fde *fde)
{
	if (has_program(fde) || !fde->start || !code_bytes__starts_context(t->elf, fde->start, fde->end))
		return false;
	put(p, fde->start - 1, unwind_row__of(ROW_CFA_END));
	return true;
}

static bool put_known(struct unwind_table *t, struct page *p, const struct cie *cie, const struct fde *fde)
{
	return put_signal(t, p, cie, fde) || put_context(t, p, fde);
}

static int put_fde(struct unwind_table *t, const struct unwind_rules *r, struct cfi_reader *reader,
		   struct page *p, const struct fde_ref *ref, uint64_t next)
{
	const struct cie *cie;
	uint64_t end = ref->start;
	struct fde fde;
	int err;

	err = cfi_reader__fde(reader, ref->offset, &fde, &cie);
	if (err == -ENOMEM || err == -E2BIG)
		return err;
	if (err || fde.start != ref->start) {
		p->stats.damaged++;
	} else if (ref->start >= p->to) {
		/* the next page's first function: of interest only if it is one whose row starts in this page */
		put_known(t, p, cie, &fde);
		return 0;
	} else {
		end = fde.end < next ? fde.end : next;
		if (next - end <= UNWIND_PADDING_MAX)
			end = next;
		p->stats.fdes += end > p->from;
		if (!put_known(t, p, cie, &fde))
			emit_fde(t, p, r, cie, &fde, end);
	}
	if (end != next)
		put(p, end, unwind_row__of(ROW_CFA_NONE));
	return 0;
}

static int put_rules(struct unwind_table *t, const struct unwind_rules *r, struct page *p)
{
	struct fde_slice slice = {0};
	struct cfi_reader reader;
	int err;

	cfi_reader__init(&reader, &r->source);
	put(p, p->from, unwind_row__of(ROW_CFA_NONE));
	err = fde_index__slice(&r->index, p->from, p->to, &slice);
	for (size_t i = 0; !err && i < slice.n; i++) {
		const struct fde_ref *ref = &slice.refs[i];

		if (ref->start <= p->to)
			err = put_fde(t, r, &reader, p, ref, i + 1 < slice.n ? ref[1].start : UINT64_MAX);
	}
	p->stats.bytes += slice.n_read + reader.n_read;
	fde_slice__done(&slice);
	cfi_reader__done(&reader);
	return err;
}

/* -- other rules in the holes -- */

static int page__init_filler(struct page *filler, const struct page *p)
{
	*filler = (struct page){.from = p->from, .to = p->to, .list = {.max = p->list.max}};
	filler->list.rows = malloc(p->list.max * sizeof(*filler->list.rows));
	return filler->list.rows ? 0 : -ENOMEM;
}

/* What the filler knows where the page has rows of kind `hole`; the filler is used up. */
static int fill(struct page *p, struct page *filler, uint8_t hole)
{
	struct row_list merged = {.max = p->list.max};

	merged.rows = malloc(p->list.max * sizeof(*merged.rows));
	if (merged.rows) {
		row_list__fill_holes(&merged, &p->list, &filler->list, hole);
		memcpy(p->list.rows, merged.rows, merged.n * sizeof(*merged.rows));
		p->list.n = merged.n;
		p->list.full |= filler->list.full | merged.full;
	}
	free(filler->list.rows);
	filler->list.rows = NULL;
	if (!merged.rows)
		return -ENOMEM;
	free(merged.rows);
	return 0;
}

static int fill_from_debug_frame(struct unwind_table *t, struct page *p)
{
	struct page filler;
	int err = page__init_filler(&filler, p);

	if (!err)
		err = put_rules(t, &t->debug_frame, &filler);
	if (err) {
		free(filler.list.rows);
		return err;
	}
	p->stats.fdes += filler.stats.fdes;
	p->stats.damaged += filler.stats.damaged;
	p->stats.bytes += filler.stats.bytes;
	for (int i = 0; i < UNWIND_UNSUPPORTED_MAX; i++)
		p->stats.unsupported[i] += filler.stats.unsupported[i];
	return fill(p, &filler, ROW_CFA_NONE);
}

static int fill_from_go(struct unwind_table *t, struct page *p)
{
	struct go_rows_stats stats;
	struct page filler;
	int err = page__init_filler(&filler, p);

	if (!err)
		err = go_rows__build(t->go, t->elf, p->from, p->to, &filler.list, &stats);
	if (err) {
		free(filler.list.rows);
		return err;
	}
	p->stats.go_functions = stats.functions;
	p->stats.bytes += stats.bytes;
	return fill(p, &filler, ROW_CFA_FRAME_POINTER);
}

/* What pages touched of a large table adds up: then it begins anew. */
static void limit_go(struct unwind_table *t)
{
	if (gopclntab__bytes(t->go) <= UNWIND_GO_BYTES_MAX)
		return;
	gopclntab__free(t->go);
	t->go = NULL;
	if (gopclntab__load(t->elf, 0, &t->go))
		t->sources &= ~(uint32_t)UNWIND_SOURCE_GO;
}

/* -- code without rules -- */

static bool has_code(const struct elf *e, uint64_t from, uint64_t to)
{
	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		const struct elf_segment *p = elf__segment(e, i);

		if (p->type == PT_LOAD && (p->flags & PF_X) && p->memsz && p->vaddr < to &&
		    (p->vaddr >= from || from - p->vaddr < p->memsz))
			return true;
	}
	return false;
}

/* Rules of the file itself. */
static int put_all_rules(struct unwind_table *t, struct page *p)
{
	int err = 0;

	if (t->eh_frame.is_open)
		err = put_rules(t, &t->eh_frame, p);
	else
		put(p, p->from, unwind_row__of(ROW_CFA_NONE));
	if (!err && t->debug_frame.is_open)
		err = fill_from_debug_frame(t, p);
	return err;
}

/* Stretches without a rule, of the page and what they go on in before and behind it. */
struct holes {
	struct code_hole *holes;
	size_t n, cap;
};

static int add_holes(const struct unwind_table *t, struct holes *h, const struct page *p)
{
	for (uint32_t i = 0; i < p->list.n; i++) {
		uint64_t from = p->from + p->list.rows[i].pc;
		uint64_t to = i + 1 < p->list.n ? p->from + p->list.rows[i + 1].pc : p->to;

		if (p->list.rows[i].cfa != ROW_CFA_NONE || to - from <= UNWIND_PADDING_MAX)
			continue;
		from = from > t->code_from ? from : t->code_from;
		to = to < t->code_to ? to : t->code_to;
		if (from >= to)
			continue;
		if (h->n == h->cap) {
			size_t cap = h->cap ? h->cap * 2 : 64;
			struct code_hole *grown = realloc(h->holes, cap * sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			h->holes = grown;
			h->cap = cap;
		}
		h->holes[h->n++] = (struct code_hole){from, to};
	}
	return 0;
}

/* Drops what lies further from the page than functions mostly reach. */
static void keep_near(struct holes *h, size_t first, const struct page *p)
{
	uint64_t from = p->from > NEIGHBOUR_BYTES ? p->from - NEIGHBOUR_BYTES : 0,
		 to = p->to + NEIGHBOUR_BYTES;
	size_t n = first;

	for (size_t i = first; i < h->n; i++) {
		struct code_hole hole = h->holes[i];

		hole.from = hole.from > from ? hole.from : from;
		hole.to = hole.to < to ? hole.to : to;
		if (hole.from < hole.to)
			h->holes[n++] = hole;
	}
	h->n = n;
}

/* In the stretch without rules that the page lies in: do as many functions begin with a frame pointer as of a compiler that keeps them? Mostly some of the page itself do. */
static bool keeps_frame_pointers(const struct unwind_table *t, const struct page *p)
{
	uint64_t from = p->from > FOREIGN_AROUND ? p->from - FOREIGN_AROUND : 0, to = p->to + FOREIGN_AROUND;
	struct fde_slice slice = {0};
	bool keeps = true;

	if (code_bytes__has_frames(t->elf, p->from, p->to, ROW_PAGE_SIZE / FOREIGN_FRAME_BYTES))
		return true;
	/* the function before, and the one behind */
	if (!fde_index__slice(&t->eh_frame.index, p->from, p->to, &slice)) {
		for (size_t i = 0; i < slice.n; i++)
			if (slice.refs[i].start < p->from && slice.refs[i].start > from)
				from = slice.refs[i].start;
			else if (slice.refs[i].start >= p->to && slice.refs[i].start < to)
				to = slice.refs[i].start;
		keeps = code_bytes__has_frames(t->elf, from, to, (to - from) / FOREIGN_FRAME_BYTES);
	}
	fde_slice__done(&slice);
	return keeps;
}

/*
 * A page without any rule in a file that is else full of them: code that a program's own compiler left there (V8's builtins, parts of chromium). It keeps
 * frame pointers and calls in ways of its own, which its instructions alone do not tell. Assembler, as libavcodec has it, does not.
 */
static bool is_of_another_compiler(const struct unwind_table *t, const struct page *p)
{
	return p->list.n == 1 && p->list.rows[0].cfa == ROW_CFA_NONE &&
	       unwind_table__n_fdes(t) >= MANY_FDES && keeps_frame_pointers(t, p);
}

/* The holes of the page that starts there, if there is code. ret_foreign: it is of another compiler, and so is what it goes on in. */
static int add_neighbour(struct unwind_table *t, uint64_t from, struct page *p, struct holes *h,
			 bool *ret_foreign)
{
	size_t n_before = h->n;
	struct page neighbour;
	int err;

	if (from >= t->code_to || from + ROW_PAGE_SIZE <= t->code_from ||
	    !has_code(t->elf, from, from + ROW_PAGE_SIZE))
		return 0;
	err = page__init_filler(&neighbour, p);
	if (err)
		return err;
	neighbour.from = from;
	neighbour.to = from + ROW_PAGE_SIZE;
	err = put_all_rules(t, &neighbour);
	/* a neighbour with too many rules has no holes worth knowing */
	if (!err && !neighbour.list.full)
		err = add_holes(t, h, &neighbour);
	*ret_foreign = !err && is_of_another_compiler(t, &neighbour);
	keep_near(h, n_before, p);
	p->stats.bytes += neighbour.stats.bytes;
	free(neighbour.list.rows);
	return err == -E2BIG ? 0 : err;
}

static int find_holes(struct unwind_table *t, struct page *p, struct holes *h)
{
	const struct unwind_row *first = &p->list.rows[0], *last = &p->list.rows[p->list.n - 1];
	bool is_foreign = false;
	size_t n_before;
	int err = 0;

	if (first->cfa == ROW_CFA_NONE && p->from)
		err = add_neighbour(t, p->from - ROW_PAGE_SIZE, p, h, &is_foreign);
	n_before = is_foreign ? 0 : h->n;
	h->n = n_before;
	if (!err)
		err = add_holes(t, h, p);
	if (is_foreign && h->n && h->holes[0].from == p->from)
		memmove(h->holes, h->holes + 1, --h->n * sizeof(*h->holes));
	is_foreign = false;
	if (!err && h->n == n_before)
		h->n = 0; /* none of its own */
	else if (!err && last->cfa == ROW_CFA_NONE)
		err = add_neighbour(t, p->to, p, h, &is_foreign);
	if (is_foreign)
		while (h->n && h->holes[h->n - 1].to >= p->to)
			h->n--;
	return err;
}

/* `holes` are those that the file's own rules leave. */
static int fill_from_code(struct unwind_table *t, struct page *p, const struct holes *h)
{
	unsigned int habits = unwind_table__n_fdes(t) >= SOME_FDES ? STACK_HABIT_ASSEMBLER : 0;
	struct code_rows_stats stats;
	struct page filler;
	int err;

	if (h->n == 0 || is_of_another_compiler(t, p))
		return 0;
	err = page__init_filler(&filler, p);
	if (!err && !t->noreturn.vaddrs)
		err = noreturn__load(t->elf, &t->noreturn);
	if (!err)
		err = code_rows__build(t->elf, &t->noreturn, habits, h->holes, h->n, p->from, p->to,
				       &filler.list, &stats);
	if (err) {
		free(filler.list.rows);
		return err;
	}
	p->stats.derived = stats.rows;
	p->stats.bytes += stats.bytes;
	return fill(p, &filler, ROW_CFA_NONE);
}

/* -- what goes over them -- */

static void paint_range(struct page *p, uint64_t start, uint64_t end, struct unwind_row row,
			uint8_t only_over)
{
	uint64_t from = start > p->from ? start : p->from;
	uint64_t to = end < p->to ? end : p->to;

	if (from < to)
		row_list__paint(&p->list, from - p->from, to - p->from, row, only_over);
}

/* A piece of code without CFI that is known by its bytes, on its way over the rows. */
struct stub {
	uint64_t start, end;
	uint8_t cfa;
};

static struct stub stub_at(uint64_t start, size_t len, uint8_t cfa)
{
	return (struct stub){.start = start, .end = start + len, .cfa = cfa};
}

/* The first one that starts in [from, to), to <= the end of the code plus one; roots only where there is nothing else to go by. */
static bool find_stub(const struct buf *code, uint64_t code_at, uint64_t from, uint64_t to, uint8_t hole,
		      struct stub *ret)
{
	const uint8_t *bytes = code->data + (from - code_at);
	size_t left = code->len - (from - code_at), want = to - from + STUB_BYTES_MAX, offset, len;
	size_t n = left < want ? left : want;

	if (code_bytes__match_sigreturn(bytes, n, to - from, &offset)) {
		*ret = stub_at(from + offset, SIGRETURN_BYTES, ROW_CFA_SIGNAL);
		n = offset;
	} else {
		*ret = (struct stub){0};
	}
	if (hole == ROW_CFA_NONE && code_bytes__match_root(bytes, n, to - from, &offset, &len)) {
		*ret = stub_at(from + offset, len, ROW_CFA_END);
		n = offset;
	}
	if (hole == ROW_CFA_NONE && code_bytes__match_fiber(bytes, n, to - from, &offset, &len))
		*ret = stub_at(from + offset, len, ROW_CFA_END);
	return ret->end != 0;
}

/* Those in the holes of the page, and one that is the first thing in the next; `code` are the bytes from address code_at on. */
static uint32_t find_stubs(const struct page *p, uint8_t hole, const struct buf *code, uint64_t code_at,
			   struct stub found[UNWIND_STUBS_MAX])
{
	uint64_t code_end = code_at + code->len;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->list.n; i++) {
		uint64_t from = p->from + p->list.rows[i].pc;
		uint64_t to = i + 1 < p->list.n ? p->from + p->list.rows[i + 1].pc : p->to + 1;

		if (p->list.rows[i].cfa != hole)
			continue;
		if (from < code_at)
			from = code_at;
		while (n < UNWIND_STUBS_MAX && from < to && from < code_end &&
		       find_stub(code, code_at, from, to, hole, &found[n]))
			from = found[n++].start + 1;
	}
	return n;
}

static void paint_stubs(struct unwind_table *t, struct page *p, uint8_t hole)
{
	struct stub found[UNWIND_STUBS_MAX];
	bool has_hole = false;
	uint64_t code_at;
	struct buf code;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->list.n; i++)
		has_hole |= p->list.rows[i].cfa == hole;
	if (!has_hole)
		return;
	buf__init(&code, ROW_PAGE_SIZE + STUB_BYTES_MAX);
	if (code_bytes__read(t->elf, p->from, p->to + STUB_BYTES_MAX, &code, &code_at))
		n = find_stubs(p, hole, &code, code_at, found);
	p->stats.bytes += code.len;
	buf__done(&code);
	for (uint32_t i = 0; i < n; i++) {
		/* a trampoline is returned to, so it is looked up by the byte before */
		uint64_t early = found[i].cfa == ROW_CFA_SIGNAL && found[i].start > 0;

		paint_range(p, found[i].start - early, found[i].end, unwind_row__of(found[i].cfa), hole);
	}
}

static void paint_known_code(struct unwind_table *t, struct page *p, uint8_t hole)
{
	uint64_t entry = elf__entry(t->elf), entry_end;

	paint_stubs(t, p, hole);
	/* nobody called the entry point; the hole that it lies in is all of it that may be painted */
	if (entry && entry < p->to && entry + ENTRY_BYTES_MAX > p->from &&
	    code_bytes__entry_end(t->elf, entry, &entry_end))
		paint_range(p, entry, entry_end, unwind_row__of(ROW_CFA_END), hole);
}

static int paint_over(struct unwind_table *t, struct page *p)
{
	struct holes holes = {0};
	int err = 0;

	if (t->sources & UNWIND_SOURCE_FRAME_POINTERS) {
		row_list__paint(&p->list, 0, ROW_PAGE_SIZE, unwind_row__of(ROW_CFA_FRAME_POINTER),
				ROW_CFA_NONE);
		paint_known_code(t, p, ROW_CFA_FRAME_POINTER);
		if (t->go) {
			err = fill_from_go(t, p);
			limit_go(t);
		}
	} else {
		err = find_holes(t, p, &holes);
		paint_known_code(t, p, ROW_CFA_NONE);
		if (!err)
			err = fill_from_code(t, p, &holes);
		free(holes.holes);
	}
	for (uint32_t i = 0; i < t->n_end_marks; i++)
		paint_range(p, t->end_marks[i].start, t->end_marks[i].end, unwind_row__of(ROW_CFA_END),
			    ROW_OVER_ALL);
	return err;
}

/* -- a page -- */

int unwind_table__build_page(struct unwind_table *t, uint64_t page, struct unwind_row *rows, uint32_t max,
			     uint32_t *ret_n, struct unwind_page_stats *ret_stats)
{
	struct page p = {.list = {.rows = rows, .max = max}};
	int err = 0;

	if (page >= UINT64_MAX >> ROW_PAGE_BITS)
		return -ENOENT;
	p.from = page << ROW_PAGE_BITS;
	p.to = p.from + ROW_PAGE_SIZE;
	if (!has_code(t->elf, p.from, p.to))
		return -ENOENT;
	if (max == 0)
		return -E2BIG;
	err = put_all_rules(t, &p);
	if (!err && p.list.full)
		err = -E2BIG;
	if (!err)
		err = paint_over(t, &p);
	if (err)
		return err;
	if (p.list.full)
		return -E2BIG;
	p.stats.rows = p.list.n;
	*ret_n = p.list.n;
	if (ret_stats)
		*ret_stats = p.stats;
	return 0;
}
