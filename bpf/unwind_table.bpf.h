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
};

static __always_inline __u32 row_memo__slot(__u64 word)
{
	return (__u32)((word * 0x9e3779b97f4a7c15ull) >> 40) & (ROW_MEMO_SLOTS - 1);
}

/* By the page's rows; 0 or the end reason. Global, so that the verifier looks at the search once and not for each walk that may come here. */
__attribute__((weak, noinline)) int row_table__find(__u64 word, union row_bits *ret)
{
	__u64 page_key = row_page_key(frame_object(word), frame_vaddr(word));
	const struct row_page *page = bpf_map_lookup_elem(&row_pages, &page_key);
	const struct row_cells *cells;
	__u32 zero = 0;
	void *segment;

	if (!page || !ret)
		return END_NO_ROWS;
	if (page->count == 0) {
		ret->row = (struct unwind_row){.cfa = ROW_CFA_NONE};
		return 0;
	}
	segment = bpf_map_lookup_elem(&row_segments, &page->segment);
	if (!segment)
		return END_NO_ROWS;
	cells = bpf_map_lookup_elem(segment, &zero);
	if (!cells)
		return END_NO_ROWS;
	row_page__find(cells, page->first, page->count, (__u16)word, &ret->row);
	return 0;
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
