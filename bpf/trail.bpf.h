/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trail - the places in the memo of rows that the last stack of a process went through.
 *
 * Problem: at a hundred samples a second each place is a cold cache line, and often a page that no TLB knows any more: a tenth of a microsecond a frame.
 *   Which one comes next is known only when the frame below it was read, so a walk waits for them one after the other.
 * Idea: the stacks of a process share most of their outer frames. What is loaded from all places of the last one, before the walk begins and without
 *   looking at it, is fetched by the CPU at the same time.
 * Invariants: hints, of which nothing is believed. Two CPUs that write one trail at a time leave one of which some places help nobody.
 * Cost: two cache lines, and a load a place.
 */
#ifndef EVERPROF_BPF_TRAIL_BPF_H
#define EVERPROF_BPF_TRAIL_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/unwind_table.bpf.h"
#include "bpf/walk.h"

static __always_inline struct row_trail *trail__of(const struct walk *w)
{
	__u32 at = w->process.key.tgid & (ROW_TRAILS - 1);

	return bpf_map_lookup_elem(&row_trails, &at);
}

/* Before a walk of w->process. Global: the verifier looks at the loop once. */
__attribute__((weak, noinline)) int trail__fetch(struct walk *w)
{
	const struct row_trail *t = w ? trail__of(w) : NULL;
	const struct row_memo *memo;
	__u32 i, slot;

	if (!t || t->tgid != w->process.key.tgid)
		return 0;
	for (i = 0; i < ROW_TRAIL_MAX; i++) {
		if (i >= t->n)
			break;
		slot = t->slots[i];
		memo = bpf_map_lookup_elem(&row_memo, &slot);
		if (memo)
			(void)*(const volatile __u64 *)&memo->check;
	}
	return 0;
}

/* After it, before the walk is closed. Of a deep stack the innermost. */
__attribute__((weak, noinline)) int trail__keep(struct walk *w)
{
	struct row_trail *t = w ? trail__of(w) : NULL;
	__u32 i, at;

	if (!t)
		return 0;
	t->tgid = w->process.key.tgid;
	for (i = 0; i < ROW_TRAIL_MAX; i++) {
		at = w->n_kernel + i;
		if (at >= w->n_words || at >= STACK_WORDS_MAX)
			break;
		t->slots[i] = (__u16)row_memo__slot(w->words[at]);
	}
	t->n = (__u16)i;
	return 0;
}

#endif
