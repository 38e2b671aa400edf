/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a symbol table is made for the linker. It is unsorted, has several names for one address, symbols
 * without a size, labels inside functions, data among code; and it may be made by an enemy. A profiler asks one
 * thing: which function holds this address?
 *
 * Idea: keep what is a function, settle once and for all which name an address has, and store the answer compactly;
 * lookups bisect.
 *
 * What is a function: STT_FUNC and STT_GNU_IFUNC; STT_NOTYPE with a size, or global (hand-written assembly); all of
 * them defined, and inside executable sections (segments, where the file has no sections).
 *
 * Which name, of several with the same start and size: a function before an untyped symbol; exported (global or
 * weak) before local; fewest leading underscores; global before weak; the shorter; alphabetical order. It depends
 * on nothing else, so a table of .dynsym alone and one of a debug file, or two builds of a table, agree wherever
 * both have the name.
 *
 * Without a size (`_start` of hand-written assembly): a symbol reaches to the next symbol or the end of its
 * section, at most SYMTAB_UNSIZED_MAX, and only where the table is complete: in .dynsym, the next symbol says
 * nothing about the hidden functions between. One that lies inside a sized symbol is a label, and is dropped.
 *
 * Layout:
 *      entries[n] {u32 start - base, u32 size, u32 name}   by start; at equal starts the larger first; 12 bytes each
 *      names                                                one blob, NUL-terminated
 *
 * Nesting: the last entry that starts at or before the address is the innermost; where it ends too early the ones
 * before it are tried, SYMTAB_NEST_MAX of them. Past that an address counts as a gap: no name rather than a wrong
 * one.
 *
 * Limits of the layout: code over more than 4 GiB of addresses; symbols past that are left out.
 *
 * Cost: libLLVM-14 (34,000 symbols) 25 ms and 2.7 MiB, libjvm 17 (44,000) 20 ms and 2.6 MiB; a lookup 0.1 us. Half
 * of loading is the sort.
 *
 * What it does not do: demangle; lines; size-0 symbols of partial tables; symbol tables that only PT_DYNAMIC knows of.
 *
 * Reference: System V gABI chapter 4, Symbol Table; symbol versions: ld's "name@VERSION" and "name@@VERSION".
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/plt.h"
#include "user/object/symtab.h"
#include "user/object/symtab_part.h"

#define LIMIT_BYTES_DEFAULT (64u << 20)
#define READ_BYTES_DEFAULT  (256u << 20)
#define SOURCES_MAX         8
#define RANGES_MAX          4096
#define COMPARED_MAX \
	256 /* bytes of names of one length: of more than that any order will do, as long as it is one */

struct entry {
	uint32_t start; /* minus base */
	uint32_t size;
	uint32_t name;
};

struct symtab {
	uint64_t base;
	struct entry *entries;
	uint32_t n, cap;
	char *names;
	size_t names_len;
};

/* A symbol on its way into the table; its name is still in the source. */
struct candidate {
	uint32_t start; /* minus base */
	uint32_t size;  /* 0: not known */
	uint32_t name;
	uint16_t name_len;
	uint8_t source;
	uint8_t rank; /* lower is better; then by name */
};

struct builder {
	const struct symtab_source *sources;
	struct symtab_range *exec; /* sorted, disjoint */
	size_t n_exec;
	struct candidate *items;
	uint32_t n, cap;
	struct symtab *table;
	struct buf names; /* of the table, while it grows */
	const struct symtab_opts *opts;
	size_t limit_bytes;
};

/* -- which addresses are code -- */

static int compare_ranges(const void *va, const void *vb)
{
	const struct symtab_range *a = va, *b = vb;

	return a->start < b->start ? -1 : a->start > b->start;
}

static int prepare_ranges(struct builder *b, const struct symtab_range *exec, size_t n)
{
	b->exec = malloc((n + 1) * sizeof(*b->exec));
	if (!b->exec)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (exec[i].start < exec[i].end)
			b->exec[b->n_exec++] = exec[i];
	qsort(b->exec, b->n_exec, sizeof(*b->exec), compare_ranges);
	for (size_t i = 0; i + 1 < b->n_exec; i++) /* no overlaps: the next one starts the end */
		if (b->exec[i].end > b->exec[i + 1].start)
			b->exec[i].end = b->exec[i + 1].start;
	if (!b->n_exec)
		return -ENOENT;
	b->table->base = b->exec[0].start;
	return 0;
}

