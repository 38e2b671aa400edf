/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_in_place SECONDS PROGRAM: works for half of the time in before_leaf < before_exec < main, then becomes PROGRAM, under the same pid, for
 * the other half.
 */
#include "tests/workloads/work.h"

static WORK_FN void before_leaf(uint64_t scale)
{
	work__spin(100 * scale);
}

static WORK_FN void before_exec(struct work *w)
{
	while (work__go(w))
		before_leaf(w->scale);
}

int main(int argc, char **argv)
{
	char rest[32];
	struct work w;
	double half_s;

	if (argc != 3) {
		fprintf(stderr, "usage: %s SECONDS PROGRAM\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	half_s = strtod(argv[1], NULL) / 2;
	w.end_ns -= (uint64_t)(half_s * 1e9);
	work__ready();
	before_exec(&w);
	snprintf(rest, sizeof(rest), "%.3f", half_s);
	execl(argv[2], argv[2], rest, (char *)NULL);
	perror(argv[2]);
	return 1;
}
