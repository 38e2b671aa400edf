/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lock_slot - where a wait for a lock is noted, from its begin to its end.
 *
 * Problem: begin and end are two programs, and the kernel runs neither within itself. So an end is missed where an interrupt waits for a lock while the
 *   other program is at work with what it interrupted, 10 us where that takes a stack; and a begin likewise. What was noted of such a wait stays.
 * Idea: a wait is known by its lock and its thread. What spins can not leave its CPU, and of that one lock only once: so whoever spins takes the place
 *   that has its lock already, or a free one, or the oldest, which is the likeliest to be such a remnant. It notes the time anew in any case.
 *   Recording begins and ends while others wait: what was noted the time before is nobody's any more.
 * Invariants: a place that is taken from somebody is a wait that nobody counts, and is counted as lost.
 */
#ifndef EVERPROF_BPF_LOCK_SLOT_BPF_H
#define EVERPROF_BPF_LOCK_SLOT_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/lock.h"

#define LOCK_SPUN 4 /* of a CPU: interrupts wait while what they interrupted waits */

struct lock_slot {
	__u64 lock; /* 0: free */
	__u64 since_ns;
	__u32 tid, holder;
	__u32 kind, round; /* gate.lock_round */
};

struct lock_spins {
	struct lock_slot slots[LOCK_SPUN];
};

static __always_inline int lock_slot__is_free(const struct lock_slot *s)
{
	return !s->lock || s->round != gate.lock_round;
}

static __always_inline int lock_slot__is_of(const struct lock_slot *s, __u64 lock, __u32 tid)
{
	return s->lock == lock && s->tid == tid && s->round == gate.lock_round;
}

/* Where a wait that spins is noted. */
static __always_inline struct lock_slot *lock_spins__claim(struct lock_spins *s, __u64 lock)
{
	struct lock_slot *oldest = &s->slots[0], *at;
	__u64 oldest_ns = ~0ull, ns;
	__u32 i;

	for (i = 0; i < LOCK_SPUN; i++) {
		at = &s->slots[i];
		if (at->lock == lock)
			return at;
		ns = lock_slot__is_free(at) ? 0 : at->since_ns;
		if (ns < oldest_ns) {
			oldest_ns = ns;
			oldest = at;
		}
	}
	return oldest;
}

/* NULL: it was not noted. */
static __always_inline struct lock_slot *lock_spins__find(struct lock_spins *s, __u64 lock, __u32 tid)
{
	__u32 i;

	for (i = 0; i < LOCK_SPUN; i++)
		if (lock_slot__is_of(&s->slots[i], lock, tid))
			return &s->slots[i];
	return NULL;
}

/* Of the two where a thread's sleep may be noted: its own, or one that is free, or the one that has been in use for longer. */
static __always_inline struct lock_slot *lock_slept__claim(struct lock_slot *a, struct lock_slot *b,
							   __u32 tid)
{
	if (lock_slot__is_free(a))
		return b->tid == tid && !lock_slot__is_free(b) ? b : a;
	if (a->tid == tid)
		return a;
	if (b->tid == tid || lock_slot__is_free(b))
		return b;
	return a->since_ns < b->since_ns ? a : b;
}

static __always_inline struct lock_slot *lock_slept__find(struct lock_slot *a, struct lock_slot *b,
							  __u64 lock, __u32 tid)
{
	if (lock_slot__is_of(a, lock, tid))
		return a;
	return lock_slot__is_of(b, lock, tid) ? b : NULL;
}

/* Notes it in the place that it claimed. False: it was noted already. */
static __always_inline int lock_slot__begin(struct lock_slot *s, __u64 lock, __u32 tid, __u32 kind, __u64 now)
{
	if (kind == LOCK_MUTEX && lock_slot__is_of(s, lock, tid))
		return 0; /* it has spun for it, and goes to sleep now */
	if (!lock_slot__is_free(s))
		lose(EVENT_LOCK, LOSS_WAIT_SLOTS, 1);
	s->tid = tid;
	s->kind = kind;
	s->round = gate.lock_round;
	s->holder = 0;
	s->since_ns = now;
	s->lock = lock;
	return 1;
}

#endif
