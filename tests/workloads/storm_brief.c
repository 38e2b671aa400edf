/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm_brief [MS]: works MS (0.2) milliseconds of CPU in brief_leaf < brief_run < main and is gone. Built with and without a loader.
 *
 * With a second argument it removes its own file first, or, where that is "replace", puts another file in its place.
 */
#include <fcntl.h>

#include "tests/workloads/work.h"

static WORK_FN void brief_leaf(uint64_t scale)
{
	work__spin(5 * scale);
}

static WORK_FN void brief_run(struct work *w, uint64_t cpu_ns)
{
	uint64_t end_ns =
		work__now_ns(CLOCK_PROCESS_CPUTIME_ID) + cpu_ns; /* fork and exec are on the clock already */

	while (work__now_ns(CLOCK_PROCESS_CPUTIME_ID) < end_ns) {
		work__go(w);
		brief_leaf(w->scale);
	}
}

static void lose_file(const char *path, bool replace)
{
	int fd;

	unlink(path);
	if (!replace)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
	if (fd < 0 || write(fd, "something else", 14) != 14)
		_exit(1);
	close(fd);
}

int main(int argc, char **argv)
{
	double ms = argc > 1 ? strtod(argv[1], NULL) : 0.2;
	struct work w = {.random = 1, .scale = 100};

	if (argc > 2)
		lose_file(argv[0], !strcmp(argv[2], "replace"));
	brief_run(&w, (uint64_t)(ms * 1e6));
	return 0;
}
