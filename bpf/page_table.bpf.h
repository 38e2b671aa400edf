/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * page_table - what is mapped at an address of a process, read from its page tables: x86-64.
 *
 * Problem: whether a fault made memory resident, and how much, nobody tells: not the event, which comes before the fault is handled, nor the
 *   process's counters, which all its threads move at once.
 * Idea: the tables themselves, before and after. They lie in the kernel's map of all memory; where that begins is a symbol that few kernels show, so it
 *   is found once: the collector hands in an address of its own with a word there that nobody else has, and each possible beginning is tried
 *   until the walk ends at that word. That tells at once how many levels there are and which bits of an entry are its address.
 * Invariants: reads may meet tables that are being freed, and then what is read is garbage, for one sample; they never fault the kernel
 *   (bpf_probe_read_kernel). An entry is one aligned word and read whole.
 * Cost: a read a level, and the last table as a whole: some 1 us.
 *
 * Reference: Intel SDM volume 3, 4.5; arch/x86/mm/kaslr.c: the map of all memory begins at a multiple of 1 GiB.
 */
#ifndef EVERPROF_BPF_PAGE_TABLE_BPF_H
#define EVERPROF_BPF_PAGE_TABLE_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/page_layout.h"
#include "bpf/resident.bpf.h"

static __always_inline __u64 page_table__index(__u64 addr, __u32 shift)
{
	return addr >> shift & (PAGE_ENTRIES - 1);
}

/* What is mapped at addr, by the tables that begin at `top`. Global: the verifier looks at it once. */
__attribute__((weak, noinline)) int page_table__read(const struct page_layout *l, __u64 top, __u64 addr,
						     struct page_state *ret)
{
	__u64 table = top, entry;
	__u32 shift;

	if (!l || !ret)
		return -1;
	*ret = (struct page_state){.shift = PAGE_SHIFT};
	if (!l->top_shift)
		return -1;
	for (shift = PAGE_TOP_SHIFT_MAX; shift > PAGE_SHIFT; shift -= PAGE_LEVEL_BITS) {
		if (shift > l->top_shift)
			continue;
		if (bpf_probe_read_kernel(
			    &entry, sizeof(entry),
			    (const void *)(table + page_table__index(addr, shift) * sizeof(entry))))
			return -1;
		if (!(entry & PAGE_PRESENT) || (shift <= PAGE_LEAF_SHIFT_MAX && entry & PAGE_LEAF)) {
			ret->entry = entry;
			ret->shift = shift;
			ret->is_known = 1;
			return 0;
		}
		table = l->offset + (entry & l->address_mask);
	}
	if (bpf_probe_read_kernel(&entry, sizeof(entry),
				  (const void *)(table + page_table__index(addr, shift) * sizeof(entry))))
		return -1;
	ret->entry = entry;
	ret->table = table;
	ret->is_known = 1;
	return 0;
}

/* Reads a last table; at the first time, which of its entries are there. */
__attribute__((weak, noinline)) int page_table__load(struct page_table *t, __u64 table, int remember)
{
	if (!t)
		return -1;
	if (bpf_probe_read_kernel(t->entries, sizeof(t->entries), (const void *)table))
		return -1;
	if (remember)
		page_table__remember(t);
	return 0;
}

/* The pages that a fault has mapped: see page_table__fresh. */
__attribute__((weak, noinline)) int page_table__count(struct page_table *t, __u32 at, __u64 mask, int is_own,
						      int is_one)
{
	if (!t)
		return 1;
	return (int)page_table__fresh(t, at & (PAGE_ENTRIES - 1), mask, is_own, is_one);
}

/* Does the walk by this layout end at the word that is known to be there? */
static __always_inline int page_table__leads_to(const struct page_layout *l, __u64 top, __u64 addr,
						__u64 word)
{
	struct page_state s;
	__u64 found = 0, within;

	if (page_table__read(l, top, addr, &s) || !page_state__is_resident(&s))
		return 0;
	within = addr & ((1ull << s.shift) - 1);
	if (bpf_probe_read_kernel(&found, sizeof(found),
				  (const void *)(l->offset +
						 (s.entry & l->address_mask & ~((1ull << s.shift) - 1)) +
						 within)))
		return 0;
	return found == word;
}

#endif
