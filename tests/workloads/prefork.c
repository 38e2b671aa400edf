/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefork SECONDS N: forks N children that never exec and work the tree of tree.h at the same time, each under prefork_child; says "child PID" for each, then
 * "ready". They go by the name "worker", as workers of servers do. The parent waits. Its "cpu_ns" is that of the parent; each child prints its own as "child_cpu_ns PID N".
 */
#include <sys/wait.h>

#include "tests/workloads/tree.h"

static WORK_FN void prefork_child(struct work *w)
{
	prctl(PR_SET_NAME, "worker");
	w->random ^= (uint64_t)getpid() << 32;
	while (work__go(w))
		tree_round(w->scale);
	printf("child_cpu_ns %d %llu\n", (int)getpid(),
	       (unsigned long long)work__now_ns(CLOCK_PROCESS_CPUTIME_ID));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? strtol(argv[2], NULL, 10) : 2;
	struct work w;

	if (n < 1 || n > 64) {
		fprintf(stderr, "%s: 1 to 64 children\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			prefork_child(&w);
			_exit(0);
		}
		printf("child %d\n", (int)pid);
		fflush(stdout);
	}
	work__ready();
	while (wait(NULL) > 0)
		;
	return work__done();
}
