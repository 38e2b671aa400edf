/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm_spawn SECONDS RATE MODE [PROGRAM ARGS...]: about RATE new processes a second, as many at a time as it takes.
 *
 *      fork    no exec: the child works half a millisecond in storm_fork_leaf < storm_fork < main and is gone
 *      exec    fork and exec of PROGRAM
 *      vfork   the same with vfork
 *      chain   this very process execs itself RATE times a second, working half a millisecond in storm_chain_leaf each time
 *
 * Says "children N CPU_NS": how many there were, and what they and this process, which makes them, used in all.
 */
#include <errno.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

#define CHILD_NS 500000u

static WORK_FN void storm_fork_leaf(uint64_t scale)
{
	work__spin(10 * scale);
}

static WORK_FN void storm_chain_leaf(uint64_t scale)
{
	work__spin(10 * scale);
}

static WORK_FN void storm_fork(struct work *w, void (*leaf)(uint64_t))
{
	uint64_t end_ns = work__now_ns(CLOCK_THREAD_CPUTIME_ID) + CHILD_NS;

	while (work__now_ns(CLOCK_THREAD_CPUTIME_ID) < end_ns) {
		work__go(w);
		leaf(w->scale);
	}
}

static void spawn(struct work *w, const char *mode, char **argv)
{
	pid_t pid;

	if (!strcmp(mode, "vfork")) {
		pid = vfork();
		if (!pid) {
			execv(argv[0], argv);
			_exit(127);
		}
	} else {
		pid = fork();
		if (!pid) {
			if (!strcmp(mode, "exec")) {
				execv(argv[0], argv);
				_exit(127);
			}
			storm_fork(w, storm_fork_leaf);
			_exit(0);
		}
	}
	if (pid < 0 && errno != EAGAIN) {
		perror("fork");
		exit(1);
	}
}

/* Sleeps until process number n is due. */
static void wait_for_turn(uint64_t start_ns, unsigned long n, unsigned long rate)
{
	uint64_t due = start_ns + n * 1000000000ull / rate;
	const struct timespec at = {.tv_sec = (time_t)(due / 1000000000u),
				    .tv_nsec = (long)(due % 1000000000u)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/*
 * argv[4] to argv[6]: when the chain ends, how many links it has already, and when it began. Turns are counted from there: sleeping as long after each piece of work would make rounds of a
 * length of their own, and where a third or a quarter of the profiler's period is close to that, one goes in step with the other for seconds.
 */
static int chain(struct work *w, unsigned long rate, char **argv, int argc)
{
	uint64_t end_ns = argc > 4 ? strtoull(argv[4], NULL, 10) : w->end_ns;
	unsigned long n = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
	uint64_t start_ns = argc > 6 ? strtoull(argv[6], NULL, 10) : work__now_ns(CLOCK_MONOTONIC);
	char end_text[32], n_text[32], start_text[32], self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len <= 0) {
		perror("readlink /proc/self/exe");
		return 1;
	}
	self[len] = '\0'; /* its own path: a process is named after the last part of what was executed */
	if (!n)
		work__ready();
	storm_fork(w, storm_chain_leaf);
	if (work__now_ns(CLOCK_MONOTONIC) >= end_ns) {
		printf("children %lu %llu\n", n, (unsigned long long)work__now_ns(CLOCK_PROCESS_CPUTIME_ID));
		return work__done();
	}
	wait_for_turn(start_ns, n + 1, rate);
	snprintf(end_text, sizeof(end_text), "%llu", (unsigned long long)end_ns);
	snprintf(n_text, sizeof(n_text), "%lu", n + 1);
	snprintf(start_text, sizeof(start_text), "%llu", (unsigned long long)start_ns);
	execl(self, argv[0], argv[1], argv[2], argv[3], end_text, n_text, start_text, (char *)NULL);
	perror("exec");
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long rate = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, n = 0;
	uint64_t start_ns;
	struct work w;

	if (argc < 4 || !rate || (strstr(argv[3], "exec") && argc < 5)) {
		fprintf(stderr, "usage: %s SECONDS RATE fork|exec|vfork|chain [PROGRAM ARGS]\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	if (!strcmp(argv[3], "chain"))
		return chain(&w, rate, argv, argc);
	work__ready();
	start_ns = work__now_ns(CLOCK_MONOTONIC);
	while (work__now_ns(CLOCK_MONOTONIC) < w.end_ns) {
		wait_for_turn(start_ns, ++n, rate);
		spawn(&w, argv[3], argv + 4);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	printf("children %lu %llu\n", n, (unsigned long long)work__family_ns());
	return work__done();
}
