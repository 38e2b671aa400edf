/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: time spent in PLT stubs belongs to no symbol. Linkers lay them out in several ways (.plt, .plt.sec with
 * endbr64, .plt.got, with and without bnd), and the order of stubs is no contract.
 *
 * Idea: read the code instead of the order. A stub's business is one `jmp *slot(%rip)`, bytes ff 25 disp32; the
 * slot's address is looked up among the relocations (R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT), which name the symbol.
 * The stub is the entry that the jump lies in, by the section's entry size.
 *
 * Cost: one pass over the stubs, a bisection each.
 *
 * What it does not do: machines other than x86-64; IRELATIVE slots of static binaries, which have no name; the
 * first entry of .plt (the resolver's), which has no slot of its own.
 *
 * Reference: System V ABI AMD64, 5.2 Procedure Linkage Table.
 */
#include "user/object/plt.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/buf.h"
#include "user/object/elf.h"

#define JMP_LEN       6
#define DEFAULT_ENTRY 16

static const struct plt_slot *find_slot(const struct plt_slot *slots, size_t n, uint64_t got)
{
	size_t at = bisect__count(n, i, slots[i].got < got);

	return at < n && slots[at].got == got ? &slots[at] : NULL;
}

void plt__parse(const uint8_t *code, size_t len, uint64_t vaddr, uint64_t entry_size,
		const struct plt_slot *slots, size_t n_slots, struct buf *to)
{
	uint64_t entry = entry_size == 8 || entry_size == 16 ? entry_size : DEFAULT_ENTRY;

	for (size_t i = 0; i + JMP_LEN <= len; i++) {
		const struct plt_slot *slot;
		int32_t displacement;
		Elf64_Sym sym;

		if (code[i] != 0xff || code[i + 1] != 0x25)
			continue;
		memcpy(&displacement, code + i + 2, sizeof(displacement));
		slot = find_slot(slots, n_slots, vaddr + i + JMP_LEN + (uint64_t)(int64_t)displacement);
		if (!slot)
			continue;
		sym = (Elf64_Sym){
			.st_name = slot->name,
			.st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
			.st_shndx = 1, /* defined; which section does not matter */
			.st_value = vaddr + i / entry * entry,
			.st_size = entry,
		};
		buf__append(to, &sym, sizeof(sym));
		i += JMP_LEN - 1;
	}
}

static int compare_slots(const void *va, const void *vb)
{
	const struct plt_slot *a = va, *b = vb;

	return a->got < b->got ? -1 : a->got > b->got;
}

/* The slots of one relocation section. */
static void add_slots(const struct buf *relocations, const struct buf *dynsym, struct plt_slot *slots,
		      size_t *n)
{
	size_t n_symbols = dynsym->len / sizeof(Elf64_Sym);

	for (size_t i = 0; i + sizeof(Elf64_Rela) <= relocations->len && *n < PLT_STUBS_MAX;
	     i += sizeof(Elf64_Rela)) {
		Elf64_Rela r;
		Elf64_Sym sym;
		uint32_t type;

		memcpy(&r, relocations->data + i, sizeof(r));
		type = ELF64_R_TYPE(r.r_info);
		if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) ||
		    ELF64_R_SYM(r.r_info) >= n_symbols)
			continue;
		memcpy(&sym, dynsym->data + ELF64_R_SYM(r.r_info) * sizeof(sym), sizeof(sym));
		if (sym.st_name)
			slots[(*n)++] = (struct plt_slot){r.r_offset, sym.st_name};
	}
}

static int load_slots(const struct elf *e, const struct buf *dynsym, struct plt_slot **ret_slots,
		      size_t *ret_n)
{
	static const char *const names[] = {".rela.plt", ".rela.dyn"};
	struct plt_slot *slots = NULL;
	struct buf bytes;
	size_t n = 0;
	int err = 0;

	buf__init(&bytes, PLT_SECTION_MAX);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct elf_section *s = elf__find_section(e, names[i]);
		struct plt_slot *grown;

		buf__clear(&bytes);
		if (!s || elf__read_section(e, s, PLT_SECTION_MAX, &bytes))
			continue; /* one of the two may be enough */
		grown = realloc(slots, (n + bytes.len / sizeof(Elf64_Rela) + 1) * sizeof(*slots));
		if (!grown) {
			err = -ENOMEM;
			goto out;
		}
		slots = grown;
		add_slots(&bytes, dynsym, slots, &n);
	}
	if (!n) {
		err = -ENOENT;
		goto out;
	}
	qsort(slots, n, sizeof(*slots), compare_slots);
	*ret_slots = slots;
	*ret_n = n;
	slots = NULL;
out:
	buf__done(&bytes);
	free(slots);
	return err;
}

int plt__load(const struct elf *e, struct buf *symbols, struct buf *strings)
{
	static const char *const names[] = {".plt", ".plt.sec", ".plt.got"};
	const struct elf_section *dynsym = elf__find_section_type(e, SHT_DYNSYM);
	const struct elf_section *dynstr = dynsym ? elf__section(e, dynsym->link) : NULL;
	struct plt_slot *slots = NULL;
	struct buf bytes;
	size_t n = 0;
	int err;

	if (elf__machine(e) != EM_X86_64)
		return -EOPNOTSUPP;
	if (!dynstr || (!elf__find_section(e, ".plt") && !elf__find_section(e, ".plt.got")))
		return -ENOENT;
	buf__init(&bytes, PLT_STRINGS_MAX);
	err = elf__read_section(e, dynsym, PLT_STRINGS_MAX, &bytes);
	if (!err)
		err = elf__read_section(e, dynstr, PLT_STRINGS_MAX, strings);
	if (!err)
		err = load_slots(e, &bytes, &slots, &n);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !err; i++) {
		const struct elf_section *s = elf__find_section(e, names[i]);

		buf__clear(&bytes);
		if (s && elf__read_section(e, s, PLT_SECTION_MAX, &bytes) == 0)
			plt__parse(bytes.data, bytes.len, s->vaddr, s->entsize, slots, n, symbols);
	}
	if (!err)
		err = buf__err(symbols);
	buf__done(&bytes);
	free(slots);
	return err;
}
