// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: code that a JIT makes has no file, so it is followed by frame pointers. qemu's translated code keeps the emulated machine in that register:
 *   98 % of its stacks ended there.
 * Idea: what such a program tells gdb of its code, anybody may read: the variable __jit_debug_descriptor leads to a list of ELF images in its memory, and an
 *   image has the rules of its code in .debug_frame. qemu sets up one frame for all of its code, so one row is enough, and the kernel keeps it where
 *   other mappings have their file's bias (bpf/unwind.bpf.h): no table, nothing to look up.
 * Rejected: a table of rows for each process, as files have (JITs that tell a rule for each function, LLVM's and PHP's, do so only when they are asked to);
 *   to know qemu by its name, and its frame by the version.
 * Cost: 0.1 ms for a process, once, and only where a stack ended in code of no file.
 *
 * Reference: gdb manual, "JIT Compilation Interface".
 */
#include "user/runtime/jit_rule.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/cursor.h"
#include "user/base/io.h"
#include "user/base/memfd.h"
#include "user/object/elf.h"
#include "user/object/unwind_table.h"
#include "user/object/variable.h"
#include "user/process/process_memory.h"

#define DESCRIPTOR        "__jit_debug_descriptor"
#define DESCRIPTOR_FIRST  16 /* after u32 version, u32 action, the entry concerned: the first entry */
#define ENTRY_BYTES       32 /* next, previous, the image, its length */
#define PAGE_ROWS_MAX     64
#define SHF_ALLOC_EXECUTE (SHF_ALLOC | SHF_EXECINSTR)

/* The row that holds for the whole page; -EOPNOTSUPP where there are more. */
static int row_of_page(struct unwind_table *t, uint64_t page, struct unwind_row *ret_row)
{
	struct unwind_row rows[PAGE_ROWS_MAX];
	uint32_t n;
	int err = unwind_table__build_page(t, page, rows, PAGE_ROWS_MAX, &n, NULL);

	if (err)
		return err == -E2BIG ? -EOPNOTSUPP : err;
	if (n != 1 || ROW_CFA_BASE(rows[0].cfa) > ROW_REG_R15)
		return -EOPNOTSUPP;
	*ret_row = rows[0];
	return 0;
}

/* Looks at the first whole page, the last and one between: an image with one rule for each function differs at one of them. */
static int rule_of_code(const struct elf *e, const struct elf_section *code, struct jit_rule *ret)
{
	struct jit_rule rule = {.start = code->vaddr, .end = code->vaddr + code->size};
	uint64_t first = (rule.start + ROW_PAGE_SIZE - 1) >> ROW_PAGE_BITS, end = rule.end >> ROW_PAGE_BITS;
	struct unwind_table *t = NULL;
	struct unwind_row row;
	int err;

	if (rule.end < rule.start || first >= end)
		return -EOPNOTSUPP; /* smaller than a page: not all the code that there will be */
	err = unwind_table__open(e, NULL, &t);
	if (!err)
		err = row_of_page(t, first, &rule.row);
	if (!err)
		err = row_of_page(t, first + (end - first) / 2, &row);
	if (!err && memcmp(&row, &rule.row, sizeof(row)))
		err = -EOPNOTSUPP;
	if (!err)
		err = row_of_page(t, end - 1, &row);
	if (!err && memcmp(&row, &rule.row, sizeof(row)))
		err = -EOPNOTSUPP;
	unwind_table__free(t);
	if (!err)
		*ret = rule;
	return err;
}

static const struct elf_section *find_code(const struct elf *e)
{
	for (uint32_t i = 0; i < elf__n_sections(e); i++) {
		const struct elf_section *s = elf__section(e, i);

		if ((s->flags & SHF_ALLOC_EXECUTE) == SHF_ALLOC_EXECUTE)
			return s;
	}
	return NULL;
}

int jit_rule__of_image(const void *bytes, size_t len, struct jit_rule *ret_rule)
{
	const struct elf_section *code;
	struct elf *e = NULL;
	int fd = FD_CLOSED, err;

	err = memfd__new("jit-image", bytes, len, &fd);
	if (!err)
		err = elf__open(fd, &e);
	if (!err) {
		code = find_code(e);
		err = code ? rule_of_code(e, code, ret_rule) : -ENOENT;
	}
	elf__free(e);
	io__close(&fd);
	return err;
}

static int read_image(uint32_t pid, uint64_t addr, uint64_t len, struct jit_rule *ret)
{
	void *bytes;
	int err;

	if (!len || len > JIT_IMAGE_BYTES_MAX)
		return -EOPNOTSUPP;
	bytes = malloc(len);
	if (!bytes)
		return -ENOMEM;
	err = process_memory__read(pid, addr, bytes, len);
	if (!err)
		err = jit_rule__of_image(bytes, len, ret);
	free(bytes);
	return err;
}

static int read_word(uint32_t pid, uint64_t addr, uint64_t *ret)
{
	return process_memory__read(pid, addr, ret, sizeof(*ret));
}

int jit_rule__read(uint32_t pid, const struct elf *program, uint64_t bias, struct jit_rule *ret_rule)
{
	static const char *const names[] = {DESCRIPTOR};
	uint64_t vaddr = 0, at = 0;
	int err = variable__find_symbols(program, names, 1, &vaddr), found = -ENODATA;

	if (err || !vaddr)
		return err ? err : -ENOENT;
	err = read_word(pid, vaddr + bias + DESCRIPTOR_FIRST, &at);
	for (int i = 0; i < JIT_IMAGES_MAX && !err && at; i++) {
		uint8_t bytes[ENTRY_BYTES];
		struct cursor c;

		err = process_memory__read(pid, at, bytes, sizeof(bytes));
		if (err)
			break;
		cursor__init(&c, bytes, sizeof(bytes));
		at = cursor__u64(&c);
		cursor__skip(&c, 8);
		uint64_t image = cursor__u64(&c), len = cursor__u64(&c);

		found = read_image(pid, image, len, ret_rule);
		if (!found)
			return 0;
	}
	return err ? err : found;
}
