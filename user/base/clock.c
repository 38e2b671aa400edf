// SPDX-License-Identifier: Apache-2.0
#include "user/base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts = {0};

	/* These clocks exist on every kernel that we run on: a failure would be a bug of ours, and gives 0. */
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock__mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

uint64_t clock__boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

uint64_t clock__real_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

uint64_t clock__thread_cpu_ns(void)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock__process_cpu_ns(void)
{
	return now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

struct clock_limit clock__limit(uint64_t cpu_ns, uint64_t all_ns)
{
	return (struct clock_limit){.thread_cpu_ns = clock__thread_cpu_ns() + cpu_ns,
				    .mono_ns = clock__mono_ns() + all_ns};
}

bool clock__is_past(const struct clock_limit *l)
{
	return clock__mono_ns() > l->mono_ns || clock__thread_cpu_ns() > l->thread_cpu_ns;
}

/* Two clocks cannot be read at once. The wall clock is read between two monotonic readings, a few times, and the tightest
 * pair counts: a preemption in between then costs nothing. */
int64_t clock__mono_to_real_ns(void)
{
	uint64_t best_gap_ns = UINT64_MAX;
	int64_t offset_ns = 0;

	for (int i = 0; i < 5; i++) {
		uint64_t before_ns = clock__mono_ns();
		uint64_t real_ns = clock__real_ns();
		uint64_t gap_ns = clock__mono_ns() - before_ns;

		if (gap_ns >= best_gap_ns)
			continue;
		best_gap_ns = gap_ns;
		offset_ns = (int64_t)(real_ns - (before_ns + gap_ns / 2));
	}
	return offset_ns;
}

static void utc(uint64_t real_ns, struct tm *ret_tm)
{
	time_t seconds = (time_t)(real_ns / NS_PER_SEC);

	*ret_tm = (struct tm){0};
	gmtime_r(&seconds, ret_tm);
}

/* The remainders change nothing in a valid date; they show the compiler that the text fits. */
void clock__format_date(uint64_t real_ns, char ret_date[11])
{
	struct tm tm;

	utc(real_ns, &tm);
	snprintf(ret_date, 11, "%04u-%02u-%02u", ((unsigned int)tm.tm_year + 1900) % 10000,
		 ((unsigned int)tm.tm_mon + 1) % 100, (unsigned int)tm.tm_mday % 100);
}

void clock__format_hms(uint64_t real_ns, char ret_hms[7])
{
	struct tm tm;

	utc(real_ns, &tm);
	snprintf(ret_hms, 7, "%02u%02u%02u", (unsigned int)tm.tm_hour % 100, (unsigned int)tm.tm_min % 100,
		 (unsigned int)tm.tm_sec % 100);
}
