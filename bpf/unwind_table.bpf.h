/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unwind_table - the row for a frame: memo, then page, then bisection.
 *
 * A cold bisection over a page of a big binary touches a dozen cache lines; the memo touches one. Stacks of one service are much alike, so most
 * frames hit it.
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

static int unwind_find_row(struct walk *w, __u64 word, struct unwind_row *row)
{
	__u64 page_key = row_page_key(frame_object(word), frame_vaddr(word));
	__u32 slot = row_memo__slot(word);
	struct row_memo *memo = bpf_map_lookup_elem(&row_memo, &slot);
	const struct row_page *page;
	const union row_bits *r;
	__u32 low, high, at, i;
	__u16 pc = (__u16)word;
	union row_bits found;
	void *segment;

	if (memo) {
		found.bits = memo->row;
		if ((memo->check ^ found.bits) == word) {
			*row = found.row;
			return 0;
		}
	}
	page = bpf_map_lookup_elem(&row_pages, &page_key);
	if (!page)
		return END_NO_ROWS;
	if (page->count == 0) {
		*row = (struct unwind_row){.cfa = ROW_CFA_NONE};
		return 0;
	}
	segment = bpf_map_lookup_elem(&row_segments, &page->segment);
	if (!segment)
		return END_NO_ROWS;
	/* the last row whose pc is not above ours; the page's first row has pc 0 */
	low = page->first;
	high = page->first + page->count;
	for (i = 0; i < ROW_SEARCH_STEPS; i++) {
		if (high - low <= 1)
			break;
		at = low + (high - low) / 2;
		r = bpf_map_lookup_elem(segment, &at);
		if (!r)
			return END_NO_ROWS;
		if (r->row.pc <= pc)
			low = at;
		else
			high = at;
	}
	r = bpf_map_lookup_elem(segment, &low);
	if (!r)
		return END_NO_ROWS;
	found.bits = r->bits;
	*row = found.row;
	if (memo) {
		memo->row = found.bits;
		memo->check = word ^ found.bits;
	}
	return 0;
}

#endif