/* The end of the code range that holds the address, or 0. */
static uint64_t range_end(const struct builder *b, uint64_t addr)
{
	size_t n = bisect__count(b->n_exec, i, b->exec[i].start <= addr);

	return n && addr < b->exec[n - 1].end ? b->exec[n - 1].end : 0;
}

/* -- collecting -- */

static bool is_version_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.';
}

/* Length of the name less "@VERSION" or "@@VERSION". */
static uint16_t name_length(const char *s, size_t max)
{
	size_t len = strnlen(s, max < SYMTAB_NAME_MAX ? max : SYMTAB_NAME_MAX);
	const char *at = memchr(s, '@', len);
	size_t i;

	if (!at || at == s)
		return (uint16_t)len;
	i = (size_t)(at - s) + 1;
	if (i < len && s[i] == '@')
		i++;
	if (i == len)
		return (uint16_t)len;
	for (; i < len; i++)
		if (!is_version_char(s[i]))
			return (uint16_t)len;
	return (uint16_t)(at - s);
}

static uint8_t rank_of(const Elf64_Sym *sym, const char *name, uint16_t len)
{
	uint8_t bind = ELF64_ST_BIND(sym->st_info), type = ELF64_ST_TYPE(sym->st_info);
	uint8_t underscores = 0;

	while (underscores < 7 && underscores < len && name[underscores] == '_')
		underscores++;
	return (uint8_t)((type == STT_NOTYPE) << 6 | (bind == STB_LOCAL) << 5 | underscores << 1 |
			 (bind == STB_WEAK));
}

static bool may_be_function(const Elf64_Sym *sym, bool is_complete)
{
	uint8_t bind = ELF64_ST_BIND(sym->st_info), type = ELF64_ST_TYPE(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_ABS || sym->st_shndx == SHN_COMMON ||
	    !sym->st_name)
		return false;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	if (sym->st_size)
		return true;
	return is_complete && (type != STT_NOTYPE || bind != STB_LOCAL);
}

/* Does it lie within `near` of what is asked for? All does where nothing is named. */
static bool is_wanted(const struct builder *b, uint64_t start, uint64_t size, uint64_t near)
{
	const struct symtab_wanted w = {b->opts->wanted, b->opts->n_wanted};

	return !w.vaddrs || symtab_wanted__touches(&w, start, size, near);
}

