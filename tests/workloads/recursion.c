/* SPDX-License-Identifier: Apache-2.0 */
/* recursion SECONDS DEPTH: `bottom` spins below exactly DEPTH frames of `recurse`. */
#include "tests/workloads/work.h"

static WORK_FN void bottom(struct work *w)
{
	while (work__go(w))
		work__spin(100 * w->scale);
}

static WORK_FN void recurse(struct work *w, long n)
{
	if (n > 1)
		recurse(w, n - 1);
	else
		bottom(w);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	long depth = argc > 2 ? strtol(argv[2], NULL, 10) : 100;
	struct work w;

	if (depth < 1 || depth > 100000) {
		fprintf(stderr, "%s: depth 1 to 100000\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	work__ready();
	recurse(&w, depth);
	return work__done();
}
