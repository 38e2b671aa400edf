/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* page_layout - how page tables are read on this machine, and the question that finds it out (bpf/page_table.bpf.h). */
#ifndef EVERPROF_BPF_PAGE_LAYOUT_H
#define EVERPROF_BPF_PAGE_LAYOUT_H

#include <linux/types.h>

#define PAGE_TOP_SHIFT_MAX  48 /* with five levels; with four it is 39 */
#define PAGE_LEAF_SHIFT_MAX 30
#define PAGE_LAYOUT_STEP    (1ull << 30)

struct page_layout {
	__u64 offset;       /* where all physical memory is mapped in the kernel */
	__u64 address_mask; /* bits of an entry that are an address */
	__u32 top_shift;    /* address bits below those that the first table decides; 0: not known */
	__u32 reserved;
};

/* In: an address of the asking process and the word that is there. Out: the layout; top_shift 0 where none of n beginnings was it. */
struct page_layout_ask {
	__u64 addr, word;
	__u64 n;
	struct page_layout layout;
};

#endif
