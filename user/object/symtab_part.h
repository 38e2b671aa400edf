/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symtab_part - of a symbol table in a file, the symbols around some addresses and their names.
 *
 * Owns: nothing of the file. Thread: any. Limit: a block of SYMTAB_PART_BLOCK and the blocks of the names that are wanted. Errors: -EOPNOTSUPP compressed,
 * -EBADMSG, -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_OBJECT_SYMTAB_PART_H
#define EVERPROF_OBJECT_SYMTAB_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct elf;
struct elf_section;

#define SYMTAB_PART_BLOCK (64u << 10)

struct symtab_wanted {
	const uint64_t *vaddrs; /* ascending */
	size_t n;
};

/* Is any wanted address less than `near` before start, or before start + size + near? */
bool symtab_wanted__touches(const struct symtab_wanted *w, uint64_t start, uint64_t size, uint64_t near);
/* Appends those within `near` of a wanted address to `symbols`, and their names to `names`, at which their st_name then points. */
int symtab_part__read(const struct elf *e, const struct elf_section *table, const struct elf_section *strings,
		      const struct symtab_wanted *w, uint64_t near, struct buf *symbols, struct buf *names);

#endif
