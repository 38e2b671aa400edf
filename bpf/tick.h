/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tick - how much CPU time a tick of a CPU's clock stands for.
 *
 * Problem: a tick that stood for one period each time was 2-5 % too much on a busy virtual machine: the hypervisor takes the CPU away for parts of a
 *   period, which delays ticks or swallows them, and the kernel charges that time to no task. Where interrupts were off, ticks are
 *   swallowed too, but that time is the task's.
 * Idea: a tick stands for what passed on its CPU since the tick before, less what was away: the kernel keeps, for each CPU, a clock of all time (rq.clock) and one
 *   of the time that it charges to tasks (rq.clock_task); they differ by what hypervisors and, where the kernel accounts them, interrupts took.
 *   So the sum over ticks is what the kernel charged, to the length of one period at either end, however irregular the ticks are.
 *   Where the CPU was idle in between, a tick is a sample of a point in time as ever and stands for one period: how long it idled is not told, and some
 *   kernels let no clock tick on a CPU that idles (seen on 6.18: on all but the first).
 * Invariants: what is taken off is never more than was there: the scheduler accounts some milliseconds late, and the rest is taken off the ticks that follow.
 *   What it accounts when a CPU leaves its idle task is of the idle time, and no tick's. After a gap that no clock had (CPU gone) the time is not known and nobody's.
 * Cost: a few loads from cache lines that the scheduler keeps warm.
 * What it does not do: say who had a gap, when the CPU was switched between tasks in it. Mostly interrupts are off in it, and it was whom the tick meets.
 */
#ifndef EVERPROF_BPF_TICK_H
#define EVERPROF_BPF_TICK_H

#include <linux/types.h>

/* A gap that is longer is no delay: there was no clock. */
#define TICK_GAP_MAX_NS 1000000000ll

/* Value of map `cpu_ticks`, one per CPU. */
struct cpu_ticks {
	__u64 last_ns; /* of the last tick, idle ones too */
	__u64 n;       /* ticks of tasks, wanted or not */
	__u64 away_ns; /* of all time until then, what was no task's */
	__s64 owed_ns; /* of that, what is still to be taken off */
	__u64 n_idled; /* how often the CPU had left its idle task */
};

/* A CPU as it is now. */
struct tick {
	__u64 now_ns;
	__u64 away_ns;    /* of all time so far, what was no task's */
	__u64 n_idled;    /* how often it has left its idle task */
	__u64 resumed_ns; /* when the clocks were turned on */
	__u64 period_ns;
	int is_idle;
};

/* Moves the CPU's clock on: what this tick stands for, in nanoseconds. *lost_ns: what passed and is nobody's. */
static inline __attribute__((always_inline)) __u64 tick__take(struct cpu_ticks *cpu, const struct tick *t,
							      __u64 *lost_ns)
{
	__u64 last_ns = cpu->last_ns;
	__s64 value = (__s64)(t->now_ns - last_ns), away = (__s64)(t->away_ns - cpu->away_ns);
	int has_idled = t->n_idled != cpu->n_idled;

	cpu->last_ns = t->now_ns;
	cpu->away_ns = t->away_ns;
	cpu->n_idled = t->n_idled;
	cpu->n += !t->is_idle;
	*lost_ns = 0;
	if (last_ns <= t->resumed_ns) {
		value = (__s64)(t->now_ns - t->resumed_ns);
		away = 0;
	} else if (value > TICK_GAP_MAX_NS && !has_idled) {
		*lost_ns = (__u64)value - t->period_ns;
	}
	if (has_idled || t->is_idle || value > TICK_GAP_MAX_NS) {
		cpu->owed_ns = 0;
		return t->is_idle ? 0 : t->period_ns;
	}
	value -= away + cpu->owed_ns;
	cpu->owed_ns = value < 0 ? -value : 0;
	return value < 0 ? 0 : (__u64)value;
}

#endif
