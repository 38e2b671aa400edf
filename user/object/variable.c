// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: a runtime's variables are wanted by address, and a stripped file names none.
 *
 * Idea: code that uses a variable says where it is. On x86-64 that is an operand relative to the instruction; all of a function's, in order, are a short
 * list, of which whoever knows what the variable must look like picks the right one.
 *
 * Cost: symbols one pass over the table; operands some tens of nanoseconds an instruction.
 */
#include "user/object/variable.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/object/elf.h"
#include "user/object/symbol_search.h"
#include "user/object/x86_insn.h"

static int take_symbol(const Elf64_Sym *symbol, size_t i, void *ret_vaddrs)
{
	if (ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT && symbol->st_shndx != SHN_UNDEF)
		((uint64_t *)ret_vaddrs)[i] = symbol->st_value;
	return 0;
}

int variable__find_symbols(const struct elf *e, const char *const *names, size_t n, uint64_t *ret_vaddrs)
{
	const struct elf_section *table = elf__find_section_type(e, SHT_SYMTAB);

	if (!table) /* stripped: what it exports is left */
		table = elf__find_section_type(e, SHT_DYNSYM);
	return table ? symbol_search__each(e, table, names, n, take_symbol, ret_vaddrs) : -ENOENT;
}

static bool is_in(const uint64_t *vaddrs, size_t n, uint64_t vaddr)
{
	for (size_t i = 0; i < n; i++)
		if (vaddrs[i] == vaddr)
			return true;
	return false;
}

size_t variable__parse_operands(const uint8_t *code, size_t len, uint64_t vaddr, uint64_t *ret_vaddrs,
				size_t max)
{
	struct x86_insn in;
	size_t n = 0;

	for (size_t at = 0; at < len && n < max; at += in.len) {
		uint64_t target;

		if (x86_insn__parse(code + at, len - at, &in))
			break;
		if (!x86_insn__is_memory(&in) || in.base != X86_RIP || in.index != X86_NO_REG)
			continue;
		target = vaddr + at + in.len + (uint64_t)(int64_t)in.disp;
		if (!is_in(ret_vaddrs, n, target))
			ret_vaddrs[n++] = target;
	}
	return n;
}
