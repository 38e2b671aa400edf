// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Every process of a distribution that builds its C library without unwind tables, each _init and _fini, much that is written in assembler:
 * no rule says how to leave this code, and it keeps no frame pointer, either.
 *
 * Idea. Take the holes that the rules leave, tell code_sweep where functions start in them (symbols, sections, calls), and make rows of what it finds
 * out. Functions reach over the edges of pages, so holes that do are swept together with their part of the neighbouring pages.
 *
 * Invariants. Only holes get rows: what the file says is never overruled. An instruction that was not reached, or reached with
 * different stacks, is covered by nothing.
 *
 * Cost. About 50 ns an instruction of the hole and its neighbours; a megabyte of symbols at most is looked through for each page.
 *
 * What it does not do. Say that the code calls nobody back: a row made here is as good as the habits of compilers are. How good, tests/validate/code_rows measures on code
 * that does have rules.
 *
 * Reference. code_sweep.c, stack_state.c.
 */
#include "user/object/code_rows.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/code_bytes.h"
#include "user/object/code_sweep.h"
#include "user/object/elf.h"
#include "user/object/unwind_row.h"
#include "user/object/x86_insn.h"

/* How far around it callers of the code are looked for, of a little code and of much; and how much of that is read at a time, with what an instruction may reach back. */
#define CALLERS_AROUND (128u << 10)
#define CALLERS_FAR    (2u << 20)
#define CALLERS_LITTLE 4096
#define CALLERS_READ   (256u << 10)
#define CALLERS_BACK   128

static bool read_memory(void *ctx, uint64_t vaddr, void *to, size_t len)
{
	const struct elf *e = ctx;
	struct buf bytes;
	bool ok;

	buf__init(&bytes, len);
	ok = !elf__read_vaddr(e, vaddr, len, &bytes);
	if (ok)
		memcpy(to, bytes.data, len);
	buf__done(&bytes);
	return ok;
}

/* Parts of functions that were moved out of the way have symbols, too, but are not entered as functions are. */
static bool is_part(const struct buf *names, uint32_t name)
{
	size_t len = name < names->len ? strnlen((const char *)names->data + name, names->len - name) : 0;

	return len && memmem(names->data + name, len, ".cold", 5);
}

static void add_table(const struct buf *symbols, const struct buf *names, uint64_t from, uint64_t to,
		      struct code_sweep *sweep)
{
	for (size_t i = 0; i + sizeof(Elf64_Sym) <= symbols->len; i += sizeof(Elf64_Sym)) {
		Elf64_Sym sym;

		memcpy(&sym, symbols->data + i, sizeof(sym));
		if ((ELF64_ST_TYPE(sym.st_info) == STT_FUNC || ELF64_ST_TYPE(sym.st_info) == STT_GNU_IFUNC) &&
		    sym.st_shndx != SHN_UNDEF && sym.st_value >= from && sym.st_value < to &&
		    !is_part(names, sym.st_name))
			code_sweep__add_start(sweep, sym.st_value);
	}
}

static uint64_t add_symbols(const struct elf *e, uint64_t from, uint64_t to, struct code_sweep *sweep)
{
	static const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
	uint64_t n_read = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct elf_section *s = elf__find_section_type(e, types[i]);
		const struct elf_section *strings = s ? elf__section(e, s->link) : NULL;
		struct buf symbols, names;

		if (!s || s->size > CODE_ROWS_SYMBOLS_MAX)
			continue;
		buf__init(&symbols, CODE_ROWS_SYMBOLS_MAX);
		buf__init(&names, CODE_ROWS_SYMBOLS_MAX);
		if (strings && elf__read_section(e, strings, CODE_ROWS_SYMBOLS_MAX, &names))
			buf__clear(&names);
		if (!elf__read_section(e, s, CODE_ROWS_SYMBOLS_MAX, &symbols))
			add_table(&symbols, &names, from, to, sweep);
		n_read += symbols.len + names.len;
		buf__done(&symbols);
		buf__done(&names);
	}
	return n_read;
}

