/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: node has 110,000 symbols with 7 MiB of names, a JVM 60,000; of those a window asks for some hundred. To read the two sections whole, for
 * both tables of the file, took 25 MiB for the moment and 6 MiB for as long as the table was kept.
 *
 * Idea: the symbols pass by in blocks, those near a wanted address stay, and only the blocks of the string table are read in which their names stand.
 *
 * Cost: 24 bytes read and a bisection of the wanted addresses a symbol, then the names and the sort of what stays: of node (whole: 65 ms, 6.4 MiB) 6 ms
 * for one address, 28 ms for 125, whose surroundings are a third of it.
 *
 * What it does not do: compressed sections, which cannot be read from the middle.
 */
#include "user/object/symtab_part.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/object/elf.h"
#include "user/object/lazy_bytes.h"
#include "user/object/symtab.h"

#define BLOCK_SYMBOLS (SYMTAB_PART_BLOCK / sizeof(Elf64_Sym))

bool symtab_wanted__touches(const struct symtab_wanted *w, uint64_t start, uint64_t size, uint64_t near)
{
	uint64_t from = start > near ? start - near : 0,
		 end = start + (size < UINT32_MAX ? size : UINT32_MAX), at;

	/* the first wanted address at or after `from` */
	at = bisect__count(w->n, i, w->vaddrs[i] < from);
	return at < w->n && w->vaddrs[at] - from < end - from + near;
}

/* Its name beside those of the others; one without a name that can be read is left out, as it would be of the whole table. */
static void keep(const Elf64_Sym *sym, struct lazy_bytes *strings, struct buf *symbols, struct buf *names)
{
	const char *name = lazy_bytes__string(strings, sym->st_name, SYMTAB_NAME_MAX);
	size_t len = SYMTAB_NAME_MAX;
	Elf64_Sym kept = *sym;

	if (name) {
		len = strlen(name);
	} else if (sym->st_name < strings->len) { /* longer than names are kept, or without an end */
		if (len > strings->len - sym->st_name)
			len = strings->len - sym->st_name;
		name = (const char *)lazy_bytes__get(strings, sym->st_name, len);
	}
	if (!name)
		return;
	kept.st_name = (uint32_t)names->len;
	buf__append(names, name, len);
	buf__append_char(names, '\0');
	buf__append(symbols, &kept, sizeof(kept));
}

static int read_blocks(int fd, const struct elf_section *table, const struct symtab_wanted *w, uint64_t near,
		       struct lazy_bytes *strings, struct buf *symbols, struct buf *names)
{
	uint64_t n = table->size / sizeof(Elf64_Sym);
	struct buf block;
	Elf64_Sym *at;
	int err = 0;

	buf__init(&block, SYMTAB_PART_BLOCK);
	at = buf__reserve(&block, SYMTAB_PART_BLOCK);
	if (!at)
		err = -ENOMEM;
	for (uint64_t first = 0; first < n && !err; first += BLOCK_SYMBOLS) {
		size_t step = n - first < BLOCK_SYMBOLS ? (size_t)(n - first) : BLOCK_SYMBOLS;

		err = io__pread_full(fd, at, step * sizeof(*at), table->offset + first * sizeof(*at));
		for (size_t i = 0; i < step && !err; i++)
			if (at[i].st_name && at[i].st_shndx != SHN_UNDEF &&
			    symtab_wanted__touches(w, at[i].st_value, at[i].st_size, near))
				keep(&at[i], strings, symbols, names);
	}
	buf__done(&block);
	return err == -ENODATA ? -EBADMSG : err;
}

static bool fits(const struct elf *e, const struct elf_section *s)
{
	return s->offset <= elf__file_size(e) && s->size <= elf__file_size(e) - s->offset;
}

int symtab_part__read(const struct elf *e, const struct elf_section *table, const struct elf_section *strings,
		      const struct symtab_wanted *w, uint64_t near, struct buf *symbols, struct buf *names)
{
	struct lazy_bytes lazy;
	int err;

	if ((table->flags | strings->flags) & SHF_COMPRESSED)
		return -EOPNOTSUPP;
	if (!fits(e, table) || !fits(e, strings))
		return -EBADMSG;
	err = lazy_bytes__open(&lazy, elf__fd(e), strings->offset, strings->size);
	if (err)
		return err;
	buf__append_char(names, '\0'); /* a symbol at 0 has no name */
	err = read_blocks(elf__fd(e), table, w, near, &lazy, symbols, names);
	lazy_bytes__done(&lazy);
	if (!err)
		err = buf__err(symbols) ? buf__err(symbols) : buf__err(names);
	return err;
}