static int add_candidate(struct builder *b, uint8_t source, const Elf64_Sym *sym)
{
	const struct symtab_source *src = &b->sources[source];
	uint64_t end, offset, size = sym->st_size;
	const char *name;
	uint16_t len;

	if (!may_be_function(sym, src->is_complete) || sym->st_name >= src->strings_len)
		return 0;
	if (b->opts->around && !is_wanted(b, sym->st_value, sym->st_size, SYMTAB_AROUND))
		return 0;
	end = range_end(b, sym->st_value);
	offset = sym->st_value - b->table->base;
	name = src->strings + sym->st_name;
	len = name_length(name, src->strings_len - sym->st_name);
	if (!end || offset > UINT32_MAX || !len || *name == '$') /* $x, $d: ARM's mapping symbols */
		return 0;
	if (size > end - sym->st_value)
		size = end - sym->st_value;
	if (size > UINT32_MAX)
		size = UINT32_MAX;
	if (b->n == b->cap) {
		uint32_t cap = b->cap ? b->cap * 2 : 1024;
		struct candidate *grown;

		if (b->n >= SYMTAB_SYMBOLS_MAX)
			return -E2BIG;
		grown = realloc(b->items, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		b->items = grown;
		b->cap = cap;
	}
	b->items[b->n++] = (struct candidate){
		.start = (uint32_t)offset,
		.size = (uint32_t)size,
		.name = sym->st_name,
		.name_len = len,
		.source = source,
		.rank = rank_of(sym, name, len),
	};
	return 0;
}

static int collect(struct builder *b, uint8_t source)
{
	const struct symtab_source *src = &b->sources[source];
	const uint8_t *p = src->symbols;

	for (size_t left = src->symbols_len; left >= sizeof(Elf64_Sym); left -= sizeof(Elf64_Sym)) {
		Elf64_Sym sym;
		int err;

		memcpy(&sym, p, sizeof(sym));
		p += sizeof(sym);
		err = add_candidate(b, source, &sym);
		if (err)
			return err;
	}
	return 0;
}

/* -- settling -- */

static int compare_names(const struct builder *b, const struct candidate *x, const struct candidate *y)
{
	int order;

	if (x->name_len != y->name_len)
		return x->name_len - y->name_len;
	order = memcmp(b->sources[x->source].strings + x->name, b->sources[y->source].strings + y->name,
		       x->name_len < COMPARED_MAX ? x->name_len : COMPARED_MAX);
	return order ? order : (x->name > y->name) - (x->name < y->name);
}

/* By start; at equal starts the larger first, those without a size last; then the better name first. */
static int compare_candidates(const void *vx, const void *vy, void *vb)
{
	const struct candidate *x = vx, *y = vy;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	return compare_names(vb, x, y);
}

static int emit(struct builder *b, const struct candidate *c, uint32_t size)
{
	const struct symtab_source *src = &b->sources[c->source];
	struct symtab *t = b->table;

	if (!b->opts->around && !is_wanted(b, t->base + c->start, size, 0))
		return 0;
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap + t->cap / 2 : 256;
		struct entry *grown = realloc(t->entries, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->entries = grown;
		t->cap = cap;
	}
	t->entries[t->n++] = (struct entry){c->start, size, (uint32_t)b->names.len};
	buf__append(&b->names, src->strings + c->name, c->name_len);
	if (src->suffix)
		buf__append_str(&b->names, src->suffix);
	buf__append_char(&b->names, '\0');
	if (t->n * sizeof(*t->entries) + b->names.len > b->limit_bytes)
		return -E2BIG;
	return buf__err(&b->names);
}

/* Where a symbol without a size ends: at the next start, the end of its section, or the limit. */
static uint32_t unsized_extent(const struct builder *b, uint32_t i)
{
	uint64_t start = b->table->base + b->items[i].start, end = range_end(b, start);
	uint32_t next = i + 1;

	while (next < b->n && b->items[next].start == b->items[i].start)
		next++;
	if (next < b->n && b->table->base + b->items[next].start < end)
		end = b->table->base + b->items[next].start;
	return end - start < SYMTAB_UNSIZED_MAX ? (uint32_t)(end - start) : SYMTAB_UNSIZED_MAX;
}

static int settle(struct builder *b)
{
	const struct candidate *kept = NULL;
	uint64_t covered = 0; /* where the sized symbols so far end */
	int err = 0;

	qsort_r(b->items, b->n, sizeof(*b->items), compare_candidates, b);
	for (uint32_t i = 0; i < b->n && !err; i++) {
		const struct candidate *c = &b->items[i];

		if (kept && kept->start == c->start && (kept->size == c->size || !c->size))
			continue; /* an alias */
		if (!c->size && c->start < covered)
			continue; /* a label */
		err = emit(b, c, c->size ? c->size : unsized_extent(b, i));
		kept = c;
		if (c->size && (uint64_t)c->start + c->size > covered)
			covered = (uint64_t)c->start + c->size;
	}
	return err;
}

/* What is kept for long is kept without the spare room of growing. */
static int finish(struct builder *b)
{
	struct symtab *t = b->table;
	struct entry *entries = realloc(t->entries, (t->n ? t->n : 1) * sizeof(*entries));

	if (entries) {
		t->entries = entries;
		t->cap = t->n;
	}
	t->names_len = b->names.len;
	t->names = realloc(b->names.data, t->names_len ? t->names_len : 1);
	if (!t->names)
		return -ENOMEM;
	buf__init(&b->names, 0); /* they are the table's now */
	return 0;
}

int symtab__parse(const struct symtab_source *sources, size_t n_sources, const struct symtab_range *exec,
		  size_t n_exec, const struct symtab_opts *opts, struct symtab **ret_table)
{
	static const struct symtab_opts defaults;
	struct builder b = {.sources = sources, .opts = opts ? opts : &defaults};
	int err = 0;

	b.limit_bytes = b.opts->limit_bytes ? b.opts->limit_bytes : LIMIT_BYTES_DEFAULT;
	if (b.limit_bytes > UINT32_MAX)
		b.limit_bytes = UINT32_MAX;
	b.table = calloc(1, sizeof(*b.table));
	if (!b.table)
		return -ENOMEM;
	buf__init(&b.names, b.limit_bytes);
	err = n_sources > UINT8_MAX ? -E2BIG : prepare_ranges(&b, exec, n_exec);
	for (size_t i = 0; i < n_sources && !err; i++)
		err = collect(&b, (uint8_t)i);
	if (!err && !b.n)
		err = -ENOENT;
	if (!err)
		err = settle(&b);
	if (!err)
		err = finish(&b);
	if (err)
		goto out;
	*ret_table = b.table;
	b.table = NULL;
out:
	symtab__free(b.table);
	buf__done(&b.names);
	free(b.items);
	free(b.exec);
	return err;
}

/* -- files -- */

struct loaded {
	struct symtab_source sources[SOURCES_MAX];
	struct buf bytes[SOURCES_MAX][2];
	size_t n;
	struct symtab_range exec[RANGES_MAX];
	size_t n_exec;
};

static size_t read_limit(const struct symtab_opts *opts)
{
	return opts->read_bytes ? opts->read_bytes : READ_BYTES_DEFAULT;
}

static void find_code(const struct elf *e, struct loaded *l)
{
	for (uint32_t i = 0; i < elf__n_sections(e) && l->n_exec < RANGES_MAX; i++) {
		const struct elf_section *s = elf__section(e, i);

		if ((s->flags & SHF_ALLOC) && (s->flags & SHF_EXECINSTR) && s->size <= UINT64_MAX - s->vaddr)
			l->exec[l->n_exec++] = (struct symtab_range){s->vaddr, s->vaddr + s->size};
	}
	if (l->n_exec)
		return;
	for (uint32_t i = 0; i < elf__n_segments(e) && l->n_exec < RANGES_MAX; i++) {
		const struct elf_segment *s = elf__segment(e, i);

		if (s->type == PT_LOAD && (s->flags & PF_X) && s->memsz <= UINT64_MAX - s->vaddr)
			l->exec[l->n_exec++] = (struct symtab_range){s->vaddr, s->vaddr + s->memsz};
	}
}

/* Of a table that is asked for some addresses only what is around them; a compressed one comes whole. */
static int read_symbols(const struct elf *e, const struct elf_section *symbols,
			const struct elf_section *strings, const struct symtab_opts *opts,
			struct buf bytes[2])
{
	const struct symtab_wanted w = {opts->wanted, opts->n_wanted};
	int err = -EOPNOTSUPP;

	if (symbols->size > read_limit(opts))
		return -E2BIG;
	if (w.vaddrs)
		err = symtab_part__read(e, symbols, strings, &w, SYMTAB_AROUND, &bytes[0], &bytes[1]);
	if (err != -EOPNOTSUPP)
		return err;
	err = elf__read_section(e, symbols, read_limit(opts), &bytes[0]);
	return err ? err : elf__read_section(e, strings, read_limit(opts), &bytes[1]);
}

static int read_table(const struct elf *e, uint32_t type, const struct symtab_opts *opts, struct loaded *l)
{
	const struct elf_section *symbols = elf__find_section_type(e, type), *strings;
	struct buf *bytes = l->bytes[l->n];
	int err;

	if (!symbols || symbols->type == SHT_NOBITS)
		return -ENOENT;
	strings = elf__section(e, symbols->link);
	if (!strings || strings->type != SHT_STRTAB)
		return -EBADMSG;
	if (l->n == SOURCES_MAX)
		return -E2BIG;
	buf__init(&bytes[0], read_limit(opts));
	buf__init(&bytes[1], read_limit(opts));
	l->n++; /* from here on they are released with the rest */
	err = read_symbols(e, symbols, strings, opts, bytes);
	if (err)
		return err;
	l->sources[l->n - 1] = (struct symtab_source){
		.symbols = bytes[0].data,
		.symbols_len = bytes[0].len,
		.strings = (const char *)bytes[1].data,
		.strings_len = bytes[1].len,
		.is_complete = type == SHT_SYMTAB,
	};
	return 0;
}

/* Does anybody ask for an address among the stubs? Their names take both dynamic sections. */
static bool wants_plt(const struct elf *e, const struct symtab_opts *opts)
{
	const struct symtab_wanted w = {opts->wanted, opts->n_wanted};

	for (uint32_t i = 0; i < elf__n_sections(e) && w.vaddrs; i++) {
		const struct elf_section *s = elf__section(e, i);

		if (!strncmp(s->name, ".plt", 4) && symtab_wanted__touches(&w, s->vaddr, s->size, 0))
			return true;
	}
	return !w.vaddrs;
}

static int read_plt(const struct elf *e, const struct symtab_opts *opts, struct loaded *l)
{
	struct buf *bytes = l->bytes[l->n];
	int err;

	if (!wants_plt(e, opts))
		return -ENOENT;
	if (l->n == SOURCES_MAX)
		return -E2BIG;
	buf__init(&bytes[0], SIZE_MAX);
	buf__init(&bytes[1], SIZE_MAX);
	l->n++;
	err = plt__load(e, &bytes[0], &bytes[1]);
	if (err)
		return err;
	l->sources[l->n - 1] = (struct symtab_source){
		.symbols = bytes[0].data,
		.symbols_len = bytes[0].len,
		.strings = (const char *)bytes[1].data,
		.strings_len = bytes[1].len,
		.suffix = "@plt",
	};
	return 0;
}

int symtab__load(const struct elf *const *files, size_t n_files, const struct symtab_opts *opts,
		 struct symtab **ret_table)
{
	static const struct symtab_opts defaults;
	struct loaded *l = calloc(1, sizeof(*l));
	int err = 0, damage = 0;

	if (!l)
		return -ENOMEM;
	opts = opts ? opts : &defaults;
	find_code(files[0], l);
	for (size_t i = 0; i < n_files; i++) {
		err = read_table(files[i], SHT_SYMTAB, opts, l);
		if (err)
			damage = err != -ENOENT ? err : damage;
		if (err && i == 0)
			err = read_table(files[0], SHT_DYNSYM, opts, l);
		if (err && err != -ENOENT)
			damage = err;
	}
	err = read_plt(files[0], opts, l);
	if (err && err != -ENOENT)
		damage = err;
	err = symtab__parse(l->sources, l->n, l->exec, l->n_exec, opts, ret_table);
	if (err == -ENOENT && damage)
		err = damage;
	for (size_t i = 0; i < l->n; i++) {
		buf__done(&l->bytes[i][0]);
		buf__done(&l->bytes[i][1]);
	}
	free(l);
	return err;
}

void symtab__free(struct symtab *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t->names);
	free(t);
}

