/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/proc_file.h"
#include "user/process/namespace.h"

int parse_namespace_link(const char *text, const char *type, uint64_t *ret_id)
{
	size_t n = strlen(type);
	uint64_t v = 0;
	const char *p;

	if (strncmp(text, type, n) != 0 || text[n] != ':' || text[n + 1] != '[')
		return -EBADMSG;
	p = text + n + 2;
	if (*p < '0' || *p > '9')
		return -EBADMSG;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return -EBADMSG;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	if (p[0] != ']' || p[1] != '\0')
		return -EBADMSG;
	*ret_id = v;
	return 0;
}

int namespace__open_root(uint32_t pid, int pid_dir_fd, int *ret_fd)
{
	int err = proc_file__open(pid, pid_dir_fd, "root", O_PATH | O_DIRECTORY, ret_fd);

	return err == -ENOENT ? -ESRCH : err;
}
