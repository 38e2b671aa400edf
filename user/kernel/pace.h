/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace - how many cycles make a second, so that a counter of cycles ticks as often as was asked for.
 *
 * What a tick is worth is told with it (bpf/tick.h), so this decides about detail only, not about values. A period that is the same for all CPUs meets each as often as it works: the
 * kernel's own way (perf_event_attr.freq) gives a CPU that is idle for nine tenths of the time as many samples as one that never is, by periods that follow what just ran.
 *
 * Owns: nothing. Thread: one owner. Limit: PACE_MIN to PACE_MAX. Errors: -errno of reading.
 */
#ifndef EVERPROF_KERNEL_PACE_H
#define EVERPROF_KERNEL_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_MIN   100000000ull
#define PACE_START 3000000000ull /* until it is known; no CPU of today is twice as fast */
#define PACE_MAX   10000000000ull

struct pace {
	uint64_t cycles_per_s;
	uint64_t seen_ticks, seen_ns; /* from when on ticks are of this pace */
	bool is_seen;
};

void pace__init(struct pace *p);
/* All ticks so far, and what they stood for; a tick was to be one period. True: ticks come too often or too seldom, and the pace is another one from here on. */
bool pace__judge(struct pace *p, uint64_t ticks, uint64_t ns, uint64_t period_ns);
/* Ticks are of another period from the next reading on. */
void pace__forget(struct pace *p);
/* Of all CPUs. */
int pace__read(int cpu_ticks_fd, uint64_t *ret_ticks, uint64_t *ret_ns);

#endif
