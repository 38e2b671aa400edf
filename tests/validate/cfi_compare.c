// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. "The tables are right" must mean each row of each file of the machine, not the samples that a profiler happened to take.
 *
 * Idea. Walk every FDE that libdw finds by its own linear pass over the section (not through the file's search table, which is what we use)
 * from boundary to boundary, where a boundary is any address at which either side changes its mind. At each, both sides answer in numbers
 * (cfi_answer). Then the other way round: every row of ours that lies in no FDE must have one of the reasons that we document.
 *
 *      libdw      |--------r0--------|----r1----|----------r2----------|
 *      ours       |--------R0--------|----R1--------|---------R2-------|
 *      asked at   ^                  ^          ^   ^
 *
 * Reference. DWARF 5, section 6.4; elfutils' libdw.h.
 */
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/validate/cfi_answer.h"
#include "tests/validate/cfi_compare.h"
#include "user/object/code_bytes.h"
#include "user/object/elf.h"
#include "user/object/unwind_table.h"

#define ROOT_BYTES_MAX 16
#define REPORTS_MAX    5 /* lines of one kind a file */

const char *const cfi_explained_text[CFI_EXPLAINED_MAX] = {
#define X(id, text) [CFI_EXPLAINED_##id] = text,
	CFI_EXPLAINED(X)
#undef X
};

const char *const cfi_disagreement_text[CFI_DISAGREEMENTS_MAX] = {
#define X(id, text) [CFI_DISAGREES_##id] = text,
	CFI_DISAGREEMENTS(X)
#undef X
};

struct range {
	uint64_t start, end;
};

struct built_page {
	struct unwind_row *rows;
	uint32_t n;
	uint32_t n_derived; /* rows made from instructions */
	bool is_tried;
};

struct comparison {
	const char *path;
	struct cfi_comparison *sum;
	FILE *report;
	uint32_t n_reported[CFI_DISAGREEMENTS_MAX];
	struct elf *elf;
	struct unwind_table *table;
	Elf *libelf;
	Dwarf *dwarf;
	Dwarf_CFI *cfi, *debug_cfi;
	struct built_page *pages;
	uint64_t first_page, n_pages;
	struct unwind_row *scratch;
	struct range *fdes;
	size_t n_fdes, cap_fdes;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void explain(struct comparison *c, enum cfi_explained why)
{
	c->sum->explained[why]++;
}

static void disagree(struct comparison *c, enum cfi_disagreement kind, uint64_t at,
		     const struct unwind_row *row)
{
	c->sum->disagreed[kind]++;
	if (c->n_reported[kind]++ >= REPORTS_MAX)
		return;
	fprintf(c->report, "%s: 0x%llx: %s", c->path, (unsigned long long)at, cfi_disagreement_text[kind]);
	if (row)
		fprintf(c->report, " (row: cfa %#x off %d, saved %#x off %d)", row->cfa, row->cfa_off,
			row->saved, row->fp_off);
	fputc('\n', c->report);
}

/* -- our side -- */

static bool is_code(const struct elf *e, uint64_t vaddr)
{
	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		const struct elf_segment *p = elf__segment(e, i);

		if (p->type == PT_LOAD && (p->flags & PF_X) && vaddr >= p->vaddr &&
		    vaddr - p->vaddr < p->memsz)
			return true;
	}
	return false;
}

static const struct built_page *build(struct comparison *c, uint64_t vaddr)
{
	uint64_t page = vaddr >> ROW_PAGE_BITS, before;
	struct unwind_page_stats stats = {0};
	struct built_page *b;
	int err;

	if (page < c->first_page || page - c->first_page >= c->n_pages)
		return NULL;
	b = &c->pages[page - c->first_page];
	if (b->is_tried)
		return b;
	b->is_tried = true;
	before = now_ns();
	err = unwind_table__build_page(c->table, page, c->scratch, ROW_PAGE_SIZE, &b->n, &stats);
	c->sum->build_ns += now_ns() - before;
	if (err) {
		b->n = 0;
		if (err != -ENOENT)
			disagree(c, CFI_DISAGREES_BUILD, vaddr, NULL);
		return b;
	}
	c->sum->pages++;
	c->sum->rows += b->n;
	b->n_derived = stats.derived;
	b->rows = malloc(b->n * sizeof(*b->rows));
	memcpy(b->rows, c->scratch, b->n * sizeof(*b->rows));
	return b;
}

/* Our row at vaddr, and the address where the next one starts. */
static const struct unwind_row *our_row(struct comparison *c, uint64_t vaddr, uint64_t *ret_end)
{
	const struct built_page *b = build(c, vaddr);
	uint64_t base = vaddr & ~(uint64_t)(ROW_PAGE_SIZE - 1);
	const struct unwind_row *row = b ? unwind_row__find(b->rows, b->n, vaddr - base) : NULL;

	*ret_end = base + ROW_PAGE_SIZE;
	if (row && row + 1 < b->rows + b->n)
		*ret_end = base + row[1].pc;
	return row;
}

static int open_ours(struct comparison *c, int fd)
{
	uint64_t from = UINT64_MAX, to = 0, before = now_ns();
	int err = elf__open(fd, &c->elf);

	if (!err)
		err = unwind_table__open(c->elf, NULL, &c->table);
	if (err)
		return err;
	c->sum->open_ns += now_ns() - before;
	c->sum->table_bytes += unwind_table__bytes(c->table);
	for (uint32_t i = 0; i < elf__n_segments(c->elf); i++) {
		const struct elf_segment *p = elf__segment(c->elf, i);

		if (p->type != PT_LOAD || !(p->flags & PF_X) || !p->memsz)
			continue;
		from = p->vaddr < from ? p->vaddr : from;
		to = p->vaddr + p->memsz > to ? p->vaddr + p->memsz : to;
	}
	if (from >= to)
		return -ENOEXEC;
	c->first_page = from >> ROW_PAGE_BITS;
	c->n_pages = ((to - 1) >> ROW_PAGE_BITS) - c->first_page + 1;
	c->pages = calloc(c->n_pages, sizeof(*c->pages));
	c->scratch = malloc(ROW_PAGE_SIZE * sizeof(*c->scratch));
	return c->pages && c->scratch ? 0 : -ENOMEM;
}

/* Is a rule of ours at that address, which the file does not have, one that we make from its instructions? */
static bool may_be_derived(struct comparison *c, const struct unwind_row *row, uint64_t at)
{
	const struct built_page *b = build(c, at);

	return b && b->n_derived && (ROW_CFA_BASE(row->cfa) == ROW_CFA_SWITCH || unwind_row__is_derived(row));
}

/* -- libdw's side: FDEs by a linear pass -- */

/* The pointer encoding of a CIE, from the letters and data that libdw hands over. */
static uint8_t pointer_encoding(const Dwarf_CIE *cie)
{
	const uint8_t *data = cie->augmentation_data;

	if (cie->augmentation[0] != 'z')
		return DW_EH_PE_absptr;
	for (const char *l = cie->augmentation + 1; *l; l++) {
		if (*l == 'R')
			return *data;
		if (*l == 'L')
			data++;
		if (*l == 'P')
			data += 1 + ((*data & 7) == DW_EH_PE_udata4   ? 4
				     : (*data & 7) == DW_EH_PE_udata2 ? 2
								      : 8);
	}
	return DW_EH_PE_absptr;
}

static uint64_t load(const uint8_t *p, size_t size, bool is_signed)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	if (is_signed && size < 8 && v >> (8 * size - 1))
		v |= UINT64_MAX << (8 * size);
	return v;
}