/* -- reading -- */

struct symtab_symbol symtab__get(const struct symtab *t, uint32_t i)
{
	const struct entry *e = &t->entries[i];

	return (struct symtab_symbol){
		.start = t->base + e->start,
		.size = e->size,
		.name = t->names + e->name,
	};
}

/* How many entries start at or before the offset. */
static uint32_t entries_up_to(const struct symtab *t, uint64_t offset)
{
	return bisect__count(t->n, i, t->entries[i].start <= offset);
}

void symtab__stretch(const struct symtab *t, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t offset = vaddr - t->base, start = 0, end = UINT64_MAX - t->base;
	uint32_t lo;

	if (vaddr < t->base) {
		*ret_start = 0;
		*ret_end = t->n ? t->base + t->entries[0].start : UINT64_MAX;
		return;
	}
	lo = entries_up_to(t, offset);
	if (lo < t->n)
		end = t->entries[lo].start;
	for (uint32_t tries = 0; lo-- > 0 && tries <= SYMTAB_NEST_MAX; tries++) {
		uint64_t entry_end = (uint64_t)t->entries[lo].start + t->entries[lo].size;

		if (offset < entry_end) {
			start = t->entries[lo].start > start ? t->entries[lo].start : start;
			end = entry_end < end ? entry_end : end;
			break;
		}
		start = entry_end > start ? entry_end : start;
	}
	*ret_start = t->base + start;
	*ret_end = t->base + end;
}

int symtab__find(const struct symtab *t, uint64_t vaddr, struct symtab_symbol *ret_symbol)
{
	uint64_t offset = vaddr - t->base;
	uint32_t lo;

	if (vaddr < t->base)
		return -ENOENT;
	lo = entries_up_to(t, offset);
	for (uint32_t tries = 0; lo-- > 0 && tries <= SYMTAB_NEST_MAX; tries++) {
		if (offset - t->entries[lo].start < t->entries[lo].size) {
			*ret_symbol = symtab__get(t, lo);
			return 0;
		}
	}
	return -ENOENT;
}

uint32_t symtab__count(const struct symtab *t)
{
	return t->n;
}

size_t symtab__bytes(const struct symtab *t)
{
	return sizeof(*t) + t->cap * sizeof(*t->entries) + t->names_len;
}
