/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * resident - how much memory did this page fault make resident, and of which kind?
 *
 * Problem: a fault is no page. It may map sixteen pages of a file that are in the page cache already, two megabytes at once, or nothing: the page of zeroes
 *   for a read, a page that only gets writable, a page that another thread brought in.
 * Idea: the entry of the page tables before the fault and after it, beside what the mapping is, say which it was. An entry that is dirty tells memory that
 *   is the process's own: what is read only, before it was ever written, is the page of zeroes, which the kernel does not count as resident either.
 * What it does not do: see what becomes resident without a fault (mlock, MAP_POPULATE, memory of virtual machines, the tables copied by fork, huge
 *   pages that khugepaged makes of small ones).
 *
 * Reference: mm/memory.c, do_anonymous_page, do_fault_around, do_cow_fault, do_wp_page; mm/huge_memory.c; for the bits of entries Intel SDM volume 3, 4.5,
 *   and arch/x86/include/asm/pgtable_types.h.
 */
#ifndef EVERPROF_BPF_RESIDENT_BPF_H
#define EVERPROF_BPF_RESIDENT_BPF_H

#include <linux/types.h>

#include "bpf/memory_kind.h"

#define PAGE_SHIFT      12
#define PAGE_ENTRIES    512 /* of a table */
#define PAGE_LEVEL_BITS 9
/* pages that a fault on a file maps around itself: 64 KiB, aligned (fault_around_bytes) */
#define PAGE_BLOCK 16

/* Bits of an entry, x86-64. */
#define PAGE_PRESENT     (1ull << 0)
#define PAGE_WRITABLE    (1ull << 1)
#define PAGE_DIRTY       (1ull << 6)
#define PAGE_LEAF        (1ull << 7)  /* above the last level */
#define PAGE_NO_ACCESS   (1ull << 8)  /* resident, but touched with a fault on purpose: NUMA balancing */
#define PAGE_SPECIAL     (1ull << 9)  /* Linux: not memory that is counted; the page of zeroes */
#define PAGE_SAVED_DIRTY (1ull << 58) /* Linux: dirty, while it is read only */
#define PAGE_SWAP_TYPE   59 /* of an entry that is not present; types from 20 on are no swap devices */
#define PAGE_SWAP_TYPES  20

/* Flags of a mapping, include/linux/mm.h. */
#define MAPPING_SHARED      0x00000008ul
#define MAPPING_GROWS_DOWN  0x00000100ul
#define MAPPING_PFN         0x00000400ul /* memory of a device */
#define MAPPING_IO          0x00004000ul
#define MAPPING_HUGETLB     0x00400000ul
#define MAPPING_NO_HUGEPAGE 0x40000000ul

/* What the page tables say of an address. */
struct page_state {
	__u64 entry; /* the last that was read; 0: nothing is there */
	__u64 table; /* where the last table lies in the kernel; 0: the walk ended above it */
	__u8 shift;  /* of that entry's level: 12, 21, 30, … */
	__u8 is_known;
	__u8 reserved[6];
};

/* A last table: the entries now, and which of them were there before the fault. */
struct page_table {
	__u64 entries[PAGE_ENTRIES];
	__u64 before[PAGE_ENTRIES / 64];
};

/* The mapping that the address lies in. */
struct fault_mapping {
	__u64 flags;
	__u8 has_file, is_shmem, has_sp; /* has_sp: with the thread's stack, which the address is of */
};

struct growth {
	__u32 pages;  /* 0: nothing became resident */
	__u32 kind;   /* enum memory_kind */
	__u8 is_part; /* the page at the address; there may be more (page_table__fresh) */
	__u8 is_own;
	__u16 reserved;
};

static inline __attribute__((always_inline)) int page_state__is_resident(const struct page_state *s)
{
	return (s->entry & (PAGE_PRESENT | PAGE_NO_ACCESS)) &&
	       (s->shift == PAGE_SHIFT || s->entry & PAGE_LEAF);
}

static inline __attribute__((always_inline)) int page_is_dirty(__u64 entry)
{
	return (entry & (PAGE_DIRTY | PAGE_SAVED_DIRTY)) != 0;
}

static inline __attribute__((always_inline)) __u32 page_state__pages(const struct page_state *s)
{
	return 1u << (s->shift - PAGE_SHIFT);
}

/* The number of the 4 KiB page of memory that addr is in. */
static inline __attribute__((always_inline)) __u64 page_state__frame(const struct page_state *s, __u64 mask,
								     __u64 addr)
{
	__u64 within = ((1ull << s->shift) - 1) >> PAGE_SHIFT;

	return ((s->entry & mask) >> PAGE_SHIFT & ~within) | (addr >> PAGE_SHIFT & within);
}

/* 1 where x is 0, without a branch: the verifier walks each way of one, in each turn of a loop. */
static inline __attribute__((always_inline)) __u64 is_zero(__u64 x)
{
	__asm__ volatile("" : "+r"(x)); /* else the compiler makes a branch of it */
	return 1 - ((x | -x) >> 63);
}

static inline __attribute__((always_inline)) __u64 page_is_there(__u64 entry)
{
	return (entry | entry >> 8) & 1; /* PAGE_PRESENT, PAGE_NO_ACCESS */
}

/* Which entries are there, for later. */
static inline __attribute__((always_inline)) void page_table__remember(struct page_table *t)
{
	__u32 word, bit;

	for (word = 0; word < PAGE_ENTRIES / 64; word++) {
		__u64 bits = 0;

		for (bit = 0; bit < 64; bit++)
			bits |= page_is_there(t->entries[word * 64 + bit]) << bit;
		t->before[word] = bits;
	}
}

