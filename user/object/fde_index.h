/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fde_index - which FDEs describe a range of addresses.
 *
 * Two kinds: the sorted table of .eh_frame_hdr, left in the file with one key in FDE_INDEX_STRIDE kept in memory; and, where there is no such
 * table or it is not sorted, an array made by one pass over the section.
 *
 * Owns: its keys or its array; borrows the elf. Thread: one owner. Limit: FDE_INDEX_MAX entries, FDE_SCAN_MAX bytes of a section passed over,
 * FDE_SLICE_MAX entries looked at for one slice.
 * Errors: -EBADMSG damaged (or not sorted), -EOPNOTSUPP a table that cannot be bisected, -E2BIG over a limit, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_FDE_INDEX_H
#define EVERPROF_OBJECT_FDE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "user/object/ehframe.h"

struct cfi_source;
struct elf;

#define FDE_INDEX_STRIDE 1024
#define FDE_INDEX_MAX    (4u << 20)
#define FDE_SCAN_MAX     (64ull << 20)
#define FDE_SLICE_MAX    (1u << 18)

struct fde_ref {
	uint64_t start;  /* first virtual address */
	uint64_t offset; /* of the FDE in its section */
};

struct fde_index {
	const struct elf *elf;
	uint64_t n;
	/* the file's table */
	struct ehframe_hdr hdr;
	uint64_t hdr_vaddr, table_at; /* file offset of the first pair */
	uint64_t eh_frame;            /* virtual address of the section that offsets count from */
	uint64_t *keys;               /* first address of each FDE_INDEX_STRIDE-th pair */
	/* or ours */
	struct fde_ref *refs;
};

/* A stretch of the index: the last entry that starts at or before the range, all that start in it, and the first one after it. */
struct fde_slice {
	struct fde_ref *refs;
	size_t n, cap;
	uint64_t n_read; /* bytes fetched from the file for it */
	/* the pairs that were read last: the next range mostly lies among them, too */
	uint8_t *raw;
	const struct fde_index *raw_of;
	uint64_t raw_first;
};

/* Reads through the file's table once, so that a table that is not sorted or points out of `source` is found out here. */
int fde_index__open_table(struct fde_index *x, const struct elf *e, const struct ehframe_hdr *hdr,
			  uint64_t hdr_vaddr, uint64_t hdr_offset, const struct cfi_source *source);
/* Passes over the whole section; FDEs outside of executable segments (functions that the linker discarded) are left out. */
int fde_index__scan(struct fde_index *x, const struct elf *e, const struct cfi_source *source);
void fde_index__done(struct fde_index *x);
size_t fde_index__bytes(const struct fde_index *x);

/* Fills the slice for [from, to); of entries with one start the last counts. */
int fde_index__slice(const struct fde_index *x, uint64_t from, uint64_t to, struct fde_slice *slice);
void fde_slice__done(struct fde_slice *s);

#endif
