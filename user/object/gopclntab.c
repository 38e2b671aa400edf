/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: Go binaries are static, often stripped, and have no .eh_frame; but the runtime prints its own stack
 * traces, so each carries a table from program counters to functions, files and lines. Its layout is internal to Go
 * and has changed four times.
 *
 * Idea: one description of where the parts lie (struct gopclntab), filled from the header of each version; everything
 * after that is one code.
 *
 *      magic        from   entries of the function table      names, files, programs
 *      0xfffffffb   1.2    {pc ptr, offset ptr}                offsets from the table's start; files: u32 offsets
 *      0xfffffffa   1.16   {pc ptr, offset ptr}                parts of their own; files by compilation unit
 *      0xfffffff0   1.18   {pc - text u32, offset u32}         the same
 *      0xfffffff1   1.20   the same                            the same; a function states its first line
 *
 *      header ──> funcnames: strings | cutab: u32 offsets into filetab | filetab: strings | pctab: programs
 *                 | functab | function records
 *
 * A function record starts with its entry pc and ten or so 32-bit fields (enum field). A program is a run of pairs
 * of varints, (value delta, pc delta), which yields the file number or the line at each pc.
 *
 * Invariants: every access goes through a part with a length, and through lazy_bytes; a pc outside its function's
 * range has no function, so a table that is not sorted gives wrong answers about itself only.
 *
 * Cost: a lookup is a bisection and two programs of some dozens of steps, 0.2 to 0.5 us; nothing is built
 * beforehand. Tables have 15 to 20 percent of the file's size, which is why they are read as they are touched: of
 * terraform's 32 MiB, a hundred addresses picked at random touch 2 MiB, a thousand 8; hot code lies closer
 * together.
 *
 * What it does not do: inlined functions (their tree is in the read-only data; the line is already that of the
 * innermost one); big-endian or 32-bit tables; several text sections (only on machines with short branches).
 *
 * Reference: Go runtime/symtab.go (pcHeader, _func, step), cmd/link/internal/ld/pcln.go, "Go 1.2 Runtime Symbol
 * Information".
 */
#include "user/object/gopclntab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"

#include "user/object/gopclntab_impl.h"

/* Fields of a function record, in units of 4 bytes after its entry. */
enum field {
	FIELD_NAME = 0,
	FIELD_PCSP = 3,
	FIELD_PCFILE = 4,
	FIELD_PCLN = 5,
	FIELD_CU = 7,
	FIELD_START_LINE = 8
};

#define NO_FILE UINT32_MAX

static bool read_uint(const struct gopclntab *t, const struct gopclntab_part *part, uint64_t offset,
		      uint8_t size, uint64_t *ret)
{
	const uint8_t *p;
	uint64_t v = 0;

	if (offset > part->len || part->len - offset < size)
		return false;
	p = lazy_bytes__get(t->bytes, part->at + offset, size);
	if (!p)
		return false;
	memcpy(&v, p, size); /* little-endian, as the machines that we run on */
	*ret = v;
	return true;
}

static const char *read_string(const struct gopclntab *t, const struct gopclntab_part *part, uint64_t offset)
{
	return offset < part->len ? lazy_bytes__string(t->bytes, part->at + offset, GOPCLNTAB_STRING_MAX)
				  : NULL;
}

/* -- the header -- */

static uint32_t magic_of(const uint8_t bytes[8])
{
	uint32_t magic;

	memcpy(&magic, bytes, sizeof(magic));
	return magic;
}

bool gopclntab__is_header(const uint8_t p[8])
{
	uint32_t magic = magic_of(p);

	return (magic == 0xfffffffb || magic == 0xfffffffa || magic == 0xfffffff0 || magic == 0xfffffff1) &&
	       !p[4] && !p[5] && (p[6] == 1 || p[6] == 2 || p[6] == 4) && (p[7] == 8 || p[7] == 4);
}

