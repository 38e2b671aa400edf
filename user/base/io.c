// SPDX-License-Identifier: Apache-2.0
/*
 * Problem    We read files as root whose name may lead to a FIFO or a device (those of programs, and what lies below their roots: far_file). And we write files that somebody reads while we are killed.
 *
 * Idea       Reading: a name is first resolved to an O_PATH descriptor, which touches nothing but the inode; only when that is a regular file is it
 *            opened, through /proc/self/fd, so that what was looked at is what is read.
 *            Writing: temporary name, fsync, a rename that refuses to replace, fsync of the folder.
 *
 * Invariants A visible name has all of its bytes. A failed write leaves no temporary file; a killed one leaves a name that starts with
 *            IO_TMP_PREFIX.
 *
 * Cost       Four system calls an opening instead of one; two fsyncs a file written.
 *
 * What it does not do  A network file system that has neither RENAME_NOREPLACE nor hard links is not written to.
 *
 * Reference  renameat2(2), open(2) on O_PATH.
 */
#include "user/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/clock.h"

#define READ_CHUNK_MIN (16u << 10)
#define READ_CHUNK_MAX (1u << 20)
#define TMP_NAME_TRIES 16
#define TMP_NAME_MAX   64

bool io__is_passing(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EIO;
}

void io__limit_files(unsigned n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max < n ? limit.rlim_max : n;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void io__close(int *fd)
{
	int saved_errno = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = FD_CLOSED;
	errno = saved_errno;
}

/* ---- reading ---- */

int io__pread_full(int fd, void *bytes, size_t len, uint64_t offset)
{
	uint8_t *to = bytes;

	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -EINVAL;
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static ssize_t read_some(int fd, void *to, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, to, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The size is only a hint: files of /proc say 0, sparse ones say anything, and a file may grow while it is read. */
static size_t first_chunk(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < READ_CHUNK_MIN)
		return READ_CHUNK_MIN;
	return st.st_size < READ_CHUNK_MAX ? (size_t)st.st_size + 1 : READ_CHUNK_MAX;
}

int io__read_fd(int fd, size_t limit, struct buf *to)
{
	size_t start = to->len, chunk = first_chunk(fd);
	size_t left = to->limit > to->len ? to->limit - to->len : 0;
	ssize_t n;

	if (buf__err(to))
		return buf__err(to);
	if (limit < left)
		left = limit;
	while (left) {
		size_t want = chunk < left ? chunk : left;
		void *place = buf__reserve(to, want);

		if (!place)
			return buf__err(to);
		n = read_some(fd, place, want);
		if (n <= 0)
			goto out;
		to->len += (size_t)n;
		left -= (size_t)n;
		if (chunk < READ_CHUNK_MAX / 2)
			chunk *= 2;
	}
	/* At the limit: is this the end as well? */
	n = read_some(fd, &(char){0}, 1);
	if (n > 0)
		n = -E2BIG;
out:
	if (n < 0)
		to->len = start;
	return (int)n;
}

int io__read_at(int dir_fd, const char *path, size_t limit, struct buf *to)
{
	int fd, err;

	err = io__open_regular(dir_fd, path, &fd);
	if (err)
		return err;
	err = io__read_fd(fd, limit, to);
	io__close(&fd);
	return err;
}

int io__open_resolved(int path_fd, int *ret_fd)
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int io__open_regular(int dir_fd, const char *path, int *ret_fd)
{
	int path_fd = openat(dir_fd, path, O_PATH | O_CLOEXEC), err = 0;
	struct stat st;

	if (path_fd < 0)
		return -errno;
	if (fstat(path_fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else
		err = io__open_resolved(path_fd, ret_fd);
	io__close(&path_fd);
	return err;
}

bool io__leads_to(int dir_fd, const char *path, int fd)
{
	struct stat there, ours;

	return fstat(fd, &ours) == 0 && fstatat(dir_fd, path, &there, 0) == 0 &&
	       there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

/* ---- writing ---- */

int io__write_full(int fd, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	while (len) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

static int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) != 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int io__mkdir_p(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	int err;

	if (len == 0)
		return -ENOENT;
	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/' || part[i - 1] == '/')
			continue;
		part[i] = '\0';
		err = make_dir(part, mode);
		if (err)
			return err;
		part[i] = '/';
	}
	return make_dir(part, mode);
}

static int create_tmp(int dir_fd, mode_t mode, char ret_name[TMP_NAME_MAX], int *ret_fd)
{
	for (int i = 0; i < TMP_NAME_TRIES; i++) {
		char name[TMP_NAME_MAX];
		uint64_t id;
		int fd;

		if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != (ssize_t)sizeof(id))
			id = clock__real_ns() ^ (uint64_t)getpid() << 40;
		snprintf(name, sizeof(name), IO_TMP_PREFIX "%016llx", (unsigned long long)id);
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0) {
			memcpy(ret_name, name, sizeof(name));
			*ret_fd = fd;
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* A file system without RENAME_NOREPLACE says EINVAL; a hard link refuses to replace just as well, in two steps. */
static int rename_new(int dir_fd, const char *from, const char *to)
{
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -errno;
	if (linkat(dir_fd, from, dir_fd, to, 0) != 0)
		return -errno;
	unlinkat(dir_fd, from, 0);
	return 0;
}

static int sync_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	/* EINVAL: a file system where a folder cannot be synced; then its own rules are all there is. */
	if (fsync(fd) != 0 && errno != EINVAL)
		err = -errno;
	io__close(&fd);
	return err;
}

static int write_file(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode, bool replace)
{
	char tmp[TMP_NAME_MAX];
	int fd = FD_CLOSED, err;

	if (name[0] == '\0' || strchr(name, '/'))
		return -EINVAL;
	err = create_tmp(dir_fd, mode, tmp, &fd);
	if (err)
		return err;
	err = io__write_full(fd, bytes, len);
	if (!err && fsync(fd) != 0)
		err = -errno;
	/* NFS reports a full disk here */
	if (close(fd) != 0 && !err && errno != EINTR)
		err = -errno;
	if (!err && replace)
		err = renameat(dir_fd, tmp, dir_fd, name) == 0 ? 0 : -errno;
	else if (!err)
		err = rename_new(dir_fd, tmp, name);
	if (err) {
		unlinkat(dir_fd, tmp, 0);
		return err;
	}
	return sync_dir(dir_fd);
}

int io__write_new(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode)
{
	return write_file(dir_fd, name, bytes, len, mode, false);
}

int io__write_replace(int dir_fd, const char *name, const void *bytes, size_t len, mode_t mode)
{
	return write_file(dir_fd, name, bytes, len, mode, true);
}
