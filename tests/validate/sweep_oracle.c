// SPDX-License-Identifier: Apache-2.0
/*
 * sweep_oracle FILE… : how good are rules that are made from instructions (code_sweep), measured on code that has rules? Each page of code with an FDE is followed
 * as if it had none, once knowing where functions start (as from symbols) and once not (as in a stripped file), and at each instruction inside an FDE what was
 * found out is held against the file's rule; where the function's own instructions contradict that (clobbers_fp), the file is wrong and not counted. Prints a row of a table for each file and way; the first disagreements go to standard error.
 *
 * Exit 0: more than AGREE_MIN of a thousand agree in each file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/object/code_bytes.h"
#include "user/object/code_rows.h"
#include "user/object/code_sweep.h"
#include "user/object/elf.h"
#include "user/object/fde_index.h"
#include "user/object/noreturn.h"
#include "user/object/unwind_rules.h"
#include "user/object/unwind_table.h"
#include "user/object/x86_insn.h"

#define AGREE_MIN   990
#define REPORTS_MAX 30
#define MARGIN      ROW_PAGE_SIZE

struct tally {
	uint64_t agreed, cfa_differs, fp_differs, unknown, not_comparable, contradicted;
	uint64_t ns, pages;
};

struct file {
	const char *path;
	struct elf *elf;
	struct unwind_rules rules;
	struct unwind_table *table;
	struct noreturn noreturn;
	struct unwind_row *rows;
	uint32_t n_rows, n_reported;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static bool read_memory(void *ctx, uint64_t vaddr, void *to, size_t len)
{
	struct buf bytes;
	bool ok;

	buf__init(&bytes, len);
	ok = !elf__read_vaddr(ctx, vaddr, len, &bytes);
	if (ok)
		memcpy(to, bytes.data, len);
	buf__done(&bytes);
	return ok;
}

static void report(struct file *f, uint64_t at, const char *what, const struct unwind_row *row,
		   const struct stack_state *s)
{
	if (f->n_reported++ < REPORTS_MAX)
		fprintf(stderr,
			"%s: 0x%" PRIx64
			": %s: rule cfa %#x %d saved %#x %d, found sp %d (%d) fp %d (%d) slot %d\n",
			f->path, at, what, row->cfa, row->cfa_off, row->saved, row->fp_off, s->sp, s->sp_kind,
			s->fp, s->fp_kind, s->slot);
}

static bool fp_agrees(const struct unwind_row *row, const struct stack_state *s)
{
	switch (ROW_FP_RULE(row->saved)) {
	case ROW_FP_SAME:
		return s->fp_kind == STACK_FP_CALLERS;
	case ROW_FP_AT_CFA:
		return s->slot * 8 == -unwind_row__fp_bytes(row) ||
		       (s->fp_kind == STACK_FP_CALLERS && !s->slot);
	default:
		return true;
	}
}

static void judge(struct file *f, struct tally *t, uint64_t at, const struct stack_state *s, bool clobbers_fp)
{
	const struct unwind_row *row = unwind_row__find(f->rows, f->n_rows, at & (ROW_PAGE_SIZE - 1));
	struct unwind_row found = s ? stack_state__row(s) : unwind_row__of(ROW_CFA_NONE);

	if (!row || (row->cfa != ROW_REG_RSP && row->cfa != ROW_REG_RBP) || (row->saved & ROW_RA_REG)) {
		t->not_comparable++;
	} else if (found.cfa == ROW_CFA_NONE) {
		t->unknown++;
		if (getenv("SHOW_UNKNOWN"))
			report(f, at, s ? "unknown" : "unreached", row, s ? s : &(struct stack_state){0});
	} else if ((row->cfa == ROW_REG_RSP && (s->sp_kind != STACK_SP_KNOWN || s->sp != row->cfa_off)) ||
		   (row->cfa == ROW_REG_RBP && (s->fp_kind != STACK_FP_FRAME || s->fp != row->cfa_off))) {
		t->cfa_differs++;
		report(f, at, "CFA", row, s);
	} else if (!fp_agrees(row, s) && clobbers_fp) {
		t->contradicted++;
	} else if (!fp_agrees(row, s)) {
		t->fp_differs++;
		report(f, at, "frame pointer", row, s);
	} else {
		t->agreed++;
	}
}

/*
 * Does the function put something of its own into the frame pointer, although its rules say from the first to the last instruction that the caller's
 * is still there? Hand-written code does, in files that nobody unwinds by the frame pointer. Looked at over the part in the page.
 */
static bool clobbers_fp(const struct file *f, const struct code_sweep *sweep, const struct buf *code,
			uint64_t code_at, uint64_t start, uint64_t end)
{
	bool clobbers = false;

	for (uint64_t at = start; at < end;) {
		const struct unwind_row *row = unwind_row__find(f->rows, f->n_rows, at & (ROW_PAGE_SIZE - 1));
		struct x86_insn in;
		uint8_t len = 1;

		if (!row || ROW_FP_RULE(row->saved) != ROW_FP_SAME)
			return false;
		if (code_sweep__find(sweep, at, &len) && at - code_at < code->len &&
		    !x86_insn__parse(code->data + (at - code_at), code->len - (at - code_at), &in))
			clobbers |= x86_insn__writes(&in) >> X86_RBP & 1;
		at += len;
	}
	return clobbers;
}

