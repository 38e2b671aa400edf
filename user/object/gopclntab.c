/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: Go binaries are static, often stripped, and have no .eh_frame; but the runtime prints its own stack traces, so each carries a table
 * from program counters to functions, files and lines. Its layout is internal to Go and has changed four times.
 *
 * Idea: one description of where the parts lie (struct parts), filled from the header of each version; everything after that is one code.
 *
 *      magic        from   entries of the function table      names, files, programs
 *      0xfffffffb   1.2    {pc ptr, offset ptr}                offsets from the table's start; files: u32 offsets
 *      0xfffffffa   1.16   {pc ptr, offset ptr}                parts of their own; files through a table of compilation units
 *      0xfffffff0   1.18   {pc - text u32, offset u32}         the same
 *      0xfffffff1   1.20   the same                            the same; a function states its first line
 *
 *      header ──> funcnames: NUL-terminated | cutab: u32 offsets into filetab | filetab: NUL-terminated | pctab: programs | functab | function records
 *
 * A function record starts with its entry pc and ten or so 32-bit fields (enum field). A program is a run of pairs of varints, (value delta,
 * pc delta), which yields the file number or the line at each pc.
 *
 * Invariants: every access goes through `part` with a length; a pc outside its function's range has no function, so a table that is not
 * sorted gives wrong answers about itself only.
 *
 * Cost: a lookup is a bisection and two programs of some dozens of steps; nothing is built beforehand. Memory is the table itself: 15 to 20
 * percent of the file.
 *
 * What it does not do: inlined functions (their tree is in the read-only data; the line is already that of the innermost one); big-endian or 32-bit
 * tables; several text sections (only on machines with short branches).
 *
 * Reference: Go runtime/symtab.go (pcHeader, _func, step), cmd/link/internal/ld/pcln.go, "Go 1.2 Runtime Symbol Information".
 */
#include "user/object/gopclntab.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/gomodule.h"

#define LIMIT_BYTES_DEFAULT (128u << 20)
#define SEARCH_ALIGN        8
#define HEADER_MAX          72

enum version { GO_1_2, GO_1_16, GO_1_18, GO_1_20 };

/* Fields of a function record, in units of 4 bytes after its entry. */
enum field { FIELD_NAME = 0, FIELD_PCFILE = 4, FIELD_PCLN = 5, FIELD_CU = 7, FIELD_START_LINE = 8 };

#define NO_FILE UINT32_MAX

struct part {
	const uint8_t *p;
	size_t len;
};

struct gopclntab {
	enum version version;
	uint8_t quantum;
	uint8_t entry_size; /* of a pc or an offset in functab, and of a record's entry: 8, or 4 from 1.18 on */
	uint32_t n;
	uint64_t text_start;
	struct part names, cus, files, programs, functab, records;
	uint8_t *owned; /* NULL: borrowed */
	size_t owned_len;
};

const char *const gopclntab_stack_ends[] = {
	"runtime.goexit", "runtime.mstart",    "runtime.rt0_go",
	"runtime.mcall",  "runtime.morestack", "runtime.systemstack_switch",
	"_rt0_amd64",     "_rt0_amd64_linux",  "_rt0_arm64_linux",
};
const size_t gopclntab_n_stack_ends = sizeof(gopclntab_stack_ends) / sizeof(gopclntab_stack_ends[0]);

static bool read_uint(const struct part *part, uint64_t offset, uint8_t size, uint64_t *ret)
{
	uint64_t v = 0;

	if (offset > part->len || part->len - offset < size)
		return false;
	memcpy(&v, part->p + offset, size); /* little-endian, as the machines that we run on */
	*ret = v;
	return true;
}

static const char *read_string(const struct part *part, uint64_t offset)
{
	const char *s;
	size_t left;

	if (offset >= part->len)
		return NULL;
	s = (const char *)part->p + offset;
	left = part->len - offset;
	return memchr(s, '\0', left < GOPCLNTAB_STRING_MAX ? left : GOPCLNTAB_STRING_MAX) ? s : NULL;
}

/* -- the header -- */

