/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gomodule - what the Go linker leaves for the runtime about one file (runtime.moduledata): where its text starts.
 *
 * Owns: nothing. Thread: any. Limit: GOMODULE_READ_MAX a section. Errors: -ENOENT none found, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_GOMODULE_H
#define EVERPROF_OBJECT_GOMODULE_H

#include <stdint.h>

struct elf;

#define GOMODULE_READ_MAX (64u << 20)

struct gomodule {
	uint64_t vaddr; /* of the structure */
	uint64_t text;  /* what offsets of functions are relative to, since Go 1.18 */
};

/* The module whose function table is at pclntab_vaddr, and whose names start funcnames_offset bytes into it (Go
 * 1.16 and later). */
int gomodule__find(const struct elf *e, uint64_t pclntab_vaddr, uint64_t funcnames_offset,
		   struct gomodule *ret_module);

#endif
