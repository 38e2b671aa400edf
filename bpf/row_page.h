/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * row_page - the rows of one page as they lie in the kernel, and how the one for an address is found there.
 *
 * Problem: a search is bound by the cache lines that it touches, all of them cold, each waited for before the next is known; and memory by the
 *   size of a row. A page has a thousand rows but some dozen different rules.
 * Idea: rows are four bytes, an address and the number of a rule of that page, sixteen to a line. An index in front says which rows belong
 *   to each KiB of code, so that bisection stays within a line or two. No table of rules is shared between pages: none can overflow.
 *
 *      cell    0 .. 31        index: for each of 64 KiB-sized parts, 16 bits, the last row at or before its start
 *              32 .. 32+n     rows: pc | rule << 16, sorted
 *              .. 2 * rules   rules: cfa | saved << 8 | cfa_off << 16, then fp_off
 *
 * Cells are 32 bits. A segment is one array of them, a page never straddles two, and every access is masked: whatever a page says, no
 * read leaves the segment. Compiled for the kernel and for the host.
 */
#ifndef EVERPROF_BPF_ROW_PAGE_H
#define EVERPROF_BPF_ROW_PAGE_H

#include "bpf/row.h"

#define ROW_SEGMENT_CELLS 131072
#define ROW_SEGMENT_BYTES (ROW_SEGMENT_CELLS * 4)
#define ROW_INDEX_SHIFT   10 /* a part is 1 KiB of code */
#define ROW_INDEX_PARTS   (ROW_PAGE_SIZE >> ROW_INDEX_SHIFT)
#define ROW_INDEX_CELLS   (ROW_INDEX_PARTS / 2)
#define ROW_PAGE_ALIGN    16 /* cells, a cache line */
/* A part has at most one row a byte and the one in force before it, so bisection ends in this many steps. */
#define ROW_SEARCH_STEPS 11

struct row_cells {
	__u32 cells[ROW_SEGMENT_CELLS];
};

static inline __attribute__((always_inline)) __u32 row_page__cell(const struct row_cells *s, __u32 at)
{
	return s->cells[at & (ROW_SEGMENT_CELLS - 1)];
}

/* The row in force at an address whose low 16 bits are pc, in the page of `count` (not 0) rows that begins at `first`. */
static inline __attribute__((always_inline)) void row_page__find(const struct row_cells *s, __u32 first,
								 __u32 count, __u16 pc,
								 struct unwind_row *ret)
{
	__u32 part = pc >> ROW_INDEX_SHIFT, rows = first + ROW_INDEX_CELLS;
	__u32 low = row_page__cell(s, first + part / 2), high = low, at, i;

	low = part & 1 ? low >> 16 : low & 0xffff;
	if (!(part & 1))
		high >>= 16;
	else if (part == ROW_INDEX_PARTS - 1)
		high = count - 1;
	else
		high = row_page__cell(s, first + (part + 1) / 2) & 0xffff;
	for (i = 0; i < ROW_SEARCH_STEPS; i++) {
		if (low >= high)
			break;
		at = (low + high + 1) >> 1;
		if ((row_page__cell(s, rows + at) & 0xffff) <= pc)
			low = at;
		else
			high = at - 1;
	}
	at = row_page__cell(s, rows + low);
	ret->pc = (__u16)at;
	at = rows + count + (at >> 16) * 2;
	low = row_page__cell(s, at);
	ret->cfa = (__u8)low;
	ret->saved = (__u8)(low >> 8);
	ret->cfa_off = (__s16)(low >> 16);
	ret->fp_off = (__s16)row_page__cell(s, at + 1);
}

#endif
