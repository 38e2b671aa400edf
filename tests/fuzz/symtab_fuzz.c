/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a symbol table, and as PLT code. A symbol that is found covers what was asked; a table of only what
 * is wanted names it as the whole one does.
 *
 *      input: u8 flags | u8 number of symbols | symbols | strings
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/plt.h"
#include "user/object/symtab.h"

#define WANTED_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct symtab_range code[] = {{0x1000, 0x9000}, {0x8000, 0x20000}, {0x100000, UINT64_MAX}};

static int compare(const void *va, const void *vb)
{
	uint64_t a = *(const uint64_t *)va, b = *(const uint64_t *)vb;

	return a < b ? -1 : a > b;
}

static void check_covers(const struct symtab *t, uint64_t addr)
{
	struct symtab_symbol s;

	if (symtab__find(t, addr, &s))
		return;
	if (addr < s.start || addr - s.start >= s.size || strlen(s.name) > SYMTAB_NAME_MAX + 4)
		abort();
}

/* What the whole table names is named alike by the partial one. */
static void check_partial(const struct symtab *whole, const struct symtab_source *source)
{
	uint64_t wanted[WANTED_MAX];
	struct symtab_opts opts = {.wanted = wanted};
	uint32_t n = symtab__count(whole);
	struct symtab *partial;

	for (uint32_t i = 0; i < n && opts.n_wanted < WANTED_MAX; i++) {
		struct symtab_symbol s = symtab__get(whole, i);

		wanted[opts.n_wanted++] = s.start + (i % 3 == 0 ? 0 : i % 3 == 1 ? s.size - 1 : s.size);
	}
	qsort(wanted, opts.n_wanted, sizeof(wanted[0]), compare);
	if (symtab__parse(source, 1, code, 3, &opts, &partial))
		abort();
	for (size_t i = 0; i < opts.n_wanted; i++) {
		struct symtab_symbol a, b;

		if (symtab__find(whole, wanted[i], &a))
			continue;
		if (symtab__find(partial, wanted[i], &b) || a.start != b.start || a.size != b.size ||
		    strcmp(a.name, b.name))
			abort();
	}
	symtab__free(partial);
}

static void check_plt(const uint8_t *data, size_t size)
{
	const struct plt_slot slots[] = {{0x3000, 1}, {0x3008, 2}, {0x403018, 3}};
	struct buf symbols;

	buf__init(&symbols, 1 << 20);
	plt__parse(data, size, 0x1000, size % 3 * 8, slots, 3, &symbols);
	for (size_t i = 0; i < symbols.len; i += sizeof(Elf64_Sym)) {
		Elf64_Sym sym;

		memcpy(&sym, symbols.data + i, sizeof(sym));
		if (sym.st_value < 0x1000 || sym.st_value >= 0x1000 + size || sym.st_name < 1 ||
		    sym.st_name > 3)
			abort();
	}
	buf__done(&symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct symtab_source source;
	struct symtab *t;
	size_t n;

	if (size < 2)
		return 0;
	check_plt(data, size);
	n = data[1] * sizeof(Elf64_Sym);
	if (n > size - 2)
		n = size - 2;
	source = (struct symtab_source){
		.symbols = data + 2,
		.symbols_len = n,
		.strings = (const char *)data + 2 + n,
		.strings_len = size - 2 - n,
		.is_complete = data[0] & 1,
		.suffix = data[0] & 2 ? "@plt" : NULL,
	};
	if (symtab__parse(&source, 1, code, 3, NULL, &t))
		return 0;
	for (uint32_t i = 0; i < symtab__count(t); i++) {
		struct symtab_symbol s = symtab__get(t, i);

		check_covers(t, s.start);
		check_covers(t, s.start + s.size);
		check_covers(t, s.start - 1);
	}
	check_partial(t, &source);
	symtab__free(t);
	return 0;
}
