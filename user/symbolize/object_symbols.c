/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: names of one file may stand in five places, some of which cost a hundred times more to read than others,
 * and a file may have more symbols than we want to keep in memory.
 *
 * Idea: in the order of what they say. Go's table has files and lines, and covers all of a file without C: where it
 * covers what is asked, nothing else is read. Symbol tables come next: .symtab of the file; where there is none,
 * that of a separate debug file or the embedded one, beside .dynsym.
 *
 * In part: of a file with large tables (node, a JVM), and of any where the cache is full and few addresses are new, only what lies around those addresses
 * is taken. To make the whole table of node for one address took 340 ms and 40 MiB, kept 6 MiB, and pushed out what the next file wanted. What is asked
 * again is remembered as ranges (range_cache), so that a large file is looked through when there is something new in it.
 *
 * Too large to keep: the table is made once more with only the symbols that cover what is asked now. It names this
 * call's addresses and is thrown away after it (is_partial).
 *
 * Cost: libLLVM-14 (34,000 exported functions) 25 ms and 2.7 MiB; of a large Go table only what is touched is read.
 *
 * What it does not do: lines and inlined functions from DWARF; a debug file that is installed later is seen when
 * the file leaves the cache.
 */
#include "user/symbolize/object_symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/io.h"
#include "user/object/elf.h"
#include "user/object/gopclntab.h"
#include "user/object/symtab.h"

#define WHOLE_BYTES_MAX (3ull << 20) /* symbols and names of the file */

static enum symbol_reason reason_of(int err)
{
	switch (err) {
	case -ENOENT:
		return SYMBOL_STRIPPED;
	case -ENOEXEC:
	case -EOPNOTSUPP:
		return SYMBOL_FOREIGN;
	case -E2BIG:
		return SYMBOL_TOO_BIG;
	case -EBADMSG:
	case -ENODATA:
		return SYMBOL_DAMAGED;
	default:
		return SYMBOL_OBJECT_GONE; /* I/O: the file system is gone, or the file */
	}
}

void object_symbols__done(struct object_symbols *s)
{
	gopclntab__free(s->go);
	symtab__free(s->table);
	*s = (struct object_symbols){0};
}

bool object_symbols__needs_table(const struct object_symbols *s, const uint64_t *vaddrs, size_t n)
{
	struct gopclntab_function f;

	if (s->table_tried)
		return false;
	if (!s->go)
		return true;
	for (size_t i = 0; i < n; i++)
		if (gopclntab__find(s->go, vaddrs[i], &f))
			return true;
	return false;
}

static bool has_symtab(const struct elf *e)
{
	const struct elf_section *s = elf__find_section_type(e, SHT_SYMTAB);

	return s && s->size > sizeof(Elf64_Sym);
}

/* The file with the symbols that were stripped from `e`: NULL where there is none. */
static struct elf *open_debug(const struct elf *e, const struct object_symbols_request *r,
			      const struct object_symbols_opts *opts, int *fd)
{
	struct elf *debug;

	if (debug_file__open(e, r->path, &r->roots, &opts->debug, fd) && debug_file__open_embedded(e, fd))
		return NULL;
	return elf__open(*fd, &debug) ? NULL : debug;
}

/* Have its tables so many bytes that it is worth to look through them each time in place of keeping them? Nobody compresses them, but who hides how many they are. */
static bool is_large(const struct elf *e)
{
	const struct elf_section *table = elf__find_section_type(e, SHT_SYMTAB), *strings;

	if (!table)
		table = elf__find_section_type(e, SHT_DYNSYM);
	strings = table ? elf__section(e, table->link) : NULL;
	return strings && (table->size + strings->size > WHOLE_BYTES_MAX ||
			   (table->flags | strings->flags) & SHF_COMPRESSED);
}

static int load_table(struct object_symbols *s, const struct elf *e, const struct object_symbols_request *r,
		      const struct object_symbols_opts *opts)
{
	struct symtab_opts limits = {.limit_bytes = opts->table_bytes, .read_bytes = opts->read_bytes};
	const struct elf *files[2] = {e};
	struct elf *debug = NULL;
	int fd = FD_CLOSED, err;
	bool in_part;

	if (!has_symtab(e))
		debug = open_debug(e, r, opts, &fd);
	files[1] = debug;
	in_part = r->in_part || is_large(debug ? debug : e);
	if (in_part) {
		limits.wanted = r->vaddrs;
		limits.n_wanted = r->n;
		limits.around = true;
	}
	err = symtab__load(files, debug ? 2 : 1, &limits, &s->table);
	s->reach = err && err != -ENOENT ? 0 : in_part ? SYMTAB_REACH : UINT64_MAX;
	if (err == -E2BIG) {
		limits.wanted = r->vaddrs;
		limits.n_wanted = r->n;
		limits.around = false;
		err = symtab__load(files, debug ? 2 : 1, &limits, &s->table);
	}
	/* where even that fails, there is an answer to keep: too big */
	s->is_partial |= limits.wanted && (!err || err == -ENOENT);
	elf__free(debug);
	io__close(&fd);
	s->table_tried = true;
	return err;
}

static int load_go(struct object_symbols *s, const struct elf *e)
{
	int err = gopclntab__load(e, 0, &s->go);

	return err == -ENOMEM ? err : 0;
}

bool object_symbols__wants_file(const struct object_symbols *s)
{
	return s->go && !gopclntab__is_whole(s->go);
}

void object_symbols__attach(struct object_symbols *s, int fd)
{
	if (s->go)
		gopclntab__attach(s->go, fd);
}

size_t object_symbols__bytes(const struct object_symbols *s)
{
	return (s->go ? gopclntab__bytes(s->go) : 0) + (s->table ? symtab__bytes(s->table) : 0);
}

int object_symbols__load(struct object_symbols *s, const struct object_symbols_request *r,
			 const struct object_symbols_opts *opts)
{
	struct elf *e = NULL;
	int err = elf__open(r->fd, &e);

	if (!err)
		err = load_go(s, e);
	s->reason = SYMBOL_GAP;
	if (!err && object_symbols__needs_table(s, r->vaddrs, r->n))
		err = load_table(s, e, r, opts);
	elf__free(e);
	if (err == -ENOMEM) {
		object_symbols__done(s);
		return err;
	}
	if (err) {
		s->table_tried = true;
		/* a partial table with nothing in it says that the addresses lie in gaps */
		s->reason = err == -ENOENT && (s->go || s->is_partial) ? SYMBOL_GAP : reason_of(err);
	}
	s->bytes = object_symbols__bytes(s);
	return 0;
}
