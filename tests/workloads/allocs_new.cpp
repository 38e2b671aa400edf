/* SPDX-License-Identifier: Apache-2.0 */
/* allocs_new SECONDS: operator new and new[], which call the C library's malloc or an allocator's own. Says how much, as allocs does. */
#include <new>
#include <vector>

#include "tests/workloads/work.h"

static struct work work;
static unsigned long long n_small, n_large;
static void *volatile block;

WORK_FN void take_small()
{
	block = ::operator new(48);
	::operator delete(block);
	n_small++;
}

WORK_FN void take_large()
{
	block = ::operator new[](15000);
	::operator delete[](block);
	n_large++;
}

int main(int argc, char **argv)
{
	const struct timespec pause = {0, 200000};

	work__init(&work, argc, argv);
	work__ready();
	while (work__now_ns(CLOCK_MONOTONIC) < work.end_ns) {
		for (int i = 0; i < 20; i++) {
			take_small();
			if (i % 10 == 0)
				take_large();
			work__spin(100);
		}
		nanosleep(&pause, nullptr);
	}
	printf("truth small %llu %llu\n", n_small, n_small * 48);
	printf("truth large %llu %llu\n", n_large, n_large * 15000);
	return work__done();
}
