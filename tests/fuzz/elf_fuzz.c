// SPDX-License-Identifier: Apache-2.0
/* Any bytes as an ELF file: header tables, names, notes, compressed sections, then its unwind table and the first pages of rows. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/unwind_table.h"

#define SECTION_LIMIT (1u << 16)
#define SECTIONS_READ 64
#define PAGES_BUILT   4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct unwind_row rows[ROW_PAGE_SIZE];

/* What is handed out is within what was promised. */
static void read_all(const struct elf *e)
{
	uint8_t id[ELF_BUILD_ID_MAX];
	size_t id_len = 0;
	uint64_t vaddr;

	for (uint32_t i = 0; i < elf__n_sections(e) && i < SECTIONS_READ; i++) {
		const struct elf_section *s = elf__section(e, i);
		struct buf to;

		if (elf__find_section(e, s->name) == NULL)
			abort();
		buf__init(&to, 2 * SECTION_LIMIT);
		if (elf__read_section(e, s, SECTION_LIMIT, &to) == 0 && to.len > SECTION_LIMIT)
			abort();
		buf__done(&to);
		elf__offset_to_vaddr(e, s->offset, &vaddr);
	}
	if (elf__build_id(e, id, &id_len) == 0 && (id_len == 0 || id_len > ELF_BUILD_ID_MAX))
		abort();
}

static void check_rows(uint32_t n)
{
	if (n == 0 || rows[0].pc != 0)
		abort();
	for (uint32_t i = 1; i < n; i++)
		if (rows[i].pc <= rows[i - 1].pc)
			abort();
}

static void build(const struct elf *e)
{
	struct unwind_table *t;

	if (unwind_table__open(e, NULL, &t))
		return;
	for (uint32_t i = 0; i < elf__n_segments(e) && i < PAGES_BUILT; i++) {
		uint64_t page = elf__segment(e, i)->vaddr >> ROW_PAGE_BITS;
		uint32_t n;

		if (!unwind_table__build_page(t, page, rows, ROW_PAGE_SIZE, &n, NULL))
			check_rows(n);
	}
	unwind_table__free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct elf *e;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (!elf__open(fd, &e)) {
		read_all(e);
		build(e);
		elf__free(e);
	}
	close(fd);
	return 0;
}