/* .init, .fini and their like: what is put together there is one function. What .text begins with may be the cold part of one. */
static void add_sections(const struct elf *e, struct code_sweep *sweep)
{
	for (uint32_t i = 0; i < elf__n_sections(e); i++) {
		const struct elf_section *s = elf__section(e, i);

		if ((s->flags & SHF_EXECINSTR) && strncmp(s->name, ".plt", 4) && strcmp(s->name, ".text"))
			code_sweep__add_start(sweep, s->vaddr);
	}
	if (elf__is_entered(e))
		code_sweep__add_start(sweep, elf__entry(e));
}

/* Pointers to code in data: addends of the relocations that make them. */
static uint64_t add_relocations(const struct elf *e, uint64_t from, uint64_t to, struct code_sweep *sweep)
{
	const struct elf_section *s = elf__find_section(e, ".rela.dyn");
	struct buf bytes;
	uint64_t n_read;

	if (!s || s->size > CODE_ROWS_SYMBOLS_MAX)
		return 0;
	buf__init(&bytes, CODE_ROWS_SYMBOLS_MAX);
	if (elf__read_section(e, s, CODE_ROWS_SYMBOLS_MAX, &bytes))
		buf__clear(&bytes);
	for (size_t i = 0; i + sizeof(Elf64_Rela) <= bytes.len; i += sizeof(Elf64_Rela)) {
		Elf64_Rela r;

		memcpy(&r, bytes.data + i, sizeof(r));
		if ((ELF64_R_TYPE(r.r_info) == R_X86_64_RELATIVE ||
		     ELF64_R_TYPE(r.r_info) == R_X86_64_IRELATIVE) &&
		    (uint64_t)r.r_addend >= from && (uint64_t)r.r_addend < to)
			code_sweep__add_pointed(sweep, (uint64_t)r.r_addend);
	}
	n_read = bytes.len;
	buf__done(&bytes);
	return n_read;
}

/* Callers, in code with rules as well. */
static uint64_t add_callers(const struct elf *e, uint64_t from, uint64_t to, struct code_sweep *sweep)
{
	uint64_t around = code_sweep__n_allowed(sweep) > CALLERS_LITTLE ? CALLERS_FAR : CALLERS_AROUND;
	uint64_t n_read = 0, at, end = to + around;
	struct buf code;

	buf__init(&code, CALLERS_READ + CALLERS_BACK);
	for (uint64_t next = from > around ? from - around : 0; next < end; next += CALLERS_READ) {
		uint64_t begin = next > CALLERS_BACK ? next - CALLERS_BACK : 0;

		buf__clear(&code);
		if (!code_bytes__read(e, begin, end - next > CALLERS_READ ? next + CALLERS_READ : end, &code,
				      &at))
			continue;
		code_sweep__find_starts(sweep, code.data, code.len, at);
		if (elf__type(e) == ET_EXEC)
			code_sweep__find_constants(sweep, code.data, code.len, at);
		n_read += code.len;
	}
	buf__done(&code);
	return n_read;
}

/* Where a file needs no relocations, pointers to code are words of its data. Not of data that is never written: what jumps are led by lies there. */
static uint64_t add_pointers(const struct elf *e, uint64_t from, uint64_t to, struct code_sweep *sweep)
{
	struct buf bytes;
	uint64_t n_read = 0;

	if (elf__type(e) != ET_EXEC || elf__find_section(e, ".rela.dyn"))
		return 0;
	buf__init(&bytes, CODE_ROWS_SYMBOLS_MAX);
	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		const struct elf_segment *p = elf__segment(e, i);

		buf__clear(&bytes);
		if (p->type != PT_LOAD || !(p->flags & PF_W) || p->filesz > CODE_ROWS_SYMBOLS_MAX ||
		    elf__read_vaddr(e, p->vaddr, p->filesz, &bytes))
			continue;
		for (size_t at = -p->vaddr % 8; at + 8 <= bytes.len; at += 8) {
			uint64_t word;

			memcpy(&word, bytes.data + at, sizeof(word));
			if (word >= from && word < to)
				code_sweep__add_pointed(sweep, word);
		}
		n_read += bytes.len;
	}
	buf__done(&bytes);
	return n_read;
}

uint64_t code_rows__add_starts(const struct elf *e, uint64_t from, uint64_t to, struct code_sweep *sweep)
{
	add_sections(e, sweep);
	return add_callers(e, from, to, sweep) + add_symbols(e, from, to, sweep) +
	       add_relocations(e, from, to, sweep) + add_pointers(e, from, to, sweep);
}

