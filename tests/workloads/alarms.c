/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alarms WAY SECONDS N: N processes, of which something is wrong with one, or with all.
 *
 *      way        what happens
 *      spike      all sleep; after 8 s the one that "chosen PID" names works for 5 s in spike_leaf, below spike_caller
 *      crowd      all sleep; after 8 s each takes 3 MiB to 6 MiB in the same moment: the higher its number, the more
 *      leak       the one that "chosen PID" names takes 1 MiB four times a second
 *      sawtooth   the one that "chosen PID" names does that for 3 s, and gives it all back
 *      hover      the one that "chosen PID" names has 20 MiB and 22 MiB in turns of 2 s
 *
 * Processes are named alarm-<way>. Memory is touched, and is theirs alone.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

#define MIB       ((size_t)1 << 20)
#define DELAY_S   8
#define BURN_S    5
#define N_MAX     400
#define LEAKS_MAX 1024

static void nap(uint64_t ns)
{
	const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

	nanosleep(&t, NULL);
}

WORK_FN static char *take(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	memset(p, 1, bytes);
	return p;
}

WORK_FN static void spike_leaf(uint64_t units)
{
	work__spin(units);
}

WORK_FN static void spike_caller(uint64_t end_ns)
{
	while (work__now_ns(CLOCK_MONOTONIC) < end_ns) {
		spike_leaf(100000);
		__asm__ volatile("");
	}
}

WORK_FN static void saw(uint64_t end_ns, bool gives_back)
{
	char *taken[LEAKS_MAX];
	int n = 0;

	while (work__now_ns(CLOCK_MONOTONIC) < end_ns) {
		if (n < LEAKS_MAX)
			taken[n++] = take(MIB);
		nap(250000000);
		while (gives_back && n >= 12)
			for (; n; n--)
				munmap(taken[n - 1], MIB);
	}
}

static void hover(uint64_t end_ns)
{
	take(20 * MIB);
	while (work__now_ns(CLOCK_MONOTONIC) < end_ns) {
		char *more = take(2 * MIB);

		nap(2000000000);
		munmap(more, 2 * MIB);
		nap(2000000000);
	}
}

/* The process with this number does its part until the end. */
static void play(const char *way, int number, int n, uint64_t start_ns, uint64_t end_ns)
{
	char name[16];
	bool chosen = number == n / 2;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(name, sizeof(name), "alarm-%s", way);
	prctl(PR_SET_NAME, name);
	if (!strcmp(way, "leak") && chosen)
		saw(end_ns, false);
	if (!strcmp(way, "sawtooth") && chosen)
		saw(end_ns, true);
	if (!strcmp(way, "hover") && chosen)
		hover(end_ns);
	nap(start_ns + DELAY_S * 1000000000ull - work__now_ns(CLOCK_MONOTONIC));
	if (!strcmp(way, "crowd"))
		take(3 * MIB + 3 * MIB * (size_t)number / (size_t)n);
	if (!strcmp(way, "spike") && chosen)
		spike_caller(start_ns + (DELAY_S + BURN_S) * 1000000000ull);
	while (work__now_ns(CLOCK_MONOTONIC) < end_ns)
		nap(100000000);
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	int n = argc > 3 ? atoi(argv[3]) : 1;
	uint64_t start_ns = work__now_ns(CLOCK_MONOTONIC);
	struct work w;

	if (n < 1 || n > N_MAX) {
		fprintf(stderr, "usage: alarms WAY SECONDS N\n");
		return 2;
	}
	work__init(&w, argc - 1, argv + 1);
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid)
			play(way, i, n, start_ns, w.end_ns);
		if (i == n / 2)
			printf("chosen %d\n", (int)pid);
	}
	work__ready();
	while (wait(NULL) > 0)
		;
	return work__done();
}
