/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall_heavy SECONDS [getppid]: nearly all of its time is the kernel's: reading zeros in large pieces, or the cheapest of system calls:
 *
 *      (kernel … vfs_read, ksys_read …) < read in the C library < read_zeros < main
 */
#include <fcntl.h>

#include "tests/workloads/work.h"

static WORK_FN void read_zeros(int fd, char *bytes, size_t len)
{
	for (int i = 0; i < 20; i++)
		if (read(fd, bytes, len) != (ssize_t)len)
			exit(1);
}

static WORK_FN void ask_parent(void)
{
	for (int i = 0; i < 2000; i++)
		getppid();
}

int main(int argc, char **argv)
{
	bool cheap = argc > 2 && !strcmp(argv[2], "getppid");
	static char bytes[64 * 1024];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct work w;

	work__init(&w, argc, argv);
	if (fd < 0) {
		perror("/dev/zero");
		return 1;
	}
	work__ready();
	while (work__go(&w)) {
		if (cheap)
			ask_parent();
		else
			read_zeros(fd, bytes, sizeof(bytes));
	}
	return work__done();
}