static int parse_magic(struct lazy_bytes *bytes, enum gopclntab_version *ret_version)
{
	const uint8_t *p = lazy_bytes__get(bytes, 0, 16);
	uint32_t magic;

	if (!p || !gopclntab__is_header(p))
		return -ENOENT;
	if (p[7] == 4)
		return -EOPNOTSUPP;
	magic = magic_of(p);
	*ret_version = magic == 0xfffffffb   ? GO_1_2
		       : magic == 0xfffffffa ? GO_1_16
		       : magic == 0xfffffff0 ? GO_1_18
					     : GO_1_20;
	return 0;
}

/* The part of the table from `offset` to its end: the header does not say where parts end, strings and programs
 * do themselves. */
static bool part_from(const struct gopclntab *t, uint64_t offset, struct gopclntab_part *ret)
{
	if (offset > t->bytes->len)
		return false;
	*ret = (struct gopclntab_part){.at = offset, .len = t->bytes->len - offset};
	return true;
}

static int parse_go_1_2(struct gopclntab *t, const struct gopclntab_part *all, uint64_t n)
{
	uint64_t files;

	t->names = t->cus = t->programs = t->records = *all;
	if (!part_from(t, 16, &t->functab) || !read_uint(t, &t->functab, n * 16 + 8, 4, &files) ||
	    !part_from(t, files, &t->files))
		return -EBADMSG;
	return 0;
}

static int parse_go_1_16(struct gopclntab *t, const struct gopclntab_part *all)
{
	struct gopclntab_part *const parts[] = {&t->names, &t->cus, &t->files, &t->programs, &t->functab};
	uint64_t at =
		t->version == GO_1_16 ? 24 : 32; /* after the counts, and the text's start from 1.18 on */

	if (t->version != GO_1_16 && !t->text_start && !read_uint(t, all, 24, 8, &t->text_start))
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t offset;

		if (!read_uint(t, all, at + 8 * i, 8, &offset) || !part_from(t, offset, parts[i]))
			return -EBADMSG;
	}
	t->records = t->functab;
	return 0;
}

int gopclntab__init(struct gopclntab *t, struct lazy_bytes *bytes, uint64_t text_start)
{
	const struct gopclntab_part all = {.at = 0, .len = bytes->len};
	uint64_t n;
	int err = parse_magic(bytes, &t->version);

	if (err)
		return err;
	t->bytes = bytes;
	t->quantum = lazy_bytes__get(bytes, 6, 1)[0];
	t->entry_size = t->version >= GO_1_18 ? 4 : 8;
	t->text_start = t->version >= GO_1_18 ? text_start : 0;
	if (!read_uint(t, &all, 8, 8, &n) || n == 0 || n > bytes->len / (2u * t->entry_size))
		return -EBADMSG;
	if (n > GOPCLNTAB_FUNCTIONS_MAX)
		return -E2BIG;
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
	lazy_bytes__borrow(&t->own, bytes, len);
	err = gopclntab__init(t, &t->own, text_start);
	if (err) {
		free(t);
		return err;
	}
	*ret_table = t;
	return 0;
}

void gopclntab__free(struct gopclntab *t)
{
	if (!t)
		return;
	lazy_bytes__done(&t->own);
	free(t);
}

void gopclntab__attach(struct gopclntab *t, int fd)
{
	lazy_bytes__attach(&t->own, fd);
}

bool gopclntab__is_whole(const struct gopclntab *t)
{
	return lazy_bytes__is_whole(&t->own);
}

/* -- functions -- */

static uint64_t pc_of(const struct gopclntab *t, uint32_t i)
{
	uint64_t pc = 0;

	read_uint(t, &t->functab, (uint64_t)i * 2 * t->entry_size, t->entry_size,
		  &pc); /* fits: checked when parsed */
	return t->text_start + pc;
}