static struct range fde_range(const Elf_Data *data, uint64_t section, const Dwarf_FDE *fde, uint8_t enc)
{
	size_t size = (enc & 7) == DW_EH_PE_udata4 ? 4 : (enc & 7) == DW_EH_PE_udata2 ? 2 : 8;
	uint64_t start = load(fde->start, size, enc & DW_EH_PE_signed);

	if ((enc & 0x70) == DW_EH_PE_pcrel)
		start += section + (fde->start - (const uint8_t *)data->d_buf);
	return (struct range){.start = start, .end = start + load(fde->start + size, size, false)};
}

static void add_fde(struct comparison *c, struct range r)
{
	c->sum->fdes++;
	if (r.start == 0 || r.end <= r.start)
		return;
	if (!is_code(c->elf, r.start)) {
		explain(c, CFI_EXPLAINED_NO_CODE);
		return;
	}
	if (c->n_fdes == c->cap_fdes) {
		c->cap_fdes = c->cap_fdes ? c->cap_fdes * 2 : 1024;
		c->fdes = realloc(c->fdes, c->cap_fdes * sizeof(*c->fdes));
		if (!c->fdes)
			abort();
	}
	c->fdes[c->n_fdes++] = r;
}

static void list_fdes(struct comparison *c, Elf_Scn *scn, bool is_eh_frame)
{
	const unsigned char *ident = (const unsigned char *)elf_getident(c->libelf, NULL);
	Dwarf_Off offset = 0, next = 0;
	Dwarf_CFI_Entry entry;
	Elf_Data *data;
	GElf_Shdr shdr;
	int found;

	if (!scn || !gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS)
		return;
	if ((shdr.sh_flags & SHF_COMPRESSED) && elf_compress(scn, 0, 0) < 0)
		return;
	data = elf_rawdata(scn, NULL);
	for (; data && data->d_buf && offset < data->d_size; offset = next) {
		Dwarf_CFI_Entry cie;
		Dwarf_Off skip;

		found = dwarf_next_cfi(ident, data, is_eh_frame, offset, &next, &entry);
		if (found > 0 || next == (Dwarf_Off)-1 || next <= offset)
			break;
		if (found < 0 || dwarf_cfi_cie_p(&entry))
			continue;
		if (dwarf_next_cfi(ident, data, is_eh_frame, entry.fde.CIE_pointer, &skip, &cie) ||
		    !dwarf_cfi_cie_p(&cie))
			continue;
		add_fde(c, fde_range(data, shdr.sh_addr, &entry.fde, pointer_encoding(&cie.cie)));
	}
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static Elf_Scn *find_scn(Elf *e, const char *name)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(e, &names))
		return NULL;
	while ((scn = elf_nextscn(e, scn)) != NULL) {
		GElf_Shdr shdr;
		const char *s = gelf_getshdr(scn, &shdr) ? elf_strptr(e, names, shdr.sh_name) : NULL;

		if (s && !strcmp(s, name))
			return scn;
	}
	return NULL;
}

