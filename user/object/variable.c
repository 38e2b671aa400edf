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

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/x86_insn.h"

void variable__parse_symbols(const void *symbols, size_t symbols_len, const char *strings, size_t strings_len,
			     const char *const *names, size_t n, uint64_t *ret_vaddrs)
{
	for (size_t at = 0; at + sizeof(Elf64_Sym) <= symbols_len; at += sizeof(Elf64_Sym)) {
		const char *name;
		Elf64_Sym s;
		size_t left;

		memcpy(&s, (const char *)symbols + at, sizeof(s));
		if (ELF64_ST_TYPE(s.st_info) != STT_OBJECT || s.st_shndx == SHN_UNDEF ||
		    s.st_name >= strings_len)
			continue;
		name = strings + s.st_name;
		left = strings_len - s.st_name;
		for (size_t i = 0; i < n; i++) {
			size_t len = strlen(names[i]) + 1;

			if (len <= left && !memcmp(name, names[i], len))
				ret_vaddrs[i] = s.st_value;
		}
	}
}

int variable__find_symbols(const struct elf *e, const char *const *names, size_t n, uint64_t *ret_vaddrs)
{
	const struct elf_section *table = elf__find_section_type(e, SHT_SYMTAB), *text;
	struct buf symbols, strings;
	int err;

	if (!table) /* stripped: what it exports is left */
		table = elf__find_section_type(e, SHT_DYNSYM);
	if (!table || table->link >= elf__n_sections(e))
		return -ENOENT;
	text = elf__section(e, table->link);
	buf__init(&symbols, VARIABLE_READ_MAX);
	buf__init(&strings, VARIABLE_READ_MAX);
	err = elf__read_section(e, table, VARIABLE_READ_MAX, &symbols);
	if (!err)
		err = elf__read_section(e, text, VARIABLE_READ_MAX, &strings);
	if (!err)
		variable__parse_symbols(symbols.data, symbols.len, (const char *)strings.data, strings.len,
					names, n, ret_vaddrs);
	buf__done(&symbols);
	buf__done(&strings);
	return err;
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
