/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a Go file's function table has a section of its own, or lies in the relocated read-only data of a
 * position-independent program that another linker made; and its offsets are relative to an address that newer
 * tables do not state.
 *
 * Idea: sections by name, the ones that hold other things too searched for the magic at multiples of 8. What looks
 * like a table must have its first function in executable memory. The text's start is the header's word, else the
 * module's (gomodule), else the start of .text, which is right without C code.
 *
 * Tables up to WHOLE_MAX are read at once, and need their file no more; larger ones stay lazy.
 *
 * Reference: Go cmd/link/internal/ld/data.go and pcln.go.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/io.h"
#include "user/object/elf.h"
#include "user/object/gomodule.h"
#include "user/object/gopclntab.h"
#include "user/object/gopclntab_impl.h"

#define SEARCH_ALIGN 8
#define SEARCH_MAX   (64u << 20) /* bytes of a section that is not the table's own */
/* Places with the magic that are tried: elsewhere it is met by chance, and each try may read all of the file's data. */
#define SEARCH_TRIES 8
#define WHOLE_MAX    (1u << 20)

/* By age and link mode. */
static const struct {
	const char *name;
	bool is_own;
} homes[] = {
	{".gopclntab", true},
	{".data.rel.ro.gopclntab", true},
	{".data.rel.ro", false},
	{".rodata", false},
};

/* Where the header does not state it. */
static uint64_t find_text_start(const struct elf *e, const struct gopclntab *t, uint64_t vaddr)
{
	const struct elf_section *text = elf__find_section(e, ".text");
	struct gomodule module;

	if (gomodule__find(e, vaddr, t->names.at, &module) == 0 && module.text)
		return module.text;
	return text ? text->vaddr : 0;
}

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

/* The table that starts `at` bytes into the section; -ENOENT where none does. */
static int load_at(const struct elf *e, const struct elf_section *s, size_t at, struct gopclntab *t)
{
	struct lazy_bytes bytes;
	int err = lazy_bytes__open(&bytes, elf__fd(e), s->offset + at, s->size - at);

	if (err)
		return err;
	err = gopclntab__init(t, &bytes, 0);
	if (!err && t->version >= GO_1_18 && !t->text_start)
		t->text_start = find_text_start(e, t, s->vaddr + at);
	if (!err && !is_plausible(e, t))
		err = -EBADMSG;
	if (err) {
		lazy_bytes__done(&bytes);
		return err;
	}
	t->own = bytes;
	t->bytes = &t->own;
	if (bytes.len <= WHOLE_MAX)
		lazy_bytes__get(&t->own, 0, t->own.len);
	return 0;
}

/* Tries the first places of the section that have the magic. */
static int search(const struct elf *e, const struct elf_section *s, struct gopclntab *t)
{
	struct lazy_bytes all;
	int err, tries = 0;

	if (s->size > SEARCH_MAX)
		return -E2BIG;
	err = lazy_bytes__open(&all, elf__fd(e), s->offset, s->size);
	if (err)
		return err;
	err = -ENOENT;
	for (size_t at = 0; err && at + 16 <= all.len; at += SEARCH_ALIGN) {
		const uint8_t *p = lazy_bytes__get(&all, at, 8);

		if (!p)
			break;
		if (!gopclntab__is_header(p))
			continue;
		if (load_at(e, s, at, t) == 0)
			err = 0;
		else if (++tries == SEARCH_TRIES)
			break;
	}
	lazy_bytes__done(&all);
	return err;
}

static bool is_in_file(const struct elf *e, const struct elf_section *s)
{
	return s->type != SHT_NOBITS && !(s->flags & SHF_COMPRESSED) && s->offset <= elf__file_size(e) &&
	       s->size <= elf__file_size(e) - s->offset;
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
		if (!s || !is_in_file(e, s) || (!homes[i].is_own && !elf__find_section(e, ".go.buildinfo")))
			continue;
		if (limit_bytes && s->size > limit_bytes)
			err = -E2BIG;
		else
			err = homes[i].is_own ? load_at(e, s, 0, t) : search(e, s, t);
		if (err)
			memset(t, 0, sizeof(*t));
	}
	if (err) {
		free(t);
		return err;
	}
	*ret_table = t;
	return 0;
}