static int open_libdw(struct comparison *c, int fd)
{
	Elf_Scn *debug_frame;

	elf_version(EV_CURRENT);
	c->libelf = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	if (!c->libelf)
		return -ENOEXEC;
	c->cfi = dwarf_getcfi_elf(c->libelf);
	list_fdes(c, find_scn(c->libelf, ".eh_frame"), true);
	debug_frame = find_scn(c->libelf, ".debug_frame");
	/* the rules of Go's compiler for debuggers are not used, see unwind_table.c */
	if (debug_frame && !(unwind_table__sources(c->table) & UNWIND_SOURCE_FRAME_POINTERS)) {
		list_fdes(c, debug_frame, false);
		c->dwarf = dwarf_begin_elf(c->libelf, DWARF_C_READ, NULL);
		c->debug_cfi = c->dwarf ? dwarf_getcfi(c->dwarf) : NULL;
	}
	if (c->n_fdes)
		qsort(c->fdes, c->n_fdes, sizeof(*c->fdes), compare_ranges);
	return 0;
}

static Dwarf_Frame *libdw_frame(struct comparison *c, uint64_t at)
{
	Dwarf_Frame *frame = NULL;

	if (c->cfi && !dwarf_cfi_addrframe(c->cfi, at, &frame))
		return frame;
	if (c->debug_cfi && !dwarf_cfi_addrframe(c->debug_cfi, at, &frame))
		return frame;
	return NULL;
}

/* -- the comparison -- */

