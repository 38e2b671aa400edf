/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unwind_table - the row for a frame: memo, then page, then a search in it.
 *
 * A search, cold, touches some eight cache lines one after the other; the memo touches one. Stacks of one service are much alike, so most frames hit it.
 */
#ifndef EVERPROF_BPF_UNWIND_TABLE_BPF_H
#define EVERPROF_BPF_UNWIND_TABLE_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

union row_bits {
	struct unwind_row row;
	__u64 bits;
	volatile __u32 part[2];
};

static __always_inline __u32 row_memo__slot(__u64 word)
{
	return (__u32)((word * 0x9e3779b97f4a7c15ull) >> 40) & (ROW_MEMO_SLOTS - 1);
}

#define ROW_PLACE_MASK ((1ull << ROW_PLACE_BITS) - 1)

/* How often a segment was emptied until now, as it stands in a place. */
static __always_inline __u64 row_table__emptied(void)
{
	return *(volatile __u64 *)&gate.n_emptied << ROW_EMPTIED_SHIFT;
}

static __always_inline int row_place__holds(__u64 place)
{
	return place >> ROW_EMPTIED_SHIFT << ROW_EMPTIED_SHIFT == row_table__emptied();
}

/*
 * Where the page's rows are, as in row_page_memo: by the memo, or by the table. The count of emptied segments is read first: a place is never taken for younger
 * than it is.
 */
static __always_inline int row_table__place(__u64 key, __u64 *ret)
{
	__u64 emptied = row_table__emptied(), place;
	__u32 slot = (__u32)((key * 0x9e3779b97f4a7c15ull) >> 40) & (ROW_PAGE_MEMO_SLOTS - 1);
	struct row_page_memo *memo = bpf_map_lookup_elem(&row_page_memo, &slot);
	const struct row_page *page;

	if (!memo)
		return END_NO_ROWS;
	place = memo->place;
	if ((memo->check ^ place) != key || place >> ROW_EMPTIED_SHIFT << ROW_EMPTIED_SHIFT != emptied) {
		page = bpf_map_lookup_elem(&row_pages, &key);
		if (!page)
			return END_NO_ROWS;
		place = emptied | (page->segment & ((1ull << ROW_SEGMENT_BITS) - 1)) << (2 * ROW_PLACE_BITS) |
			(page->first & ROW_PLACE_MASK) << ROW_PLACE_BITS | (page->count & ROW_PLACE_MASK);
		memo->place = place;
		memo->check = key ^ place;
	}
	*ret = place;
	return 0;
}

/*
 * By the page's rows; 0 or the end reason. Global, so that the verifier looks at the search once and not for each walk that may come here. First and count go
 * through the caller's memory, out of which they come without bounds: by those the verifier told the steps of the search apart, 38,000 instructions of them.
 * A walk on its thread's way back to user space may be kept from its CPU for as long as the collector likes (it waits for those that can not be). So after the cells were read it is
 * asked whether they are still the page's: what is written here would be remembered for good.
 */
__attribute__((weak, noinline)) int row_table__find(__u64 word, union row_bits *ret)
{
	const struct row_cells *cells;
	__u32 zero = 0, at;
	void *segment;
	__u64 place;

	if (!ret || row_table__place(row_page_key(frame_object(word), frame_vaddr(word)), &place))
		return END_NO_ROWS;
	ret->part[0] = (__u32)(place >> ROW_PLACE_BITS & ROW_PLACE_MASK);
	ret->part[1] = (__u32)(place & ROW_PLACE_MASK);
	at = (__u32)(place >> (2 * ROW_PLACE_BITS)) & ((1u << ROW_SEGMENT_BITS) - 1);
	if (ret->part[1] == 0) {
		ret->row = (struct unwind_row){.cfa = ROW_CFA_NONE};
		return 0;
	}
	segment = bpf_map_lookup_elem(&row_segments, &at);
	if (!segment)
		return END_NO_ROWS;
	cells = bpf_map_lookup_elem(segment, &zero);
	if (!cells)
		return END_NO_ROWS;
	row_page__find(cells, ret->part[0], ret->part[1], (__u16)word, &ret->row);
	asm volatile("" ::: "memory"); /* first the cells, then that */
	return row_place__holds(place) ? 0 : END_NO_ROWS;
}

static __always_inline int unwind_find_row(struct walk *w, __u64 word, struct unwind_row *row)
{
	__u32 slot = row_memo__slot(word);
	struct row_memo *memo = bpf_map_lookup_elem(&row_memo, &slot);
	union row_bits found;
	int end;

	if (!memo)
		return END_NO_ROWS;
	found.bits = memo->row;
	if ((memo->check ^ found.bits) != word) {
		end = row_table__find(word, &found);
		if (end)
			return end;
		memo->row = found.bits;
		memo->check = word ^ found.bits;
	}
	*row = found.row;
	return 0;
}

#endif
