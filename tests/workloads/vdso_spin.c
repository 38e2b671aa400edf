/* SPDX-License-Identifier: Apache-2.0 */
/* vdso_spin SECONDS: asks for the time over and over: (vDSO) < clock_gettime in the C library < ask_time < main. */
#include "tests/workloads/work.h"

static WORK_FN void ask_time(void)
{
	struct timespec ts;

	for (int i = 0; i < 2000; i++)
		clock_gettime(CLOCK_MONOTONIC, &ts);
}

int main(int argc, char **argv)
{
	struct work w;

	work__init(&w, argc, argv);
	work__ready();
	while (work__go(&w))
		ask_time();
	return work__done();
}
