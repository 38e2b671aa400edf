/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work - what every known-answer program shares: exact work, "ready", an end, and its own bill.
 *
 * Work is a chain of dependent multiplications: its time is latency, so neither the alignment of the loop nor the code around it
 * changes the price of a unit, and shares of CPU time are ratios of unit counts. Each round is scaled by a random
 * factor, so that no round length can march in step with the profiler's clock.
 *
 * A program prints "ready PID" once its stack is the one it promises, and "cpu_ns N" as its last word: the CPU time of the process
 * from exec to there, as the kernel accounts it.
 *
 * Owns: nothing. Thread: one struct work a thread. Limit: none. Errors: a wrong argument ends the program with 2.
 */
#ifndef EVERPROF_TESTS_WORKLOADS_WORK_H
#define EVERPROF_TESTS_WORKLOADS_WORK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A frame of its own under its own name, whatever the optimizer would like. */
#define WORK_FN __attribute__((noinline, noclone, noipa))

struct work {
	uint64_t end_ns;
	uint64_t random;
	uint32_t scale; /* of this round, 50 to 149 */
	uint32_t n_rounds;
};

static inline uint64_t work__now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* About 24 cycles each, in the frame of the caller. */
static inline __attribute__((always_inline)) void work__spin(uint64_t units)
{
	uint64_t x = 3;

	__asm__ volatile(".p2align 6\n"
			 "1:\n\t"
			 "imul %1, %1\n\timul %1, %1\n\timul %1, %1\n\timul %1, %1\n\t"
			 "imul %1, %1\n\timul %1, %1\n\timul %1, %1\n\timul %1, %1\n\t"
			 "dec %0\n\t"
			 "jnz 1b"
			 : "+r"(units), "+r"(x)
			 :
			 : "cc");
}

/* argv[1]: seconds to run, decimals allowed. */
static inline void work__init(struct work *w, int argc, char **argv)
{
	char *end = NULL;
	double seconds = argc > 1 ? strtod(argv[1], &end) : 5;

	if (argc > 1 && (end == argv[1] || *end || !(seconds >= 0 && seconds < 86400))) {
		fprintf(stderr, "%s: '%s' is not a number of seconds\n", argv[0], argv[1]);
		exit(2);
	}
	/* a test that dies takes its workloads along */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w->end_ns = work__now_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
	w->random = 0x9e3779b97f4a7c15u ^ (uint64_t)getpid() << 20 ^ w->end_ns;
	w->n_rounds = 0;
	w->scale = 100;
}

static inline void work__ready(void)
{
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
}

/* Draws the scale of the next round; false once the time is over (asked every 8th round: the clock costs nothing). */
static inline __attribute__((always_inline)) bool work__go(struct work *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	w->scale = 50 + (uint32_t)((w->random >> 32) % 100);
	return (++w->n_rounds & 7) || work__now_ns(CLOCK_MONOTONIC) < w->end_ns;
}

/* What this process used and its children that have ended, forks of theirs and ours included. */
static inline uint64_t work__family_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u +
	       work__now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline int work__done(void)
{
	printf("cpu_ns %llu\n", (unsigned long long)work__now_ns(CLOCK_PROCESS_CPUTIME_ID));
	fflush(stdout);
	return 0;
}

#endif
