/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alloc_gap - how long calls of allocators are apart in a window, by which it is told what a probe costs there (user/pipeline/alloc_cost.h). */
#ifndef EVERPROF_BPF_ALLOC_GAP_H
#define EVERPROF_BPF_ALLOC_GAP_H

#include <linux/types.h>

/* Gaps are told apart to a 32nd of a bare call from half of one to one and a half, where the shortest mostly are, and to an eighth up to four. */
#define ALLOC_GAPS_FINE 32
#define ALLOC_GAPS_EACH 8
#define ALLOC_GAPS      52
/* Bare calls that a gap counts for at most, and what follows a sample. */
#define ALLOC_GAP_MAX   4
#define ALLOC_AFTER_MAX 16

/* Where a gap of so many ns is counted, where a bare call takes so many; ALLOC_GAPS and more: nowhere. */
static inline __u64 alloc_gap__place(__u64 gap, __u64 bare)
{
	__u64 above = gap > bare / 2 ? gap - bare / 2 : 0;

	return above < bare ? above * ALLOC_GAPS_FINE / bare
			    : ALLOC_GAPS_FINE + (above - bare) * ALLOC_GAPS_EACH / bare;
}

#endif
