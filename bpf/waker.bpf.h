/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * waker - the stack of who ended a wait, from the wake-up until the wait is counted.
 *
 * Problem: at the wake-up the waker's stack is at hand, but whether the wait is taken is decided when the thread runs again, on some other CPU; and a stack
 *   of each wake-up costs more than the wake-up.
 * Idea: how long the wait was is known at the wake-up, but for the queue that follows. So it is decided there, by the same subtraction and for the
 *   CPU of the waker. What the thread then waits for a CPU does not depend on that, so the whole stands for as much more as its first part does:
 *   sums stay right on average. The stack is kept in one of a few places, whose number goes with the wait.
 * Invariants: a place is somebody's from the wake-up until that wait was counted; who never runs again (the hook was taken away) loses it after
 *   WAKER_STALE_NS. The thread and the beginning of its wait are compared before it is used.
 * What it does not do: finish a stack for which rows or mappings are missing. It ends there, and user space is asked to learn them for the next one.
 */
#ifndef EVERPROF_BPF_WAKER_BPF_H
#define EVERPROF_BPF_WAKER_BPF_H

#include "bpf/lock.h"
#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

#define WAKER_STALE_NS 10000000000ull

/* at: from 1 on. */
static __always_inline struct waker_stack *waker__stack(__u32 at)
{
	at--;
	return bpf_map_lookup_elem(&waker_stacks, &at);
}

static __always_inline void waker__put(__u32 at)
{
	struct waker_stack *k = at ? waker__stack(at) : NULL;

	if (k)
		k->busy_ns = 0;
}

/* A place that is free, from 1 on; 0: none is. */
static __always_inline __u32 waker__claim(__u64 now)
{
	__u32 first = bpf_get_prandom_u32(), i, at;
	struct waker_stack *k;
	__u64 since;

	for (i = 0; i < 8; i++) {
		at = (first + i) % WAKER_STACKS + 1;
		k = waker__stack(at);
		if (!k)
			return 0;
		since = k->busy_ns;
		if ((!since || since + WAKER_STALE_NS < now) &&
		    __sync_val_compare_and_swap(&k->busy_ns, since, now) == since)
			return at;
	}
	return 0;
}

/* That of the wait that began then; NULL: it is not there any more. */
static __always_inline struct waker_stack *waker__find(__u32 at, __u32 tid, __u64 began_ns)
{
	struct waker_stack *k = at && at <= WAKER_STACKS ? waker__stack(at) : NULL;

	return k && k->busy_ns && k->tid == tid && k->began_ns == began_ns ? k : NULL;
}

/* Below the stack of a walk that has ended. */
static __noinline int waker__join(struct walk *w, __u32 at, __u32 event)
{
	struct waker_stack *k = waker__stack(at);
	__u32 n = k ? k->n_words : 0, have = w->n_words;

	if (!n || n > WAKER_WORDS_MAX || have > STACK_WORDS_MAX - WAKER_WORDS_MAX) {
		lose(event, LOSS_WAKER_STACK, 1);
		return 0;
	}
	if (bpf_probe_read_kernel(&w->words[have], n * sizeof(__u64), k->words))
		return 0;
	w->n_words = have + n;
	w->hash = walk_mix(w->hash, k->hash);
	return 0;
}

#endif
