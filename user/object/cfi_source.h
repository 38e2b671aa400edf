/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi_source - where the bytes of one .eh_frame or .debug_frame are, and a reader that fetches single records from there.
 *
 * Owns: a source owns its decompressed bytes, where it had to decompress; a reader its window and its CIEs. Both borrow the elf. Thread: one owner.
 * Limit: CFI_RECORD_MAX a record; a reader handles at most its budget of bytes, so that no file can keep it busy.
 * Errors: -ENOENT no such section, -EBADMSG damaged, -EOPNOTSUPP not for us, -E2BIG over a limit or the budget.
 */
#ifndef EVERPROF_OBJECT_CFI_SOURCE_H
#define EVERPROF_OBJECT_CFI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/buf.h"
#include "user/object/ehframe.h"

struct elf;

#define CFI_RECORD_MAX    (1u << 20)
#define CFI_READER_CIES   8 /* linkers merge equal ones: a file has a few */
#define CFI_READER_BUDGET (64ull << 20)

struct cfi_source {
	const struct elf *elf;
	struct cfi_base base;
	uint64_t offset; /* in the file; meaningless when in_memory */
	uint64_t size;
	bool in_memory;
	struct buf bytes;
};

struct cfi_cie_slot {
	bool used;
	int err; /* what parsing said: a CIE that is not for us is not parsed for each of its FDEs */
	uint64_t offset;
	struct cie cie;
	struct buf bytes;
};

struct cfi_reader {
	const struct cfi_source *source;
	struct buf window;
	uint64_t window_offset;
	uint64_t budget;
	uint64_t n_read; /* bytes fetched from the file */
	uint32_t next_slot;
	struct cfi_cie_slot cies[CFI_READER_CIES];
};

/* .eh_frame at this virtual address, as .eh_frame_hdr states it; the section header tells where it ends, else its segment does. */
int cfi_source__init_at(struct cfi_source *s, const struct elf *e, uint64_t vaddr);
/* .eh_frame by its section header, for files without .eh_frame_hdr. */
int cfi_source__init_eh_frame(struct cfi_source *s, const struct elf *e);
/* .debug_frame; a compressed one is kept decompressed, at most `limit` bytes. */
int cfi_source__init_debug_frame(struct cfi_source *s, const struct elf *e, size_t limit);
void cfi_source__done(struct cfi_source *s);

void cfi_reader__init(struct cfi_reader *r, const struct cfi_source *s);
void cfi_reader__done(struct cfi_reader *r);
/* The record's head. */
int cfi_reader__head(struct cfi_reader *r, uint64_t offset, struct cfi_head *ret_head);
/* The FDE at that offset with its CIE; -EBADMSG where another record is. Borrowed until the next call. */
int cfi_reader__fde(struct cfi_reader *r, uint64_t offset, struct fde *ret_fde, const struct cie **ret_cie);

#endif