/*
 * How many pages the fault on the page at `at` has mapped. A fault maps a whole folio, which lies in one piece in memory, or on a file those of the block around
 * it that are in the page cache. One that a system call met (is_one 0) may be one of many before anybody looks: for these only the block counts. One loop
 * without branches: the verifier goes through it once.
 */
static inline __attribute__((always_inline)) __u32 page_table__fresh(const struct page_table *t, __u32 at,
								     __u64 mask, int is_own, int is_one)
{
	__u64 base = ((t->entries[at & (PAGE_ENTRIES - 1)] & mask) >> PAGE_SHIFT) - at;
	__u64 not_piece = is_one ? 0 : 1, not_near = is_own ? 1 : 0, n = 0;
	__u32 word, bit;

	for (word = 0; word < PAGE_ENTRIES / 64; word++) {
		__u64 was = t->before[word];

		for (bit = 0; bit < 64; bit++, was >>= 1) {
			__u32 i = word * 64 + bit;
			__u64 entry = t->entries[i];
			__u64 is_piece = is_zero((((entry & mask) >> PAGE_SHIFT) - i - base) | not_piece);
			__u64 is_near = is_zero(((i ^ at) / PAGE_BLOCK) | not_near);

			n += page_is_there(entry) & ~was & (is_piece | is_near);
		}
	}
	return n ? (__u32)n : 1;
}

static inline __attribute__((always_inline)) __u32 memory_kind__own(const struct fault_mapping *m)
{
	if (m->flags & MAPPING_GROWS_DOWN)
		return MEMORY_STACK;
	/* what mmap makes of MAP_STACK; memory for other ends has this flag seldom, and stack pointers never */
	return m->has_sp && m->flags & MAPPING_NO_HUGEPAGE ? MEMORY_STACK : MEMORY_ANONYMOUS;
}

/* It was no memory: the first write is what brings some. */
static inline __attribute__((always_inline)) int page_state__is_zeroes(const struct page_state *s,
								       const struct fault_mapping *m)
{
	return !m->has_file &&
	       (s->shift == PAGE_SHIFT ? !!(s->entry & PAGE_SPECIAL) : !page_is_dirty(s->entry));
}

/* There was a page: is it another one now, of the process alone? */
static inline __attribute__((always_inline)) struct growth resident__replaced(const struct fault_mapping *m,
									      const struct page_state *before,
									      const struct page_state *after,
									      __u64 mask, __u64 addr)
{
	struct growth g = {.pages = page_state__pages(after), .kind = MEMORY_COPIED};

	if (m->flags & MAPPING_SHARED || !page_is_dirty(after->entry) ||
	    page_state__frame(before, mask, addr) == page_state__frame(after, mask, addr))
		return (struct growth){};
	if (page_state__is_zeroes(before, m))
		g.kind = memory_kind__own(m);
	return g;
}

/* There was none. */
static inline __attribute__((always_inline)) struct growth resident__mapped(const struct fault_mapping *m,
									    const struct page_state *before,
									    const struct page_state *after)
{
	struct growth g = {.pages = page_state__pages(after)};
	int is_own = page_is_dirty(after->entry) && !(m->has_file && m->flags & MAPPING_SHARED);

	if (m->flags & MAPPING_HUGETLB) {
		g.kind = MEMORY_HUGETLB;
		return g;
	}
	if (before->shift == PAGE_SHIFT && before->entry && !(m->flags & MAPPING_SHARED) &&
	    before->entry >> PAGE_SWAP_TYPE < PAGE_SWAP_TYPES) {
		g.kind = MEMORY_SWAPPED;
		return g;
	}
	if (!is_own && !m->has_file)
		return (struct growth){}; /* read: the page of zeroes */
	g.kind = is_own ? memory_kind__own(m) : m->is_shmem ? MEMORY_SHARED : MEMORY_FILE;
	g.is_part = after->shift == PAGE_SHIFT;
	g.is_own = is_own;
	return g;
}

/*
 * What is there now is not known (is_known 0): a page, the least that it can be where it is anything at all. Where there was one that may be written to, another thread
 * has just brought it in; one that may not be becomes writable, or, where it is private, perhaps a copy.
 */
static inline __attribute__((always_inline)) struct growth resident__unseen(const struct fault_mapping *m,
									    const struct page_state *before)
{
	struct growth g = {.pages = 1, .kind = MEMORY_COPIED};

	if (!before->is_known || !page_state__is_resident(before) || page_state__is_zeroes(before, m))
		g.kind = m->flags & MAPPING_HUGETLB ? MEMORY_HUGETLB
			 : !m->has_file             ? memory_kind__own(m)
			 : m->is_shmem              ? MEMORY_SHARED
						    : MEMORY_FILE;
	else if (m->flags & MAPPING_SHARED || before->entry & PAGE_WRITABLE)
		g.pages = 0;
	return g;
}

static inline __attribute__((always_inline)) struct growth resident__growth(const struct fault_mapping *m,
									    const struct page_state *before,
									    const struct page_state *after,
									    __u64 mask, __u64 addr)
{
	struct growth g = {};

	if (m->flags & (MAPPING_PFN | MAPPING_IO))
		return g;
	/* NUMA balancing wants to know who uses it, and may move it: it was counted when it came */
	if (page_state__is_resident(before) && !(before->entry & PAGE_PRESENT))
		return g;
	if (!before->is_known || !after->is_known)
		return resident__unseen(m, before);
	if (!page_state__is_resident(after))
		return g;
	if (page_state__is_resident(before))
		return resident__replaced(m, before, after, mask, addr);
	return resident__mapped(m, before, after);
}

#endif