static int parse_magic(const uint8_t *p, size_t len, enum version *ret_version)
{
	uint32_t magic;

	if (len < 16)
		return -ENOENT;
	memcpy(&magic, p, sizeof(magic));
	if (magic != 0xfffffffb && magic != 0xfffffffa && magic != 0xfffffff0 && magic != 0xfffffff1)
		return -ENOENT;
	if (p[4] || p[5] || (p[6] != 1 && p[6] != 2 && p[6] != 4))
		return -ENOENT;
	if (p[7] != 8)
		return p[7] == 4 ? -EOPNOTSUPP : -ENOENT;
	*ret_version = magic == 0xfffffffb   ? GO_1_2
		       : magic == 0xfffffffa ? GO_1_16
		       : magic == 0xfffffff0 ? GO_1_18
					     : GO_1_20;
	return 0;
}

/* The part of the table from `offset` to its end: the header does not say where parts end, strings and programs do themselves. */
static bool part_from(const struct part *all, uint64_t offset, struct part *ret)
{
	if (offset > all->len)
		return false;
	*ret = (struct part){all->p + offset, all->len - offset};
	return true;
}

static int parse_go_1_2(struct gopclntab *t, const struct part *all, uint64_t n)
{
	uint64_t files;

	t->names = t->cus = t->programs = t->records = *all;
	if (!part_from(all, 16, &t->functab) || !read_uint(&t->functab, n * 16 + 8, 4, &files) ||
	    !part_from(all, files, &t->files))
		return -EBADMSG;
	return 0;
}

static int parse_go_1_16(struct gopclntab *t, const struct part *all)
{
	struct part *const parts[] = {&t->names, &t->cus, &t->files, &t->programs, &t->functab};
	uint64_t at =
		t->version == GO_1_16 ? 24 : 32; /* after the counts, and the text's start from 1.18 on */

	if (t->version != GO_1_16 && !t->text_start && !read_uint(all, 24, 8, &t->text_start))
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t offset;

		if (!read_uint(all, at + 8 * i, 8, &offset) || !part_from(all, offset, parts[i]))
			return -EBADMSG;
	}
	t->records = t->functab;
	return 0;
}

static int parse(struct gopclntab *t, const void *bytes, size_t len, uint64_t text_start)
{
	const struct part all = {bytes, len};
	uint64_t n;
	int err = parse_magic(bytes, len, &t->version);

	if (err)
		return err;
	t->quantum = all.p[6];
	t->entry_size = t->version >= GO_1_18 ? 4 : 8;
	t->text_start = t->version >= GO_1_18 ? text_start : 0;
	if (!read_uint(&all, 8, 8, &n) || n == 0 || n > len / (2u * t->entry_size))
		return -EBADMSG;
	err = t->version == GO_1_2 ? parse_go_1_2(t, &all, n) : parse_go_1_16(t, &all);
	if (err)
		return err;
	if (t->functab.len / t->entry_size < 2 * n + 1)
		return -EBADMSG;
	t->n = (uint32_t)n;
	return 0;
}

int gopclntab__parse(const void *bytes, size_t len, uint64_t text_start, struct gopclntab **ret_table)
{
	struct gopclntab *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = parse(t, bytes, len, text_start);
	if (err) {
		free(t);
		return err;
	}
	*ret_table = t;
	return 0;
}

/* -- from a file -- */

/* Section names by age and link mode; the last ones hold other things too and are searched for the magic. */
static const struct {
	const char *name;
	bool is_own;
} homes[] = {
	{".gopclntab", true},
	{".data.rel.ro.gopclntab", true},
	{".data.rel.ro", false},
	{".rodata", false},
};

static uint64_t text_section(const struct elf *e)
{
	const struct elf_section *s = elf__find_section(e, ".text");

	return s ? s->vaddr : 0;
}

static uint64_t funcnames_offset(const uint8_t *p)
{
	uint64_t offset;

	memcpy(&offset, p + 32, sizeof(offset));
	return offset;
}

/* What function offsets are relative to: the module's word, else the header's, else the start of .text, which is right without C code. */
static uint64_t find_text_start(const struct elf *e, const uint8_t *p, size_t len, uint64_t vaddr)
{
	struct gomodule module;
	uint64_t stated;

	if (len < HEADER_MAX)
		return 0;
	memcpy(&stated, p + 24, sizeof(stated));
	if (stated)
		return stated;
	if (gomodule__find(e, vaddr, funcnames_offset(p), &module) == 0 && module.text)
		return module.text;
	return text_section(e);
}

/* The first function of the table lies in executable memory: tells a table from bytes that look like one. */
static bool is_plausible(const struct elf *e, const struct gopclntab *t)
{
	struct gopclntab_function f;

	if (gopclntab__get(t, 0, &f))
		return false;
	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		const struct elf_segment *s = elf__segment(e, i);

		if (s->type == PT_LOAD && (s->flags & PF_X) && f.start >= s->vaddr &&
		    f.start - s->vaddr < s->memsz)
			return true;
	}
	return false;
}

