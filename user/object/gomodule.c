/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: function offsets in a Go file are relative to runtime.text. The table's header used to say where that
 * is, but from Go 1.26 on it does not, and with external linking it is not where .text starts, since C start-up
 * code stands there. Symbols may be stripped.
 *
 * Idea: runtime.moduledata says it, and is found by what it must begin with: the address of the function table,
 * then the address of the table's names.
 *
 *      +0    pcHeader      == address of the table
 *      +8    funcnametab   .data == address of the table + offset of the names; then len, cap
 *      ...   five more slices, findfunctab, minpc, maxpc
 *      +176  text                                        (the same offset from Go 1.16 to 1.26)
 *
 * It has a section of its own (.go.module) from 1.26 on, and lies in one of the data sections before.
 *
 * In position-independent files a pointer may be 0 in the file, and its value the addend of a relative relocation;
 * both are tried.
 *
 * Cost: one pass over the data sections; over the relocations only where the data holds no pointers.
 *
 * Reference: Go runtime/symtab.go, type moduledata.
 */
#include "user/object/gomodule.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/elf.h"

#define OFFSET_FUNCNAMES 8
#define OFFSET_TEXT      176

static const char *const sections[] = {".go.module", ".noptrdata", ".data", ".data.rel.ro"};

static uint64_t word_at(const struct buf *b, size_t offset)
{
	uint64_t word = 0;

	if (offset + sizeof(word) <= b->len)
		memcpy(&word, b->data + offset, sizeof(word));
	return word;
}

/* -- pointers in place -- */

static int find_in_section(const struct elf *e, const char *name, uint64_t table, uint64_t names,
			   struct gomodule *ret)
{
	const struct elf_section *s = elf__find_section(e, name);
	struct buf bytes;
	int err;

	if (!s)
		return -ENOENT;
	buf__init(&bytes, GOMODULE_READ_MAX);
	err = elf__read_section(e, s, GOMODULE_READ_MAX, &bytes);
	if (err)
		goto out;
	err = -ENOENT;
	for (size_t i = 0; i + OFFSET_TEXT + 8 <= bytes.len; i += 8) {
		if (word_at(&bytes, i) != table || word_at(&bytes, i + OFFSET_FUNCNAMES) != names)
			continue;
		*ret = (struct gomodule){.vaddr = s->vaddr + i, .text = word_at(&bytes, i + OFFSET_TEXT)};
		err = 0;
		break;
	}
out:
	buf__done(&bytes);
	return err;
}

/* -- pointers as relocations -- */

static bool is_relative(const struct elf *e, const Elf64_Rela *r)
{
	uint32_t type = ELF64_R_TYPE(r->r_info);

	return elf__machine(e) == EM_AARCH64 ? type == R_AARCH64_RELATIVE : type == R_X86_64_RELATIVE;
}

/* The addend at an address, or the address of an addend, whichever is asked: one pass. */
static bool find_relocation(const struct elf *e, const struct buf *relocations, bool by_addend, uint64_t key,
			    size_t *from, uint64_t *ret)
{
	for (; *from + sizeof(Elf64_Rela) <= relocations->len; *from += sizeof(Elf64_Rela)) {
		Elf64_Rela r;

		memcpy(&r, relocations->data + *from, sizeof(r));
		if (!is_relative(e, &r) || (by_addend ? (uint64_t)r.r_addend : r.r_offset) != key)
			continue;
		*ret = by_addend ? r.r_offset : (uint64_t)r.r_addend;
		*from += sizeof(Elf64_Rela);
		return true;
	}
	return false;
}

static int find_in_relocations(const struct elf *e, const struct buf *bytes, uint64_t table, uint64_t names,
			       struct gomodule *ret)
{
	uint64_t module, value;
	size_t next = 0;

	/* few pointers lead to the table's first byte, so the inner passes are few */
	for (int tries = 0; tries < 16 && find_relocation(e, bytes, true, table, &next, &module); tries++) {
		size_t start = 0;

		if (!find_relocation(e, bytes, false, module + OFFSET_FUNCNAMES, &start, &value) ||
		    value != names)
			continue;
		start = 0;
		if (!find_relocation(e, bytes, false, module + OFFSET_TEXT, &start, &value))
			continue;
		*ret = (struct gomodule){.vaddr = module, .text = value};
		return 0;
	}
	return -ENOENT;
}

int gomodule__find(const struct elf *e, uint64_t pclntab_vaddr, uint64_t funcnames_offset,
		   struct gomodule *ret_module)
{
	uint64_t names = pclntab_vaddr + funcnames_offset;
	struct buf bytes;
	int err = -ENOENT;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && err; i++)
		err = find_in_section(e, sections[i], pclntab_vaddr, names, ret_module);
	if (!err)
		return 0;
	buf__init(&bytes, GOMODULE_READ_MAX);
	for (uint32_t i = 0; i < elf__n_sections(e); i++) {
		const struct elf_section *s = elf__section(e, i);

		if (s->type == SHT_RELA && (s->flags & SHF_ALLOC) && s->size <= GOMODULE_READ_MAX - bytes.len)
			elf__read_section(e, s, GOMODULE_READ_MAX,
					  &bytes); /* what cannot be read is not found */
	}
	err = find_in_relocations(e, &bytes, pclntab_vaddr, names, ret_module);
	buf__done(&bytes);
	return err;
}
