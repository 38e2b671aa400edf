/* SPDX-License-Identifier: Apache-2.0 */
#include "user/base/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/io.h"

int memfd__new(const char *name, const void *bytes, size_t len, int *ret_fd)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

	if (fd < 0)
		return -errno;
	err = io__write_full(fd, bytes, len);
	if (!err && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		err = -errno;
	if (err)
		io__close(&fd);
	else
		*ret_fd = fd;
	return err;
}

int memfd__read(int fd, size_t limit, struct buf *to)
{
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : io__read_fd(fd, limit, to);
}
