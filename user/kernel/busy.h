/* SPDX-License-Identifier: Apache-2.0 */
/*
 * busy - how much time a tick of a cycle counter stands for.
 *
 * A timer ticks by time, so each of its ticks is one period. Hardware cycles stop on a halted CPU and run at whatever frequency the CPU has; the
 * kernel adapts the counter so that a CPU *about* keeps the frequency that was asked for. So the ticks of all tasks in a stretch of time are set against
 * the time that the kernel itself says the CPUs were busy, and each tick is worth its share: shares come from cycles, the sum is time.
 *
 * Owns: nothing. Thread: one owner. Limit: none. Errors: -errno of reading; the value of a tick then stays what it was.
 * Reference: proc(5), /proc/stat: idle, iowait and steal are exact to a tick of USER_HZ.
 */
#ifndef EVERPROF_KERNEL_BUSY_H
#define EVERPROF_KERNEL_BUSY_H

#include <stddef.h>
#include <stdint.h>

struct busy {
	uint64_t seen_ns, seen_away_ns, seen_ticks; /* at the last reading; 0: none yet */
	double busy_ns, ticks;                      /* sums in which older slices count less and less */
};

/* Idle, waiting for disks, and stolen by the hypervisor: the time of all CPUs in which no task ran, since boot. Pure. */
int parse_proc_stat_away(const char *text, size_t len, uint64_t *ret_ns);
int read_proc_stat_away(const char *proc_root, uint64_t *ret_ns);
/* A slice more: now (CLOCK_MONOTONIC), time away and ticks so far, both of n_cpus together. */
void busy__add(struct busy *b, uint64_t now_ns, uint64_t away_ns, uint64_t ticks, uint32_t n_cpus);
/* Likewise, but the clocks were off in it: CPUs were busy without a tick. */
void busy__skip(struct busy *b, uint64_t now_ns, uint64_t away_ns, uint64_t ticks);
/* Ticks are of another frequency from the last reading on: what they were worth says nothing of what they are. */
void busy__forget(struct busy *b);
/* Nanoseconds that one tick stands for; period_ns while there is too little to tell. */
uint64_t busy__tick_ns(const struct busy *b, uint64_t period_ns);
/* The ticks of all CPUs so far. */
int busy__read_ticks(int cpu_ticks_fd, uint64_t *ret_ticks);

#endif
