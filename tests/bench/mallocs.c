// SPDX-License-Identifier: Apache-2.0
/*
 * mallocs N [THREADS]: N thousand pairs of malloc and free of 64 bytes in each thread, and nothing else.
 * mallocs: as many as each line of its input says, and then an empty line: for who wants the same again from one process, because two differ by where they lie in memory.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64

static void *run(void *ctx)
{
	for (uint64_t i = *(uint64_t *)ctx * 1000; i--;) {
		void *volatile p = malloc(64);

		free(p);
	}
	return NULL;
}

static int answer(void)
{
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		uint64_t n = strtoull(line, NULL, 10);

		run(&n);
		if (puts("") < 0 || fflush(stdout))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	unsigned long n_threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	pthread_t threads[THREADS_MAX];

	if (argc < 2)
		return answer();
	if (!n_threads || n_threads > THREADS_MAX)
		return 2;
	for (unsigned long i = 1; i < n_threads; i++)
		if (pthread_create(&threads[i], NULL, run, &n))
			return 1;
	run(&n);
	for (unsigned long i = 1; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
