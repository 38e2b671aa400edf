/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_image - a file as the Go compiler makes them, of which there is nothing but the table of functions, as wrong as one likes: n functions without names from
 * GO_IMAGE_CODE + 8 on, `step` bytes each, whose records lie `apart` bytes from each other.
 *
 * Owns: nothing; the descriptor, of a memfd with holes, is the caller's. Thread: one. Limit: offsets of 32 bits. Errors: asserted.
 */
#ifndef EVERPROF_TESTS_SUPPORT_GO_IMAGE_H
#define EVERPROF_TESTS_SUPPORT_GO_IMAGE_H

#include <stdlib.h>

#include "tests/support/elf_image.h"

#define GO_IMAGE_CODE    0x10000ull
#define GO_IMAGE_TABLE   0x10000u /* in the file */
#define GO_IMAGE_NAMES   72       /* in the table: one that is empty, and behind the header */
#define GO_IMAGE_FUNCTAB 80
#define GO_IMAGE_BLOCK   4096

static inline int go_image__fd(uint32_t n, uint32_t step, uint32_t apart)
{
	static struct elf_image m;
	uint64_t functab_bytes = (2ull * n + 1) * 4;
	uint64_t records = (functab_bytes + GO_IMAGE_BLOCK - 1) & ~(uint64_t)(GO_IMAGE_BLOCK - 1);
	uint64_t len = GO_IMAGE_FUNCTAB + records + (uint64_t)n * apart + GO_IMAGE_BLOCK;
	const uint64_t header[9] = {0x08010000fffffff1,
				    n,
				    0,
				    GO_IMAGE_CODE,
				    GO_IMAGE_NAMES,
				    GO_IMAGE_NAMES,
				    GO_IMAGE_NAMES,
				    GO_IMAGE_NAMES,
				    GO_IMAGE_FUNCTAB};
	uint32_t *functab = calloc(1, functab_bytes);
	int fd;

	assert(functab);
	for (uint32_t i = 0; i <= n; i++) {
		functab[2 * i] = 8 + i * step;
		if (i < n)
			functab[2 * i + 1] = (uint32_t)(records + (uint64_t)i * apart);
	}
	elf_image__init(&m, ET_EXEC, EM_X86_64);
	elf_image__segment(&m, PT_LOAD, PF_R | PF_X, GO_IMAGE_CODE, 0, 64)->p_memsz = 64 + (uint64_t)n * step;
	elf_image__section(&m, ".gopclntab", SHT_PROGBITS, 1ull << 32, GO_IMAGE_TABLE, len);
	fd = elf_image__fd(&m);
	assert(ftruncate(fd, (off_t)(GO_IMAGE_TABLE + len)) == 0);
	assert(pwrite(fd, header, sizeof(header), GO_IMAGE_TABLE) == sizeof(header));
	assert(pwrite(fd, functab, functab_bytes, GO_IMAGE_TABLE + GO_IMAGE_FUNCTAB) ==
	       (ssize_t)functab_bytes);
	free(functab);
	return fd;
}

#endif
