// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the function table of a Go file, whose code they are as well. Each page is built twice and comes out the same, sorted, in bounds.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/elf_image.h"
#include "user/object/elf.h"
#include "user/object/go_rows.h"
#include "user/object/gopclntab.h"
#include "user/object/unwind_row.h"

#define CODE_VADDR 0x10000ull
#define INPUT_MAX  (256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct elf_image image;
static struct unwind_row rows[2][ROW_PAGE_SIZE];

static void build_twice(const struct gopclntab *t, const struct elf *e, uint64_t from)
{
	struct row_list lists[2];

	for (int i = 0; i < 2; i++) {
		struct go_rows_stats stats;

		lists[i] = (struct row_list){.rows = rows[i], .max = ROW_PAGE_SIZE};
		if (go_rows__build(t, e, from, from + ROW_PAGE_SIZE, &lists[i], &stats))
			abort();
	}
	if (lists[0].n == 0 || lists[0].n != lists[1].n || rows[0][0].pc != 0 ||
	    memcmp(rows[0], rows[1], lists[0].n * sizeof(rows[0][0])))
		abort();
	for (uint32_t i = 1; i < lists[0].n; i++)
		if (rows[0][i].pc <= rows[0][i - 1].pc)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gopclntab *t;
	struct elf *e;
	uint64_t at;
	int fd;

	if (size > INPUT_MAX || gopclntab__parse(data, size, CODE_VADDR, &t))
		return 0;
	elf_image__init(&image, ET_EXEC, EM_X86_64);
	at = elf_image__add(&image, data, size);
	elf_image__segment(&image, PT_LOAD, PF_R | PF_X, CODE_VADDR, at, size);
	fd = elf_image__fd(&image);
	if (elf__open(fd, &e))
		abort();
	for (uint64_t from = CODE_VADDR; from < CODE_VADDR + 3 * ROW_PAGE_SIZE; from += ROW_PAGE_SIZE)
		build_twice(t, e, from);
	elf__free(e);
	close(fd);
	gopclntab__free(t);
	return 0;
}
