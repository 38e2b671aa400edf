/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plt - names for the stubs through which a file calls functions of others: "malloc@plt".
 *
 * No symbol covers them. Each x86-64 stub jumps through one slot of the global offset table, and the relocation of
 * that slot names the function.
 *
 * Owns: nothing. Thread: any. Limit: PLT_SECTION_MAX a section, PLT_STUBS_MAX stubs. Errors: -ENOENT no PLT,
 * -EOPNOTSUPP another machine, -EBADMSG, -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_PLT_H
#define EVERPROF_OBJECT_PLT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct elf;

#define PLT_SECTION_MAX (16u << 20)
#define PLT_STRINGS_MAX (64u << 20)
#define PLT_STUBS_MAX   (1u << 20)

struct plt_slot {
	uint64_t got;  /* address of the slot */
	uint32_t name; /* offset in the dynamic strings */
};

/* Appends an Elf64_Sym (STT_FUNC, local) to `to` for each stub in the code whose slot is known. Slots ascending
 * by `got`. Pure. */
void plt__parse(const uint8_t *code, size_t len, uint64_t vaddr, uint64_t entry_size,
		const struct plt_slot *slots, size_t n_slots, struct buf *to);
/* Symbols of all stubs of a file, and the strings that they point into; both buffers empty before. */
int plt__load(const struct elf *e, struct buf *symbols, struct buf *strings);

#endif
