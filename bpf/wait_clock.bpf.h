/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * wait_clock - a CPU's countdown to the next wait that is taken.
 *
 * Problem: to know how long a wait was, one has to look up when it began; and of a million waits a second a hundred are taken.
 * Idea: the points of poisson.h lie on whole stretches of a thread, from one time that it came to a CPU to the next: first it runs, then it waits. How long
 *   that was the kernel has at hand. Only where a point falls into a stretch it is looked up how much of it was the wait, its last part. Points that fall before that are
 *   nobody's. Those that fall into a part of a line are as random as all of them, and have the same rate: so whether a wait is taken depends on its own
 *   length alone, by the same chance as if there were nothing but waits on the line.
 *   The rate may change with each point, by what was taken before it: each stands for what it did when it was drawn.
 * Invariants: `left_ns` below 0 is a point that has passed, and nobody has looked where it fell. Whoever looks draws the next: distances have no memory.
 */
#ifndef EVERPROF_BPF_WAIT_CLOCK_BPF_H
#define EVERPROF_BPF_WAIT_CLOCK_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/poisson.h"
#include "bpf/wait_slot.h"

/* How many were taken on this CPU in this slice. */
static __always_inline __u64 wait_clock__in_slice(struct wait_clock *clock)
{
	if (clock->slice != gate.wait_slice) {
		clock->slice = gate.wait_slice;
		clock->n_before = clock->n_taken;
	}
	return clock->n_taken - clock->n_before;
}

/* May what a pass began be finished whatever comes? Where crowds wake at once, there is no room for all; beside as many as chance takes of a crowd there is some. */
static __always_inline int wait_clock__has_room(struct wait_clock *clock)
{
	return wait_clock__in_slice(clock) < 4 * WAIT_TAKEN_A_CPU;
}

/* The interval is judged once a slice, and a slice is long: what comes suddenly doubles it right here, again and again. */
static __always_inline void wait_clock__draw(struct wait_clock *clock)
{
	__u64 n = wait_clock__in_slice(clock), doubled = 0, interval;

	if (n >= WAIT_TAKEN_A_CPU)
		doubled = 2 * (n - WAIT_TAKEN_A_CPU) / WAIT_TAKEN_A_CPU + 1;
	interval = gate.wait_interval_ns << (doubled < WAIT_DOUBLED_MAX ? doubled : WAIT_DOUBLED_MAX);
	clock->interval_ns = interval < POISSON_INTERVAL_MAX ? interval : POISSON_INTERVAL_MAX;
	clock->left_ns = poisson__distance((__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32(),
					   clock->interval_ns);
}

/* A stretch is over. True: no point fell into it. */
static __always_inline int wait_clock__pass(struct wait_clock *clock, __u64 stretch)
{
	clock->left_ns -= (__s64)stretch;
	return clock->left_ns >= 0;
}

/* What the wait stands for that was the last d of the stretch that passed; 0: it is not taken. */
static __always_inline __u64 wait_clock__take(struct wait_clock *clock, __u64 d)
{
	__u64 weight, interval;

	/* before the wait? Then the next one is drawn from where that began */
	if (clock->left_ns + (__s64)d < 0) {
		wait_clock__draw(clock);
		clock->left_ns -= (__s64)d;
	}
	if (clock->left_ns >= 0)
		return 0;
	weight = poisson__weight(d, clock->interval_ns);
	interval = clock->interval_ns >> INTERVAL_SHIFT;
	clock->intervals += interval;
	clock->squares += interval * interval;
	wait_clock__draw(clock);
	return weight;
}

/*
 * What a switch cost that took elapsed_ns from before one reading of the clock to after a third, of which the second came right after the first, read_ns later: the two are its
 * own. A hypervisor that had the CPU meanwhile is not.
 */
static __always_inline __u64 wait_clock__cost(__u64 elapsed_ns, __u64 read_ns)
{
	__u64 own = elapsed_ns > 2 * read_ns ? elapsed_ns - 2 * read_ns : 0;

	return (own < WAIT_COST_MOST_NS ? own : WAIT_COST_MOST_NS) + gate.switch_call_ns;
}

#endif
