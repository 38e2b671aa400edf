/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * row - one unwind row: how to find the caller's frame from any PC in [this row, next row).
 *
 * Rows are grouped by 64 KiB page of the object's virtual addresses; `pc` is the low half of the address, so a page's rows
 * are sorted by it and searched by bisection. The first row of a page always has pc 0: a page that starts inside a function starts with a
 * copy of the row in force, and one that starts in a hole starts with ROW_CFA_NONE. In the kernel a page is packed (bpf/row_page.h).
 *
 * The state that a walk carries is PC, SP, FP; for the leaf frame (and after a signal frame) all registers are known, so a
 * row may name any of the sixteen there.
 *
 *      CFA   = base register + cfa_off * 8                 base: a DWARF register number 0..15
 *      CFA   = base register + (cfa_off, unsigned, with the upper half of saved above it) * 8     with ROW_CFA_WIDE
 *      CFA   = *(base + cfa_off * 8) + deref_add * 8       with ROW_CFA_DEREF
 *      RA    = *(CFA - 8), or the register ra_reg with ROW_RA_REG
 *      FP'   = FP | *(CFA + fp_off * 8) | *(FP + fp_off * 8) | unknown      by ROW_FP_*
 *      SP'   = CFA
 *      RBX'  = *(CFA + rbx_off * 8), or ours where that is 0                with ROW_RBX, else unknown
 *
 * Reference: System V ABI AMD64 figure 3.36 (DWARF numbers), DWARF 5 section 6.4.
 */
#ifndef EVERPROF_BPF_ROW_H
#define EVERPROF_BPF_ROW_H

#include <linux/types.h>

#define ROW_PAGE_BITS 16
#define ROW_PAGE_SIZE (1u << ROW_PAGE_BITS)

struct unwind_row {
	__u16 pc; /* low 16 bits of the first address the row holds for */
	__u8 cfa; /* ROW_CFA_* base in the low 5 bits | ROW_CFA_DEREF | deref_add << ROW_DEREF_ADD_SHIFT, or ROW_CFA_WIDE | ROW_DERIVED */
	__u8 saved; /* ROW_FP_* in the low 2 bits | ROW_RA_REG | ROW_RBX | ra_reg << ROW_RA_REG_SHIFT, or the upper bits of a wide cfa_off, or ROW_DEREF_DERIVED */
	__s16 cfa_off; /* in units of 8 bytes */
	__s16 fp_off; /* in units of 8 bytes; with ROW_RBX two of 8 bits, fp_off the lower and rbx_off the upper */
};

#ifdef __cplusplus
static_assert(sizeof(struct unwind_row) == 8, "a row is 8 bytes");
#else
_Static_assert(sizeof(struct unwind_row) == 8, "a row is 8 bytes");
#endif

/* cfa: what the CFA is computed from. 0..15 are DWARF register numbers of x86-64. */
#define ROW_CFA_BASE(cfa) ((cfa)&0x1f)
enum row_cfa {
	ROW_REG_RAX = 0,
	ROW_REG_RDX = 1,
	ROW_REG_RCX = 2,
	ROW_REG_RBX = 3,
	ROW_REG_RSI = 4,
	ROW_REG_RDI = 5,
	ROW_REG_RBP = 6,
	ROW_REG_RSP = 7,
	ROW_REG_R8 = 8, /* … R15 = 15 */
	ROW_REG_R13 = 13,
	ROW_REG_R15 = 15,
	ROW_CFA_PLT = 16, /* RSP + 8 + ((PC & 15) >= cfa_off ? 8 : 0): a PLT entry before or after its push */
	ROW_CFA_SIGNAL = 17,        /* sigreturn trampoline: all registers are in the ucontext on the stack */
	ROW_CFA_END = 18,           /* RA is undefined: an explicit end mark (_start, clone, clone3) */
	ROW_CFA_NONE = 19,          /* covered by no FDE */
	ROW_CFA_UNSUPPORTED = 20,   /* covered by a rule that a row cannot hold; user space counts why */
	ROW_CFA_FRAME_POINTER = 21, /* code without CFI that is known to keep frame pointers (Go) */
	ROW_CFA_SWITCH = 22, /* it went to another stack: its frame is where FP says, above or below SP */
	ROW_CFA_INTERPRETER = 23, /* HotSpot's: as with a frame pointer, but for SP' = *(FP - 8) */
	ROW_CFA_PAGES = 24, /* of a mapping, not in a page: its code is in no file, but has pages of rows */
};
#define ROW_CFA_DEREF       0x20
#define ROW_DEREF_ADD_SHIFT 6 /* bits 6..7: 0, 8, 16 or 24 bytes */
/* The same two bits without ROW_CFA_DEREF: */
/* a frame of more than 256 KiB, in 20 bits: below 8 MiB, which is all of a stack as the kernel limits it by itself */
#define ROW_CFA_WIDE 0x40
/* made from instructions: what it gives has to look like a return address; with ROW_CFA_SWITCH: a caller is passed over */
#define ROW_DERIVED 0x80

/* saved: the caller's frame pointer, and where the return address is when it is not at CFA-8. */
#define ROW_FP_RULE(saved) ((saved)&3)
enum row_fp {
	ROW_FP_SAME = 0,    /* untouched: the caller's FP is ours */
	ROW_FP_AT_CFA = 1,  /* saved at CFA + fp_off * 8 */
	ROW_FP_AT_FP = 2,   /* saved at FP + fp_off * 8 (stack realignment: DW_CFA_expression breg6) */
	ROW_FP_UNKNOWN = 3, /* clobbered: no frame pointer further up, CFA by RBP fails cleanly */
};
/* the return address is in register saved >> ROW_RA_REG_SHIFT (leaf frames only: vfork) */
#define ROW_RA_REG       0x04
#define ROW_RA_REG_SHIFT 4
#define ROW_WIDE_SHIFT   4
/* ROW_DERIVED where ROW_CFA_DEREF has its bit; not with ROW_RA_REG */
#define ROW_DEREF_DERIVED 0x10
/*
 * A file in which frames are found by RBX above the leaf (the dynamic loader, while it binds a function at its first call). RBX is saved
 * by every other function, so following it everywhere would cost a read a frame.
 */
#define ROW_RBX 0x08

static inline __s64 unwind_row__cfa_bytes(const struct unwind_row *row)
{
	if ((row->cfa & (ROW_CFA_DEREF | ROW_CFA_WIDE)) == ROW_CFA_WIDE)
		return (__s64)((__u16)row->cfa_off | (__u32)(row->saved >> ROW_WIDE_SHIFT) << 16) * 8;
	return (__s64)row->cfa_off * 8;
}

/* Was it made from instructions? */
static inline int unwind_row__is_derived(const struct unwind_row *row)
{
	return row->cfa & ROW_CFA_DEREF ? (row->saved & (ROW_DEREF_DERIVED | ROW_RA_REG)) == ROW_DEREF_DERIVED
					: row->cfa & ROW_DERIVED;
}

static inline __s64 unwind_row__fp_bytes(const struct unwind_row *row)
{
	return (__s64)(row->saved & ROW_RBX ? (__s8)row->fp_off : row->fp_off) * 8;
}

static inline __s64 unwind_row__rbx_bytes(const struct unwind_row *row)
{
	return (__s64)(row->fp_off >> 8) * 8;
}

#endif