static bool read_field(const struct gopclntab *t, uint64_t record, enum field field, uint32_t *ret)
{
	uint64_t v;

	if (!read_uint(t, &t->records, record + t->entry_size + 4u * field, 4, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static uint64_t record_of(const struct gopclntab *t, uint32_t i)
{
	uint64_t record = UINT64_MAX;

	read_uint(t, &t->functab, ((uint64_t)i * 2 + 1) * t->entry_size, t->entry_size, &record);
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
	f.name = read_string(t, &t->names, name);
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
	/* the end of the last function counts as an entry */
	uint32_t lo = bisect__count(t->n + 1, i, pc_of(t, i) <= vaddr);

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

uint32_t gopclntab__first(const struct gopclntab *t, uint64_t vaddr)
{
	return bisect__count(t->n, i, pc_of(t, i + 1) <= vaddr);
}

/* -- programs -- */

static bool read_varint(const struct gopclntab *t, size_t *at, uint32_t *ret)
{
	uint32_t v = 0;

	for (int shift = 0; shift < 35; shift += 7) {
		uint64_t b;

		if (!read_uint(t, &t->programs, (*at)++, 1, &b))
			return false;
		v |= shift < 32 ? (uint32_t)(b & 0x7f) << shift : 0;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* A program on its way: `value` holds up to `pc`. */
struct program {
	size_t at;
	uint64_t pc;
	uint32_t value;
	uint32_t steps;
};

/*
 * It starts at -1 and the function's entry; each pair gives the value that holds up to the new pc. False at its end. Go writes pairs at boundaries of instructions only: one that goes
 * nowhere is made up, and a program of those would be as long as its author likes.
 */
static bool next_pair(const struct gopclntab *t, struct program *p)
{
	uint32_t value_delta, pc_delta;

	if (p->steps == GOPCLNTAB_STEPS_MAX || !read_varint(t, &p->at, &value_delta) ||
	    (value_delta == 0 && p->steps > 0) || !read_varint(t, &p->at, &pc_delta) || pc_delta == 0)
		return false;
	p->value += value_delta & 1 ? ~(value_delta >> 1) : value_delta >> 1; /* zigzag */
	if (p->pc + (uint64_t)pc_delta * t->quantum < p->pc)
		return false;
	p->pc += (uint64_t)pc_delta * t->quantum;
	p->steps++;
	return true;
}

/* The value at a pc; program 0 is none. */
static bool run_program(const struct gopclntab *t, uint32_t program, uint64_t entry, uint64_t vaddr,
			int32_t *ret_value)
{
	struct program p = {.at = program, .pc = entry, .value = UINT32_MAX};

	while (program && next_pair(t, &p)) {
		if (vaddr < p.pc) {
			*ret_value = (int32_t)p.value;
			return true;
		}
	}
	return false;
}

int gopclntab__sp_deltas(const struct gopclntab *t, uint32_t i, gopclntab_sp_fn emit, void *ctx)
{
	struct program p = {.value = UINT32_MAX};
	uint64_t from, end;
	uint32_t pcsp;

	if (i >= t->n || !read_field(t, record_of(t, i), FIELD_PCSP, &pcsp) || !pcsp)
		return -ENOENT;
	p.at = pcsp;
	p.pc = pc_of(t, i);
	end = pc_of(t, i + 1);
	for (from = p.pc; from < end && next_pair(t, &p); from = p.pc)
		if (p.pc > from)
			emit(from, p.pc < end ? p.pc : end, (int32_t)p.value, ctx);
	return 0;
}

/* -- lines -- */

static const char *file_name(const struct gopclntab *t, uint64_t record, uint32_t number)
{
	uint32_t cu;
	uint64_t offset;

	if (t->version == GO_1_2) {
		if (!read_uint(t, &t->files, (uint64_t)number * 4, 4, &offset) || !offset)
			return NULL;
		return read_string(t, &t->names, offset);
	}
	if (!read_field(t, record, FIELD_CU, &cu))
		return NULL;
	if (!read_uint(t, &t->cus, ((uint64_t)cu + number) * 4, 4, &offset) || offset == NO_FILE)
		return NULL;
	return read_string(t, &t->files, offset);
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
	return sizeof(*t) + lazy_bytes__resident(&t->own);
}

bool gopclntab__is_assembly(const struct gopclntab *t, uint32_t i)
{
	struct gopclntab_line l;
	size_t len;

	if (i >= t->n || gopclntab__line(t, pc_of(t, i), &l))
		return false;
	len = strlen(l.file);
	return len > 2 && !strcmp(l.file + len - 2, ".s");
}