/* Keeps the table from `at` on, in a block of its size: the buffer may have grown to twice of it. */
static int take(const struct buf *bytes, size_t at, uint64_t text_start, struct gopclntab *t)
{
	t->owned_len = bytes->len - at;
	t->owned = malloc(t->owned_len);
	if (!t->owned)
		return -ENOMEM;
	memcpy(t->owned, bytes->data + at, t->owned_len);
	return parse(t, t->owned, t->owned_len, text_start);
}

static int load_from(const struct elf *e, const struct elf_section *s, bool is_own, size_t limit,
		     struct gopclntab *t)
{
	size_t last;
	struct buf bytes;
	int err;

	buf__init(&bytes, limit);
	err = elf__read_section(e, s, limit, &bytes);
	if (err)
		goto out;
	err = -ENOENT;
	last = is_own ? 0 : bytes.len;
	for (size_t at = 0; at <= last && at < bytes.len; at += SEARCH_ALIGN) {
		const uint8_t *p = bytes.data + at;
		size_t len = bytes.len - at;
		struct gopclntab probe = {0};
		enum version version;
		uint64_t text_start;
		int found = parse_magic(p, len, &version);

		if (found == -ENOENT)
			continue;
		text_start = !found && version >= GO_1_18 ? find_text_start(e, p, len, s->vaddr + at) : 0;
		found = found ? found : parse(&probe, p, len, text_start);
		if (!found && is_plausible(e, &probe)) {
			err = take(&bytes, at, text_start, t);
			break;
		}
		if (is_own)
			err = found ? found : -EBADMSG;
	}
out:
	buf__done(&bytes);
	return err;
}

int gopclntab__load(const struct elf *e, size_t limit_bytes, struct gopclntab **ret_table)
{
	struct gopclntab *t = calloc(1, sizeof(*t));
	int err = -ENOENT;

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]) && err == -ENOENT; i++) {
		const struct elf_section *s = elf__find_section(e, homes[i].name);

		/* without the marks of a Go file there is nothing to search for */
		if (!s || (!homes[i].is_own && !elf__find_section(e, ".go.buildinfo")))
			continue;
		err = load_from(e, s, homes[i].is_own, limit_bytes ? limit_bytes : LIMIT_BYTES_DEFAULT, t);
	}
	if (err) {
		gopclntab__free(t);
		return err;
	}
	*ret_table = t;
	return 0;
}

void gopclntab__free(struct gopclntab *t)
{
	if (!t)
		return;
	free(t->owned);
	free(t);
}

/* -- functions -- */

static uint64_t pc_of(const struct gopclntab *t, uint32_t i)
{
	uint64_t pc = 0;

	read_uint(&t->functab, (uint64_t)i * 2 * t->entry_size, t->entry_size,
		  &pc); /* fits: checked when parsed */
	return t->text_start + pc;
}

