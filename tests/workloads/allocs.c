/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocs WAY SECONDS: allocates known amounts from known functions, and says how much.
 *
 *      way        what it does
 *      steady     small blocks all the time, a large one after each tenth
 *      spin       the same as fast as work of half a microsecond between them lets it
 *      burst      300 small blocks at once every 10 ms by the clock, then sleeps
 *      tiny       of 1 to 16 bytes, by malloc, calloc and realloc of nothing: calls that lead to each other
 *      behind     small blocks, by a function in whose frame the return address of an earlier call lies that nothing is written over
 *      large      1 MiB, 500 times a second
 *      threads    steady, in three threads
 *      aligned    posix_memalign, aligned_alloc
 *      idle       nothing at all
 *
 * At its end it prints a line for each function: truth FUNCTION OBJECTS BYTES
 */
#include <pthread.h>

#include "tests/workloads/work.h"

#define N_THREADS   3
#define SMALL_BYTES 48
#define LARGE_BYTES 15000
#define HUGE_BYTES  (1u << 20)
#define BURST       300
#define BURST_NS    10000000ull

struct bill {
	unsigned long long objects, bytes;
};

static struct work work;
static struct bill small_bill, large_bill;
static void *volatile block; /* so that no compiler sees through it */

static void note(struct bill *b, size_t bytes)
{
	__atomic_fetch_add(&b->objects, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&b->bytes, bytes, __ATOMIC_RELAXED);
}

WORK_FN void take_small(size_t bytes)
{
	void *volatile p = malloc(bytes);

	free(p);
	note(&small_bill, bytes);
}

WORK_FN void take_large(size_t bytes)
{
	void *volatile p = calloc(3, bytes / 3);

	free(p);
	note(&large_bill, bytes / 3 * 3);
}

/* Calls that a C library answers by calling, or jumping to, malloc. */
WORK_FN void take_nested(size_t bytes)
{
	void *volatile p = realloc(NULL, bytes);

	free(p);
	note(&small_bill, bytes);
}

WORK_FN void take_aligned(size_t bytes)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, bytes))
		abort();
	block = p;
	free(block);
	note(&small_bill, bytes);
	/* 16 is what malloc gives anyway */
	block = aligned_alloc(16, LARGE_BYTES / 16 * 16);
	free(block);
	note(&large_bill, LARGE_BYTES / 16 * 16);
}

/* Its frame is small, so that what calloc returned to is left in the middle of take_behind's. */
WORK_FN void take_before(size_t bytes)
{
	volatile char small[64];

	small[0] = 0;
	block = calloc(3, bytes / 3);
	small[63] = small[0];
	note(&large_bill, bytes / 3 * 3);
}

WORK_FN void take_behind(int n)
{
	volatile char hole[256];

	hole[0] = 0;
	while (n--) {
		void *volatile p = malloc(SMALL_BYTES);

		free(p);
		note(&small_bill, SMALL_BYTES);
		work__spin(100);
	}
	hole[255] = hole[0];
}

static void nap(uint64_t ns)
{
	const struct timespec t = {.tv_nsec = (long)ns};

	nanosleep(&t, NULL);
}

static bool is_over(void)
{
	return work__now_ns(CLOCK_MONOTONIC) >= work.end_ns;
}

static void *steady(void *pause_ns)
{
	while (!is_over()) {
		for (int i = 0; i < 20; i++) {
			take_small(SMALL_BYTES);
			if (i % 10 == 0)
				take_large(LARGE_BYTES);
			work__spin(100);
		}
		if (*(uint64_t *)pause_ns)
			nap(*(uint64_t *)pause_ns);
	}
	return NULL;
}

static void burst(void)
{
	uint64_t next = work__now_ns(CLOCK_MONOTONIC);

	while (!is_over()) {
		struct timespec at;

		for (int i = 0; i < BURST; i++) {
			take_small(SMALL_BYTES);
			work__spin(50);
		}
		next += BURST_NS;
		at = (struct timespec){(time_t)(next / 1000000000u), (long)(next % 1000000000u)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
}

static void tiny(void)
{
	while (!is_over())
		for (int i = 0; i < 48; i++) {
			take_small((size_t)i % 16 + 1);
			take_nested((size_t)i % 16 + 1);
			take_large((size_t)i % 16 + 3);
			work__spin(100);
		}
}

static void behind(void)
{
	while (!is_over()) {
		take_before(SMALL_BYTES);
		take_behind(40);
		free(block);
		nap(200000);
	}
}

static void large(void)
{
	while (!is_over()) {
		take_small(HUGE_BYTES);
		nap(2000000);
	}
}

static void threads(void)
{
	uint64_t pause_ns = 300000;
	pthread_t ids[N_THREADS];

	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&ids[i], NULL, steady, &pause_ns);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(ids[i], NULL);
}

static void aligned(void)
{
	while (!is_over()) {
		for (int i = 0; i < 20; i++) {
			take_aligned(SMALL_BYTES);
			work__spin(100);
		}
		nap(100000);
	}
}

int main(int argc, char **argv)
{
	uint64_t none = 0, some = 200000;

	work__init(&work, argc - 1, argv + 1);
	work__ready();
	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "steady"))
		steady(&some);
	else if (!strcmp(argv[1], "spin"))
		steady(&none);
	else if (!strcmp(argv[1], "burst"))
		burst();
	else if (!strcmp(argv[1], "tiny"))
		tiny();
	else if (!strcmp(argv[1], "behind"))
		behind();
	else if (!strcmp(argv[1], "large"))
		large();
	else if (!strcmp(argv[1], "threads"))
		threads();
	else if (!strcmp(argv[1], "aligned"))
		aligned();
	else if (!strcmp(argv[1], "idle"))
		sleep((unsigned int)atoi(argc > 2 ? argv[2] : "1"));
	else
		return 2;
	printf("truth small %llu %llu\n", small_bill.objects, small_bill.bytes);
	printf("truth large %llu %llu\n", large_bill.objects, large_bill.bytes);
	return work__done();
}