/* Instructions of the FDE that start in the page. */
static void judge_fde(struct file *f, struct tally *t, const struct code_sweep *sweep, const struct fde *fde,
		      uint64_t from, const struct buf *code, uint64_t code_at)
{
	uint64_t end = fde->end < from + ROW_PAGE_SIZE ? fde->end : from + ROW_PAGE_SIZE, at;
	uint64_t start = fde->start > from ? fde->start : from;
	bool is_known = false, clobbers = clobbers_fp(f, sweep, code, code_at, start, end);

	for (at = start; at < end;) {
		uint8_t len = 1;
		const struct stack_state *s = code_sweep__find(sweep, at, &len);

		/* bytes that no instruction was found in count as one */
		if (s || is_known || at == fde->start)
			judge(f, t, at, s, clobbers);
		is_known = s;
		at += len;
	}
}

/* Parts of functions that were moved out of the way have FDEs of their own, too, but no one calls them. Not known of those out of the page: no harm. */
static bool is_entry(const struct file *f, uint64_t at, uint64_t from)
{
	const struct unwind_row *row = unwind_row__find(f->rows, f->n_rows, at & (ROW_PAGE_SIZE - 1));

	return at >= from && at < from + ROW_PAGE_SIZE && row && row->cfa == ROW_REG_RSP &&
	       row->cfa_off == 1 && ROW_FP_RULE(row->saved) == ROW_FP_SAME;
}

static void judge_page(struct file *f, struct tally *t, uint64_t from, bool knows_starts)
{
	const struct code_memory memory = {.read = read_memory, .ctx = f->elf};
	struct fde_slice slice = {0};
	struct code_sweep *sweep;
	struct cfi_reader reader;
	uint64_t at, before;
	struct buf code;

	if (unwind_table__build_page(f->table, from >> ROW_PAGE_BITS, f->rows, ROW_PAGE_SIZE, &f->n_rows,
				     NULL))
		return;
	buf__init(&code, ROW_PAGE_SIZE + 2 * MARGIN);
	if (!code_bytes__read(f->elf, from > MARGIN ? from - MARGIN : 0, from + ROW_PAGE_SIZE + MARGIN, &code,
			      &at))
		goto out;
	before = now_ns();
	if (fde_index__slice(&f->rules.index, from > MARGIN ? from - MARGIN : 0,
			     from + ROW_PAGE_SIZE + MARGIN, &slice) ||
	    code_sweep__new(code.data, code.len, at, &memory, 0, &sweep))
		goto out;
	code_sweep__allow(sweep, at, at + code.len);
	code_rows__add_starts(f->elf, at, at + code.len, sweep);
	for (size_t i = 0; knows_starts && i < slice.n; i++)
		if (is_entry(f, slice.refs[i].start, from))
			code_sweep__add_start(sweep, slice.refs[i].start);
	code_sweep__set_noreturn(sweep, &f->noreturn);
	code_sweep__run(sweep);
	code_sweep__run_rest(sweep);
	t->ns += now_ns() - before;
	t->pages++;
	cfi_reader__init(&reader, &f->rules.source);
	for (size_t i = 0; i < slice.n; i++) {
		const struct cie *cie;
		struct fde fde;

		if (!cfi_reader__fde(&reader, slice.refs[i].offset, &fde, &cie) && fde.end > from &&
		    fde.start < from + ROW_PAGE_SIZE)
			judge_fde(f, t, sweep, &fde, from, &code, at);
	}
	cfi_reader__done(&reader);
	code_sweep__free(sweep);
out:
	fde_slice__done(&slice);
	buf__done(&code);
}

static bool print(const char *path, const char *way, const struct tally *t)
{
	uint64_t differ = t->cfa_differs + t->fp_differs, said = t->agreed + differ;

	printf("| %s | %s | %" PRIu64 " | %.3f %% | %" PRIu64 " | %" PRIu64 " | %.2f %% | %" PRIu64
	       " | %" PRIu64 " | %.0f |\n",
	       path, way, said + t->unknown, said ? 100.0 * t->agreed / said : 0, t->cfa_differs,
	       t->fp_differs, said + t->unknown ? 100.0 * t->unknown / (said + t->unknown) : 0,
	       t->contradicted, t->not_comparable, t->pages ? t->ns / 1e3 / t->pages : 0.0);
	return said && t->agreed * 1000 > said * AGREE_MIN;
}

static bool judge_file(const char *path)
{
	static const char *const ways[] = {"stripped", "with starts"};
	struct file f = {.path = path};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = true;

	f.rows = malloc(ROW_PAGE_SIZE * sizeof(*f.rows));
	if (fd < 0 || !f.rows || elf__open(fd, &f.elf) || unwind_rules__open_hdr(&f.rules, f.elf) ||
	    unwind_table__open(f.elf, NULL, &f.table) || noreturn__load(f.elf, &f.noreturn)) {
		fprintf(stderr, "%s: cannot be compared\n", path);
		return false;
	}
	for (int way = 0; way < 2; way++) {
		struct tally t = {0};

		for (uint32_t i = 0; i < elf__n_segments(f.elf); i++) {
			const struct elf_segment *s = elf__segment(f.elf, i);

			for (uint64_t at = s->vaddr & ~(ROW_PAGE_SIZE - 1ull);
			     s->type == 1 && (s->flags & 1) && at < s->vaddr + s->filesz; at += ROW_PAGE_SIZE)
				judge_page(&f, &t, at, way == 1);
		}
		ok = print(path, ways[way], &t) && ok;
	}
	noreturn__done(&f.noreturn);
	unwind_table__free(f.table);
	unwind_rules__done(&f.rules);
	elf__free(f.elf);
	free(f.rows);
	close(fd);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok = argc > 1;

	printf("| file | as if | instructions | agree | CFA differs | frame pointer differs | nothing said | "
	       "the file is wrong | no comparison | us a page |\n"
	       "|---|---|---|---|---|---|---|---|---|---|\n");
	for (int i = 1; i < argc; i++)
		ok = judge_file(argv[i]) && ok;
	return !ok;
}
