/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm_mappings SECONDS N [churn]: N executable mappings of a file that differ in offset, so that the kernel cannot join them; then works in
 * mapped_leaf < mapped_run < main. With "churn" each round also takes one away and maps it again.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/workloads/work.h"

#define PAGE 4096

static WORK_FN void mapped_leaf(uint64_t scale)
{
	work__spin(200 * scale);
}

static void *map_one(int fd, void *at)
{
	/* always the same page: two neighbours never go on where the other ends */
	void *p = mmap(at, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static WORK_FN void mapped_run(struct work *w, int fd, char *area, unsigned long n, bool churn)
{
	while (work__go(w)) {
		mapped_leaf(w->scale);
		if (churn) {
			char *at = area + w->random % n * PAGE;

			munmap(at, PAGE);
			map_one(fd, at);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct work w;
	char *area;
	int fd;

	if (!n) {
		fprintf(stderr, "usage: %s SECONDS N [churn]\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	area = mmap(NULL, n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fd < 0 || area == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (unsigned long i = 0; i < n; i++)
		map_one(fd, area + i * PAGE);
	work__ready();
	mapped_run(&w, fd, area, n, argc > 3);
	return work__done();
}
