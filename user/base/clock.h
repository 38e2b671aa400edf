/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - the three clocks of the kernel in nanoseconds, and their names in UTC.
 *
 * Samples and events carry CLOCK_MONOTONIC; files are named by CLOCK_REALTIME; /proc tells starts in CLOCK_BOOTTIME.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_BASE_CLOCK_H
#define EVERPROF_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS  1000000ull

uint64_t clock__mono_ns(void);
uint64_t clock__boot_ns(void);
uint64_t clock__real_ns(void);
uint64_t clock__thread_cpu_ns(void);
uint64_t clock__process_cpu_ns(void);
/*
 * Until when something may go on: of this thread's CPU time, and of all time, since some wait for others and use none.
 */
struct clock_limit {
	uint64_t thread_cpu_ns, mono_ns;
};
struct clock_limit clock__limit(uint64_t cpu_ns, uint64_t all_ns); /* from now on */
bool clock__is_past(const struct clock_limit *l);
/* What to add to a monotonic time now to get the wall clock. */
int64_t clock__mono_to_real_ns(void);
/* "2026-01-31" and "235959" of the UTC second that holds real_ns. */
void clock__format_date(uint64_t real_ns, char ret_date[11]);
void clock__format_hms(uint64_t real_ns, char ret_hms[7]);

#endif