static void emit(const struct code_sweep *sweep, const struct code_hole *hole, uint64_t from, uint64_t to,
		 struct row_list *rows)
{
	uint64_t at = hole->from, end = hole->to < to ? hole->to : to;
	bool was_known = false;

	while (at < end) {
		uint8_t len = 1;
		const struct stack_state *state = code_sweep__find(sweep, at, &len);
		struct unwind_row row = state ? stack_state__row(state) : unwind_row__of(ROW_CFA_NONE);

		if (row.cfa & ROW_CFA_DEREF)
			row.saved |= ROW_DEREF_DERIVED;
		else if (row.cfa < X86_REGS)
			row.cfa |= ROW_DERIVED;
		if (at + len > from && (state || was_known || at <= from)) {
			row_list__append(rows, at > from ? at - from : 0, row);
			was_known = state;
		}
		at += len;
	}
	if (end > from && end < to)
		row_list__append(rows, end - from, unwind_row__of(ROW_CFA_NONE));
}

/* Is there nothing in the hole but what fills gaps between functions? */
static bool is_padding(const struct code_hole *hole, const struct buf *code, uint64_t code_at)
{
	uint64_t at = hole->from > code_at ? hole->from : code_at, end = code_at + code->len;
	uint8_t n;

	if (end > hole->to)
		end = hole->to;
	while (at < end && (n = x86_insn__padding(code->data + (at - code_at), end - at)) != 0)
		at += n;
	return at >= end;
}

/* Of the holes in [from, to) */
static bool is_all_padding(const struct code_hole *holes, size_t n, uint64_t from, uint64_t to,
			   const struct buf *code, uint64_t code_at)
{
	for (size_t i = 0; i < n; i++)
		if (holes[i].to > from && holes[i].from < to && !is_padding(&holes[i], code, code_at))
			return false;
	return true;
}

static int sweep_code(const struct elf *e, unsigned int habits, const struct code_hole *holes, size_t n_holes,
		      const struct buf *code, uint64_t code_at, struct code_sweep **ret_sweep)
{
	const struct code_memory memory = {.read = read_memory, .ctx = (void *)e};
	struct code_sweep *s;
	int err = code_sweep__new(code->data, code->len, code_at, &memory, habits, &s);

	if (err)
		return err;
	for (size_t i = 0; i < n_holes; i++)
		if (!is_padding(&holes[i], code, code_at))
			code_sweep__allow(s, holes[i].from, holes[i].to);
	*ret_sweep = s;
	return 0;
}

int code_rows__build(const struct elf *e, const struct noreturn *noreturn, unsigned int habits,
		     const struct code_hole *holes, size_t n_holes, uint64_t from, uint64_t to,
		     struct row_list *rows, struct code_rows_stats *ret_stats)
{
	struct code_rows_stats stats = {0};
	struct code_sweep *sweep = NULL;
	uint64_t start, end, code_at;
	struct buf code;
	int err = 0;

	row_list__append(rows, 0, unwind_row__of(ROW_CFA_NONE));
	if (n_holes == 0) {
		*ret_stats = stats;
		return 0;
	}
	start = holes[0].from;
	end = holes[n_holes - 1].to;
	if (end - start > CODE_SWEEP_MAX)
		return -E2BIG;
	buf__init(&code, CODE_SWEEP_MAX);
	if (!code_bytes__read(e, start, end, &code, &code_at) ||
	    is_all_padding(holes, n_holes, from, to, &code, code_at))
		goto out;
	err = sweep_code(e, habits, holes, n_holes, &code, code_at, &sweep);
	if (err)
		goto out;
	stats.bytes = code.len + code_rows__add_starts(e, start, end, sweep);
	code_sweep__set_noreturn(sweep, noreturn);
	code_sweep__run(sweep);
	code_sweep__run_rest(sweep);
	for (size_t i = 0; i < n_holes; i++)
		emit(sweep, &holes[i], from, to, rows);
	for (uint32_t i = 0; i < rows->n; i++)
		stats.rows += rows->rows[i].cfa != ROW_CFA_NONE;
out:
	if (!err)
		*ret_stats = stats;
	code_sweep__free(sweep);
	buf__done(&code);
	return err;
}
