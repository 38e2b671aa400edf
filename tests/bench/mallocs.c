// SPDX-License-Identifier: Apache-2.0
/* mallocs SECONDS: pairs of malloc and free of 64 bytes, as many as go, and nothing else. Prints millions a second. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
	uint64_t began = now_ns(), end = began + (uint64_t)(seconds * 1e9), at = began, n = 0;

	for (; at < end; at = now_ns(), n += 1000)
		for (int i = 0; i < 1000; i++) {
			void *volatile p = malloc(64);

			free(p);
		}
	printf("%.4f\n", (double)n * 1e3 / (double)(at - began));
	return 0;
}
