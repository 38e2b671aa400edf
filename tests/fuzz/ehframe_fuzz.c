// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the unwind rules of a sound ELF file. The first byte chooses: .eh_frame without a search table, .eh_frame_hdr with .eh_frame
 * behind it (the second byte says where, in units of 8), or .debug_frame. Each page of the code is built twice and must come out the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/elf_image.h"
#include "user/object/elf.h"
#include "user/object/unwind_table.h"

#define RULES_VADDR 0x1000ull
#define CODE_VADDR  0x10000ull
#define CODE_BYTES  0x20000ull
#define INPUT_MAX   (256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct elf_image image;
static struct unwind_row rows[2][ROW_PAGE_SIZE];

static void make_image(uint8_t kind, uint64_t split, const uint8_t *data, size_t size)
{
	uint64_t at;

	elf_image__init(&image, ET_DYN, EM_X86_64);
	at = elf_image__add(&image, data, size);
	elf_image__segment(&image, PT_LOAD, PF_R, RULES_VADDR, at, size);
	elf_image__segment(&image, PT_LOAD, PF_R | PF_X, CODE_VADDR, 0, size)->p_memsz = CODE_BYTES;
	if (kind == 0) {
		elf_image__section(&image, ".eh_frame", SHT_PROGBITS, RULES_VADDR, at, size);
	} else if (kind == 1) {
		elf_image__segment(&image, PT_GNU_EH_FRAME, PF_R, RULES_VADDR, at, split);
		elf_image__section(&image, ".eh_frame", SHT_PROGBITS, RULES_VADDR + split, at + split,
				   size - split);
	} else {
		elf_image__section(&image, ".debug_frame", SHT_PROGBITS, 0, at, size)->sh_flags = 0;
	}
}

static void build_twice(struct unwind_table *t, uint64_t page)
{
	uint32_t n[2] = {0, 0};
	int err[2];

	for (int i = 0; i < 2; i++)
		err[i] = unwind_table__build_page(t, page, rows[i], ROW_PAGE_SIZE, &n[i], NULL);
	if (err[0] != err[1] || n[0] != n[1] || memcmp(rows[0], rows[1], n[0] * sizeof(rows[0][0])))
		abort();
	if (err[0])
		return;
	if (n[0] == 0 || rows[0][0].pc != 0)
		abort();
	for (uint32_t i = 1; i < n[0]; i++)
		if (rows[0][i].pc <= rows[0][i - 1].pc || !memcmp(&rows[0][i].cfa, &rows[0][i - 1].cfa, 6))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_table *t;
	uint64_t split;
	struct elf *e;
	int fd;

	if (size < 3 || size > INPUT_MAX)
		return 0;
	split = data[1] * 8ull < size - 2 ? data[1] * 8ull : size - 2;
	make_image(data[0] % 3, split, data + 2, size - 2);
	fd = elf_image__fd(&image);
	if (elf__open(fd, &e) || unwind_table__open(e, NULL, &t))
		abort();
	for (uint64_t page = CODE_VADDR >> ROW_PAGE_BITS; page < (CODE_VADDR + CODE_BYTES) >> ROW_PAGE_BITS;
	     page++)
		build_twice(t, page);
	unwind_table__free(t);
	elf__free(e);
	close(fd);
	return 0;
}
