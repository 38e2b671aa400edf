/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm_crowd SECONDS N [threads]: N processes (or threads of this one) at once, each asleep but for a tenth of a millisecond of work in
 * crowd_leaf < crowd_member < … every fifth of a second. Ready once all of them run;
 * processes say "children N CPU_NS" at the end.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

#define TURN_NS 200000000u
#define WORK_NS 100000u

static WORK_FN void crowd_leaf(uint64_t scale)
{
	work__spin(5 * scale);
}

static WORK_FN void *crowd_member(void *arg)
{
	struct work w = *(struct work *)arg;

	while (work__now_ns(CLOCK_MONOTONIC) < w.end_ns) {
		uint64_t end_ns = work__now_ns(CLOCK_THREAD_CPUTIME_ID) + WORK_NS;
		struct timespec turn = {.tv_nsec = TURN_NS};

		while (work__now_ns(CLOCK_THREAD_CPUTIME_ID) < end_ns) {
			work__go(&w);
			crowd_leaf(w.scale);
		}
		nanosleep(&turn, NULL);
	}
	return NULL;
}

static void start_thread(struct work *w)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	if (pthread_create(&thread, &attr, crowd_member, w)) {
		perror("pthread_create");
		exit(1);
	}
	pthread_attr_destroy(&attr);
}

static void start_process(struct work *w)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	crowd_member(w);
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct work w;

	if (!n) {
		fprintf(stderr, "usage: %s SECONDS N [threads]\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	for (unsigned long i = 0; i < n; i++) {
		w.random += i;
		if (argc > 3)
			start_thread(&w);
		else
			start_process(&w);
	}
	work__ready();
	crowd_member(&w);
	if (argc > 3)
		return work__done();
	while (waitpid(-1, NULL, 0) > 0)
		;
	printf("children %lu %llu\n", n, (unsigned long long)work__family_ns());
	return work__done();
}
