/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_sites - where a file's allocators are entered: malloc and its family, by the names that they have in it.
 *
 * A place is the first instruction of the function that the kernel need not step through out of line (a step costs ten times the probe): a push, a
 * short nop or a jump, with its size still in registers and the return address still on top of the stack. A function that has none there
 * is left out.
 *
 * Owns: nothing. Thread: any. Limit: ALLOC_SITES_MAX a file; those of symbol_search, ALLOC_SYMBOLS_MAX, ALLOC_GO_TABLE_BYTES of the table of a Go
 * program without symbols. Errors: -ENOENT no allocator in it, -EBADMSG, -ENOEXEC and others of elf.h.
 */
#ifndef EVERPROF_OBJECT_ALLOC_SITES_H
#define EVERPROF_OBJECT_ALLOC_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/alloc.h"

struct elf;

#define ALLOC_SITES_MAX      48
#define ALLOC_SYMBOLS_MAX    1024 /* with a name of ours, in one table of the file */
#define ALLOC_GO_TABLE_BYTES (128u << 20)

struct alloc_site {
	const char *name; /* as in our list */
	uint64_t vaddr;   /* of the function */
	uint64_t offset;  /* of the place, in the file */
	uint16_t size;    /* enum alloc_size, or other registers of that form */
};

struct alloc_sites {
	struct alloc_site sites[ALLOC_SITES_MAX]; /* by vaddr; functions of one address are one */
	uint32_t n;
	uint32_t n_stepped; /* functions that were left out because of their first instructions */
};

/* Is it the name of an allocator? Then name and size of `ret` are set. */
bool alloc_site__find(const char *symbol, struct alloc_site *ret);
/* -- pure: how far behind the entry the place is, in the function's first bytes, and where its size is there, in *size at the entry. -ENOENT. */
int alloc_site__parse(const uint8_t *code, size_t len, uint16_t *size, uint32_t *ret_skip);
int alloc_sites__load(const struct elf *e, struct alloc_sites *ret);

#endif