static bool read_field(const struct gopclntab *t, uint64_t record, enum field field, uint32_t *ret)
{
	uint64_t v;

	if (!read_uint(&t->records, record + t->entry_size + 4u * field, 4, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static uint64_t record_of(const struct gopclntab *t, uint32_t i)
{
	uint64_t record = UINT64_MAX;

	read_uint(&t->functab, ((uint64_t)i * 2 + 1) * t->entry_size, t->entry_size, &record);
	return record < t->records.len ? record : t->records.len; /* past the end: its fields do not read */
}

int gopclntab__get(const struct gopclntab *t, uint32_t i, struct gopclntab_function *ret_function)
{
	struct gopclntab_function f = {0};
	uint32_t name;
	uint64_t record;

	if (i >= t->n)
		return -EBADMSG;
	record = record_of(t, i);
	f.start = pc_of(t, i);
	f.end = pc_of(t, i + 1);
	if (f.end < f.start || !read_field(t, record, FIELD_NAME, &name))
		return -EBADMSG;
	f.name = read_string(&t->names, name);
	if (!f.name)
		return -EBADMSG;
	if (t->version >= GO_1_20)
		read_field(t, record, FIELD_START_LINE, &f.start_line);
	if (f.start_line > INT32_MAX)
		f.start_line = 0;
	*ret_function = f;
	return 0;
}

/* Index of the function whose range holds the address, or n. */
static uint32_t index_of(const struct gopclntab *t, uint64_t vaddr)
{
	uint32_t lo = 0, hi = t->n + 1; /* the end of the last function counts as an entry */

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (pc_of(t, mid) <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || lo > t->n || vaddr < pc_of(t, lo - 1) || vaddr >= pc_of(t, lo))
		return t->n;
	return lo - 1;
}

int gopclntab__find(const struct gopclntab *t, uint64_t vaddr, struct gopclntab_function *ret_function)
{
	uint32_t i = index_of(t, vaddr);

	if (i == t->n || gopclntab__get(t, i, ret_function) || !ret_function->name[0])
		return -ENOENT;
	return 0;
}

size_t gopclntab__find_names(const struct gopclntab *t, const char *const *names, size_t n_names,
			     struct gopclntab_function *ret, size_t max)
{
	size_t found = 0;

	for (uint32_t i = 0; i < t->n && found < max; i++) {
		struct gopclntab_function f;

		if (gopclntab__get(t, i, &f))
			continue;
		for (size_t k = 0; k < n_names; k++) {
			if (!strcmp(names[k], f.name)) {
				ret[found++] = f;
				break;
			}
		}
	}
	return found;
}

/* -- lines -- */

static bool read_varint(const struct part *part, size_t *at, uint32_t *ret)
{
	uint32_t v = 0;

	for (int shift = 0; shift < 35; shift += 7) {
		uint8_t b;

		if (*at >= part->len)
			return false;
		b = part->p[(*at)++];
		v |= shift < 32 ? (uint32_t)(b & 0x7f) << shift : 0;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* The value of a program at a pc. It starts at -1 and the function's entry; each pair gives the value that holds up to the new pc. */
static bool run_program(const struct gopclntab *t, uint32_t program, uint64_t entry, uint64_t vaddr,
			int32_t *ret_value)
{
	uint64_t pc = entry;
	uint32_t value = UINT32_MAX;
	size_t at = program;

	if (program == 0)
		return false; /* no program */
	for (uint32_t step = 0; step < GOPCLNTAB_STEPS_MAX; step++) {
		uint32_t value_delta, pc_delta;

		if (!read_varint(&t->programs, &at, &value_delta) || (value_delta == 0 && step > 0) ||
		    !read_varint(&t->programs, &at, &pc_delta))
			return false;
		value += value_delta & 1 ? ~(value_delta >> 1) : value_delta >> 1; /* zigzag */
		pc += (uint64_t)pc_delta * t->quantum;
		if (vaddr < pc) {
			*ret_value = (int32_t)value;
			return true;
		}
	}
	return false;
}

static const char *file_name(const struct gopclntab *t, uint64_t record, uint32_t number)
{
	uint32_t cu;
	uint64_t offset;

	if (t->version == GO_1_2) {
		if (!read_uint(&t->files, (uint64_t)number * 4, 4, &offset) || !offset)
			return NULL;
		return read_string(&t->names, offset);
	}
	if (!read_field(t, record, FIELD_CU, &cu))
		return NULL;
	if (!read_uint(&t->cus, ((uint64_t)cu + number) * 4, 4, &offset) || offset == NO_FILE)
		return NULL;
	return read_string(&t->files, offset);
}

int gopclntab__line(const struct gopclntab *t, uint64_t vaddr, struct gopclntab_line *ret_line)
{
	uint32_t i = index_of(t, vaddr), pcfile, pcln;
	int32_t number, line;
	const char *file;
	uint64_t record, entry;

	if (i == t->n)
		return -ENOENT;
	record = record_of(t, i);
	entry = pc_of(t, i);
	if (!read_field(t, record, FIELD_PCFILE, &pcfile) || !read_field(t, record, FIELD_PCLN, &pcln))
		return -ENOENT;
	if (!run_program(t, pcfile, entry, vaddr, &number) || !run_program(t, pcln, entry, vaddr, &line))
		return -ENOENT;
	if (number < 0 || line < 0)
		return -ENOENT;
	file = file_name(t, record, (uint32_t)number);
	if (!file)
		return -ENOENT;
	*ret_line = (struct gopclntab_line){.file = file, .line = (uint32_t)line};
	return 0;
}

uint32_t gopclntab__count(const struct gopclntab *t)
{
	return t->n;
}

size_t gopclntab__bytes(const struct gopclntab *t)
{
	return sizeof(*t) + t->owned_len;
}
