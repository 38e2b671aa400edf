/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_rules - one section of unwind rules with the index to it: how unwind_table finds what a file has to say.
 *
 * Owns: its source and its index. Borrows the elf. Thread: one owner. Limit: those of cfi_source and fde_index.
 * Errors: -ENOENT no such section or nothing in it, else those of cfi_source and fde_index; after an error there is nothing to free.
 */
#ifndef EVERPROF_OBJECT_UNWIND_RULES_H
#define EVERPROF_OBJECT_UNWIND_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "user/object/cfi_source.h"
#include "user/object/fde_index.h"

struct elf;

struct unwind_rules {
	bool is_open;
	struct cfi_source source;
	struct fde_index index;
};

/* .eh_frame by its search table, found through PT_GNU_EH_FRAME or by the section's name. */
int unwind_rules__open_hdr(struct unwind_rules *r, const struct elf *e);
/* .eh_frame by the section's name and one pass over it. */
int unwind_rules__open_eh_frame(struct unwind_rules *r, const struct elf *e);
/* .debug_frame, decompressed into at most `limit` bytes of memory where it is compressed. */
int unwind_rules__open_debug_frame(struct unwind_rules *r, const struct elf *e, size_t limit);
void unwind_rules__done(struct unwind_rules *r);

#endif
