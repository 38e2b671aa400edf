/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tick - how much CPU time a tick of a CPU's clock stands for.
 *
 * Problem: a tick that stood for one period each time was 2-5 % too much on a busy virtual machine: the hypervisor takes the CPU away for parts of a
 *   period, which delays ticks or swallows them, and the kernel charges that time to no task. Where interrupts were off, ticks are
 *   swallowed too, but that time is the task's. A counter of cycles ticks by another time altogether: it stands still while the CPU does, and is as fast as the CPU is just now.
 * Idea: a tick stands for what passed on its CPU since the tick before, less what was away: the kernel keeps, for each CPU, a clock of all time (rq.clock) and one
 *   of the time that it charges to tasks (rq.clock_task); they differ by what hypervisors and, where the kernel accounts them, interrupts took.
 *   So the sum over ticks is what the kernel charged, to the length of one period at either end, however irregular the ticks are.
 *   Where the CPU was idle in between, a timer's tick is a sample of a point in time as ever and stands for one period: how long it idled is not told, and some
 *   kernels let no clock tick on a CPU that idles (seen on 6.18: on all but the first).
 *   Cycles went by only while it did not idle, so theirs stands for the time in which tasks ran, which the kernel adds up for each CPU (rq.rq_cpu_time), since the last tick that met a
 *   task. In between may be ticks of interrupts on the idle CPU, which are no task's. So a CPU that runs slowly, or little, has its own time, and no other's.
 * Invariants: what is taken off is never more than was there: the scheduler accounts some milliseconds late, and the rest is taken off the ticks that follow.
 *   What it accounts when a CPU leaves its idle task is of the idle time, and no tick's. After a gap that no clock had (CPU gone) the time is not known and nobody's.
 *   For how long tasks ran is as of the scheduler's last look, too. Its age at the first tick after an idle time is that of the next such tick on average; in between the time that
 *   passed is added to it.
 * Cost: a few loads from cache lines that the scheduler keeps warm.
 * What it does not do: say who had a gap, when the CPU was switched between tasks in it. Mostly interrupts are off in it, and it was whom the tick meets. Take off what a hypervisor
 *   had of a stretch with idle time, where the clock is cycles.
 */
#ifndef EVERPROF_BPF_TICK_H
#define EVERPROF_BPF_TICK_H

#include <linux/types.h>

/* A gap that is longer is no delay: there was no clock. */
#define TICK_GAP_MAX_NS 1000000000ll
/* The scheduler looks at its clock as often at least: two ticks of its own, of CONFIG_HZ=100. */
#define TICK_LOOK_MAX_NS 20000000ll

/* Value of map `cpu_ticks`, one per CPU. */
struct cpu_ticks {
	__u64 last_ns; /* of the last tick, idle ones too */
	__u64 n;       /* ticks of tasks, wanted or not … */
	__u64 sum_ns;  /* … and what they stood for */
	__u64 away_ns; /* of all time until then, what was no task's */
	__s64 owed_ns; /* of that, what is still to be taken off */
	__u64 n_idled; /* how often the CPU had left its idle task */
	__u64 run_ns;  /* as of the last tick of a task, for how long tasks had run; 0: not known */
};

/* A CPU as it is now. */
struct tick {
	__u64 now_ns;
	__u64 away_ns; /* of all time so far, what was no task's */
	__u64 n_idled; /* how often it has left its idle task */
	__u64 run_ns; /* for how long tasks have run, of a clock of cycles; 0: not known, or the clock is a timer */
	__u64 resumed_ns; /* when the clocks were turned on */
	__u64 period_ns;
	int is_idle;
};

/* For how long tasks ran since the last tick of one; 0: not known. The next one begins at this one. */
static inline __attribute__((always_inline)) __u64 tick__ran(struct cpu_ticks *cpu, const struct tick *t,
							     __u64 passed, int has_idled)
{
	__u64 before = cpu->run_ns, now = before + passed;
	__s64 off = (__s64)(t->run_ns - now);

	if (has_idled || !before ||
	    (t->run_ns &&
	     (off > TICK_LOOK_MAX_NS || off < -TICK_LOOK_MAX_NS))) /* the two clocks drift apart */
		now = t->run_ns;
	cpu->run_ns = now;
	return before && t->run_ns > before ? t->run_ns - before : 0;
}

/* Moves the CPU's clock on: what this tick stands for, in nanoseconds. *lost_ns: what passed and is nobody's. */
static inline __attribute__((always_inline)) __u64 tick__take(struct cpu_ticks *cpu, const struct tick *t,
							      __u64 *lost_ns)
{
	__s64 value = (__s64)(t->now_ns - cpu->last_ns), away = (__s64)(t->away_ns - cpu->away_ns);
	int has_idled = t->n_idled != cpu->n_idled;
	__u64 ran_ns;

	if (cpu->last_ns <= t->resumed_ns) {
		value = (__s64)(t->now_ns - t->resumed_ns);
		away = 0;
		cpu->run_ns = 0;
	}
	cpu->last_ns = t->now_ns;
	cpu->away_ns = t->away_ns;
	cpu->n_idled = t->n_idled;
	*lost_ns = 0;
	if (t->is_idle) {
		cpu->owed_ns = 0;
		return 0;
	}
	ran_ns = tick__ran(cpu, t, (__u64)value, has_idled);
	if (has_idled)
		value = (__s64)ran_ns;
	if (value > TICK_GAP_MAX_NS) {
		*lost_ns = (__u64)value - t->period_ns;
		value = 0;
	}
	if (has_idled || !value) {
		cpu->owed_ns = 0;
		value = value ? value : (__s64)t->period_ns;
	} else {
		value -= away + cpu->owed_ns;
		cpu->owed_ns = value < 0 ? -value : 0;
		value = value < 0 ? 0 : value;
	}
	cpu->n++;
	cpu->sum_ns += (__u64)value;
	return (__u64)value;
}

#endif