/* Is giving up justified by libdw's own view of the rule? */
static void judge_unsupported(struct comparison *c, uint64_t at, const struct answer *theirs,
			      const struct answer_limits *l, const struct unwind_row *row)
{
	bool cfa_fits = l->is_plt || (l->cfa_is_offset && l->cfa_offset_fits && l->cfa_reg_fits);

	if (!cfa_fits && !l->cfa_is_offset)
		explain(c, CFI_EXPLAINED_CFA_EXPRESSION);
	else if (!cfa_fits && !l->cfa_reg_fits)
		explain(c, CFI_EXPLAINED_CFA_REGISTER);
	else if (!cfa_fits)
		explain(c, CFI_EXPLAINED_CFA_OFFSET);
	else if (!theirs->sp.known || theirs->sp.v != theirs->cfa.v)
		explain(c, CFI_EXPLAINED_SP_RULE);
	else if (!l->ra_fits)
		explain(c, CFI_EXPLAINED_RA_RULE);
	else
		disagree(c, CFI_DISAGREES_UNSUPPORTED, at, row);
}

static bool same(struct value a, struct value b)
{
	return a.known == b.known && (!a.known || a.v == b.v);
}

static void compare_rules(struct comparison *c, uint64_t at, const struct unwind_row *row,
			  const struct answer *ours, const struct answer *theirs,
			  const struct answer_limits *l)
{
	if (row->cfa != ROW_CFA_SIGNAL && (!same(ours->cfa, theirs->cfa) || !same(ours->sp, theirs->sp)))
		disagree(c, CFI_DISAGREES_CFA, at, row);
	else if (row->cfa == ROW_CFA_SIGNAL && !same(ours->sp, theirs->sp))
		disagree(c, CFI_DISAGREES_CFA, at, row);
	else if (!same(ours->ra, theirs->ra))
		disagree(c, CFI_DISAGREES_RA, at, row);
	else if (ours->bx.known && !same(ours->bx, theirs->bx))
		disagree(c, CFI_DISAGREES_RBX, at, row);
	else if (same(ours->fp, theirs->fp))
		c->sum->agreed++;
	else if (!ours->fp.known && !l->fp_fits)
		explain(c, CFI_EXPLAINED_FP_RULE);
	else
		disagree(c, CFI_DISAGREES_FP, at, row);
}

/* Asks both sides at one address; returns where either may change its mind. */
static uint64_t compare_at(struct comparison *c, uint64_t at, const struct range *fde, bool overlaps)
{
	uint64_t our_end, next = fde->end;
	const struct unwind_row *row = our_row(c, at, &our_end);
	struct answer ours = answer__of_row(row, at), theirs = {0};
	Dwarf_Frame *frame = libdw_frame(c, at);
	struct answer_limits limits = {0};
	Dwarf_Addr start, stop;
	bool is_signal;

	c->sum->boundaries++;
	if (our_end < next)
		next = our_end;
	if (!frame) {
		if (overlaps)
			explain(c, CFI_EXPLAINED_OVERLAP_ORACLE);
		else if (ours.kind == ANSWER_NONE || ours.kind == ANSWER_UNSUPPORTED)
			explain(c, CFI_EXPLAINED_DAMAGED);
		else if (may_be_derived(c, row, at))
			explain(c, CFI_EXPLAINED_DERIVED);
		else
			disagree(c, CFI_DISAGREES_INVENTED, at, row);
		return next;
	}
	if (dwarf_frame_info(frame, &start, &stop, &is_signal) >= 0 && stop > at && stop < next)
		next = stop;
	if (answer__of_frame(frame, at, &theirs, &limits))
		explain(c, CFI_EXPLAINED_DAMAGED);
	else if (ours.kind == ANSWER_NONE || ours.kind == ANSWER_FRAME_POINTER)
		disagree(c, CFI_DISAGREES_UNCOVERED, at, row);
	else if (ours.kind == ANSWER_END && theirs.kind == ANSWER_END)
		c->sum->agreed++;
	else if (ours.kind == ANSWER_END && code_bytes__starts_context(c->elf, fde->start, fde->end))
		explain(c, CFI_EXPLAINED_CONTEXT);
	else if (ours.kind == ANSWER_UNSUPPORTED && theirs.kind != ANSWER_END)
		judge_unsupported(c, at, &theirs, &limits, row);
	else if (ours.kind != theirs.kind)
		disagree(c, CFI_DISAGREES_END, at, row);
	else
		compare_rules(c, at, row, &ours, &theirs, &limits);
	/* a rule that looks at the address itself is asked at each of them */
	if (limits.is_plt)
		next = at + 1;
	free(frame);
	return next;
}

