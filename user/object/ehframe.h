/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ehframe - the records of .eh_frame, .debug_frame and .eh_frame_hdr, from bytes to structs.
 *
 * Everything here is pure: bytes in, struct out, nothing followed. Where bytes come from is cfi_source's matter, which records belong to a
 * page is fde_index's, what a record's program says is cfa_program's.
 *
 * Owns: nothing; cie and fde borrow their programs from the bytes given. Thread: any. Limit: the bytes given.
 * Errors: -EBADMSG damaged, -EOPNOTSUPP well-formed but not for us (version, augmentation, pointer encoding, address size).
 */
#ifndef EVERPROF_OBJECT_EHFRAME_H
#define EVERPROF_OBJECT_EHFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor;

/* The longest record head: 64-bit length with its escape, 64-bit id. */
#define CFI_HEAD_MAX 20

/* Where a section's bytes are at run time: what relative pointers in it are measured from. */
struct cfi_base {
	uint64_t section; /* virtual address of the section's first byte */
	uint64_t data;    /* what DW_EH_PE_datarel is relative to; 0: nothing, refused */
	bool is_debug_frame;
};

enum cfi_kind { CFI_TERMINATOR, CFI_CIE, CFI_FDE };

struct cfi_head {
	enum cfi_kind kind;
	uint64_t offset;     /* of the record in its section */
	uint64_t size;       /* of the whole record, its length field included */
	uint32_t body;       /* bytes from the record's start to what follows the id */
	uint64_t cie_offset; /* CFI_FDE: in the section */
};

struct cie {
	uint8_t version;
	uint8_t pointer_enc; /* DW_EH_PE_* of the FDEs' addresses */
	bool has_aug_data;   /* 'z': FDEs carry a length of augmentation data */
	bool is_signal;      /* 'S': a frame that was interrupted, not one that called */
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	const uint8_t *program;
	size_t program_len;
};

struct fde {
	uint64_t start, end; /* virtual addresses [start, end) */
	uint64_t program_at; /* virtual address of the program itself */
	const uint8_t *program;
	size_t program_len;
};

/* .eh_frame_hdr: where .eh_frame is, and how its table of {first address, address of the FDE} is written. */
struct ehframe_hdr {
	uint64_t eh_frame;   /* virtual address */
	uint64_t n;          /* pairs; 0: no table */
	uint8_t table_enc;   /* DW_EH_PE_* of both halves */
	uint8_t value_size;  /* bytes of each half; 0: of an encoding that cannot be bisected */
	size_t table_offset; /* of the first pair, from the start of .eh_frame_hdr */
};

/* The record at `offset` of a section of section_size bytes; `bytes` are the len bytes that stand there (CFI_HEAD_MAX, or all up to its end). */
int cfi_head__parse(const struct cfi_base *base, uint64_t section_size, uint64_t offset, const uint8_t *bytes,
		    size_t len, struct cfi_head *ret_head);
/* `bytes` are the head->size bytes of the record. */
int cie__parse(const struct cfi_base *base, const struct cfi_head *head, const uint8_t *bytes,
	       struct cie *ret_cie);
int fde__parse(const struct cfi_base *base, const struct cfi_head *head, const uint8_t *bytes,
	       const struct cie *cie, struct fde *ret_fde);

/* `bytes` are the first len bytes of .eh_frame_hdr, which is size bytes long and lies at vaddr. */
int ehframe_hdr__parse(const uint8_t *bytes, size_t len, uint64_t size, uint64_t vaddr,
		       struct ehframe_hdr *ret_hdr);
/* One half of a pair of the table; `bytes` are hdr->value_size bytes that lie at virtual address `at`. */
uint64_t ehframe_hdr__value(const struct ehframe_hdr *hdr, uint64_t hdr_vaddr, const uint8_t *bytes,
			    uint64_t at);

/* A pointer in encoding `enc` at the cursor, whose next byte lies at virtual address `at`. Indirect and aligned ones are refused. */
int eh_pointer__read(struct cursor *c, const struct cfi_base *base, uint8_t enc, uint64_t at,
		     uint64_t *ret_value);

#endif
