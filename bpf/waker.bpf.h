/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * waker - the stack of who ended a wait, from the wake-up until the wait is counted.
 *
 * Problem: at the wake-up the waker's stack is at hand, but whether the wait is taken is decided when the thread runs again, on some other CPU; and a stack
 *   of each wake-up costs more than the wake-up.
 * Idea: how long the wait was is known at the wake-up, but for the queue that follows. So it is decided there, by the same subtraction and for the
 *   CPU of the waker. What the thread then waits for a CPU does not depend on that, so the whole stands for as much more as its first part does:
 *   sums stay right on average. The stack is kept in one of a few places, whose number goes with the wait.
 * Invariants: a place is a wait's from the wake-up until that wait was counted; that may be long, as it is when the thread goes back to user space. After WAKER_STALE_NS it goes to
 *   whoever needs it, as there are threads that never come there. So each claim has its time, which is compared before the place is used or given back.
 * What it does not do: finish a stack for which rows or mappings are missing. It ends there, and user space is asked to learn them for the next one.
 */
#ifndef EVERPROF_BPF_WAKER_BPF_H
#define EVERPROF_BPF_WAKER_BPF_H

#include "bpf/lock.h"
#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

#define WAKER_STALE_NS 10000000000ull
/* of wait__now() against a switch: how long one took to begin, at the most */
#define WAIT_CLOCK_ERROR_NS 100000

/* at: from 1 on. */
static __always_inline struct waker_stack *waker__stack(__u32 at)
{
	at--;
	return bpf_map_lookup_elem(&waker_stacks, &at);
}

/* Gives it back, if it is still that claim's. */
static __always_inline void waker__put(__u32 at, __u64 claimed_ns)
{
	struct waker_stack *k = at ? waker__stack(at) : NULL;

	if (k)
		__sync_val_compare_and_swap(&k->busy_ns, claimed_ns, 0);
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

/* That of the thread's wait that ends now; NULL: none, or it is not there any more. */
static __always_inline struct waker_stack *waker__find(__u32 at, __u32 tid)
{
	struct waker_stack *k = at && at <= WAKER_STACKS ? waker__stack(at) : NULL;

	return k && k->busy_ns && k->tid == tid ? k : NULL;
}

/* What a wait of d stands for of which the first part does for `weight`. The queue for a CPU, which came after that, stands for as much more. */
static __always_inline __u64 waker__scale(__u64 weight, __u64 first, __u64 d)
{
	return d <= first ? weight : weight + ((d - first) * ((weight << 16) / first) >> 16);
}

/* What the last d of the wait stand for that was decided at its wake-up; 0: for nothing. */
static __always_inline __u64 waker__weight(const struct waker_stack *k, const struct wait_slot *slot,
					   __u64 since, __u64 d)
{
	/* a pass has told a part of it meanwhile: then so is the rest */
	if (k->began_ns != since || !k->d || d + WAIT_CLOCK_ERROR_NS < k->d)
		return slot->told && gate.wait_told ? d : 0;
	return waker__scale(k->weight, k->d, d);
}

/* Below the stack of a walk that has ended, if the place is still that claim's. */
static __noinline int waker__join(struct walk *w, __u32 at, __u64 claimed_ns, __u32 event)
{
	struct waker_stack *k = waker__stack(at);
	__u32 n = k ? k->n_words : 0, have = w->n_words;
	__u64 hash;

	if (!n || n > WAKER_WORDS_MAX || have > STACK_WORDS_MAX - WAKER_WORDS_MAX ||
	    bpf_probe_read_kernel(&w->words[have], n * sizeof(__u64), k->words)) {
		lose(event, LOSS_WAKER_STACK, 1);
		return 0;
	}
	hash = k->hash;
	/* asked last: until now the copy is one of nobody else's */
	if (*(volatile __u64 *)&k->busy_ns != claimed_ns) {
		lose(event, LOSS_WAKER_STACK, 1);
		return 0;
	}
	w->n_words = have + n;
	w->hash = walk_mix(w->hash, hash);
	return 0;
}

#endif