static void compare_fdes(struct comparison *c)
{
	for (size_t i = 0; i < c->n_fdes; i++) {
		struct range r = c->fdes[i];
		bool overlaps = i > 0 && c->fdes[i - 1].end > r.start;

		/* where the next one starts it is the next one's turn */
		if (i + 1 < c->n_fdes && c->fdes[i + 1].start < r.end) {
			r.end = c->fdes[i + 1].start;
			overlaps = true;
			explain(c, CFI_EXPLAINED_OVERLAP);
		}
		for (uint64_t at = r.start; at < r.end;)
			at = compare_at(c, at, &r, overlaps);
	}
}

/* A row of ours in [start, end), where libdw has no FDE; `before` is where the FDE before ends, `after` where the next starts. */
static void judge_alone(struct comparison *c, const struct unwind_row *row, uint64_t start, uint64_t end,
			uint64_t before, uint64_t after)
{
	uint64_t entry = elf__entry(c->elf);

	if (row->cfa == ROW_CFA_NONE)
		return;
	if (row->cfa == ROW_CFA_SIGNAL)
		explain(c, CFI_EXPLAINED_SIGNAL);
	else if (row->cfa == ROW_CFA_FRAME_POINTER)
		explain(c, CFI_EXPLAINED_FRAME_POINTER);
	else if (unwind_table__sources(c->table) & UNWIND_SOURCE_GO)
		explain(c, CFI_EXPLAINED_GO);
	else if (row->cfa == ROW_CFA_END && start >= entry && end <= entry + ENTRY_BYTES_MAX)
		explain(c, CFI_EXPLAINED_ENTRY);
	else if (row->cfa == ROW_CFA_END && end - start <= ROOT_BYTES_MAX &&
		 after - before > UNWIND_PADDING_MAX)
		explain(c, CFI_EXPLAINED_ROOT);
	else if (after - before <= UNWIND_PADDING_MAX)
		explain(c, CFI_EXPLAINED_PADDING);
	else if (may_be_derived(c, row, start))
		explain(c, CFI_EXPLAINED_DERIVED);
	else
		disagree(c, CFI_DISAGREES_INVENTED, start, row);
}

/* Our rows in the hole [start, end) between two FDEs. */
static void judge_hole(struct comparison *c, uint64_t start, uint64_t end)
{
	uint64_t first = c->first_page << ROW_PAGE_BITS, last = (c->first_page + c->n_pages) << ROW_PAGE_BITS;
	uint64_t at = start > first ? start : first, next;

	for (; at < end && at < last; at = next) {
		const struct unwind_row *row = our_row(c, at, &next);

		if (next > end)
			next = end;
		if (row)
			judge_alone(c, row, at, next, start, end);
	}
}

static void judge_holes(struct comparison *c)
{
	uint64_t covered = 0;

	for (size_t i = 0; i < c->n_fdes; i++) {
		if (c->fdes[i].start > covered)
			judge_hole(c, covered, c->fdes[i].start);
		if (c->fdes[i].end > covered)
			covered = c->fdes[i].end;
	}
	judge_hole(c, covered, UINT64_MAX);
}

static void done(struct comparison *c)
{
	for (uint64_t i = 0; c->pages && i < c->n_pages; i++)
		free(c->pages[i].rows);
	free(c->pages);
	free(c->scratch);
	free(c->fdes);
	unwind_table__free(c->table);
	elf__free(c->elf);
	if (c->dwarf)
		dwarf_end(c->dwarf);
	if (c->cfi)
		dwarf_cfi_end(c->cfi);
	if (c->libelf)
		elf_end(c->libelf);
}

int cfi_compare__file(const char *path, struct cfi_comparison *sum, FILE *report)
{
	struct comparison c = {.path = path, .sum = sum, .report = report};
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = open_ours(&c, fd);
	if (!err)
		err = open_libdw(&c, fd);
	if (!err) {
		sum->files++;
		compare_fdes(&c);
		judge_holes(&c);
	}
	done(&c);
	close(fd);
	return err;
}

uint64_t cfi_comparison__n_disagreed(const struct cfi_comparison *c)
{
	uint64_t n = 0;

	for (int i = 0; i < CFI_DISAGREEMENTS_MAX; i++)
		n += c->disagreed[i];
	return n;
}
