/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creator THREADS PROCESSES: makes so many of each, one after the other with a second after the first two, and waits for each to end:
 *
 *      pthread_create < thread_maker < main
 *      fork < process_maker < main
 */
#include <pthread.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

static void *thread_body(void *arg)
{
	return arg;
}

static WORK_FN int thread_maker(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, thread_body, NULL) || pthread_join(t, NULL);
}

static WORK_FN int process_maker(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid < 0 || waitpid(pid, NULL, 0) != pid;
}

int main(int argc, char **argv)
{
	int err = 0;

	if (argc != 3)
		return 2;
	prctl(PR_SET_NAME, "maker");
	err = thread_maker() || process_maker();
	sleep(1); /* what these two met is known by now */
	for (int i = atoi(argv[1]) - 1; i > 0 && !err; i--)
		err = thread_maker();
	for (int i = atoi(argv[2]) - 1; i > 0 && !err; i--)
		err = process_maker();
	return err;
}
