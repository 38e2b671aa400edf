// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A path is only a name: while the agent runs, somebody may remove the folder, mount another disk over it, or start a second
 *   agent on it. Writing through an old descriptor then "works", into nowhere.
 *
 * Idea. Descriptors are kept for `snapshots`, and before each write the path is looked up again: a different inode means that the
 *   folder was replaced (the number cannot be reused while we hold the old one). All names below are opened relative to the
 *   descriptor, without following links. The lock is a flock on a file inside, so that it lives and dies with the folder, and with the
 *   process.
 *
 * Cost. One stat a write; a start reads every folder once: one stat a file, about 2 µs each.
 *
 * What it does not do. flock over NFS is as good as the server makes it.
 */
#include "user/store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/io.h"

#define DIR_MODE  0750
#define FILE_MODE 0640
#define DAYS_MAX  65536 /* folders of days that a scan looks at */

#define LOCK_RETRY_MS    10
#define LOCK_PATIENCE_MS 1000

void store_dir__init(struct store_dir *d)
{
	*d = (struct store_dir){FD_CLOSED, FD_CLOSED, FD_CLOSED};
}

bool store_dir__is_open(const struct store_dir *d)
{
	return d->snapshots_fd >= 0;
}

void store_dir__close(struct store_dir *d)
{
	if (!d)
		return;
	io__close(&d->snapshots_fd);
	io__close(&d->root_fd);
	io__close(&d->lock_fd);
}

static int open_dir(int at_fd, const char *name, int flags, int *ret_fd)
{
	int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Only for reading, so that the disk can be remounted read-only while we hold it; and a lock that was made earlier can be held on a disk that
 * is read-only now. NFS alone wants a lock's file open for writing. */
static int open_and_lock(int root_fd, int *ret_fd)
{
	int flags = O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(root_fd, STORE_LOCK, O_RDONLY | flags, FILE_MODE), rc;

	if (fd < 0 && errno == EROFS) {
		fd = openat(root_fd, STORE_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return -EROFS;
	}
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	rc = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
	if (rc != -EBADF)
		return rc;
	io__close(ret_fd);
	fd = openat(root_fd, STORE_LOCK, O_RDWR | flags, FILE_MODE);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

/* One that was killed holds it until the kernel, and whoever looked at its files just then, has closed them: systemd starts the next at once. */
static int lock_patiently(int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * 1000000};

	for (int ms = 0; ms < LOCK_PATIENCE_MS; ms += LOCK_RETRY_MS) {
		nanosleep(&pause, NULL);
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
	}
	return -EWOULDBLOCK;
}

static int take_lock(struct store_dir *d, const char *path, struct err *err)
{
	char pid[16] = "";
	ssize_t n;
	int fd, rc;

	rc = open_and_lock(d->root_fd, &d->lock_fd);
	if (rc == -EWOULDBLOCK)
		rc = lock_patiently(d->lock_fd);
	if (rc == -EWOULDBLOCK) {
		n = pread(d->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = 0;
		pid[strspn(pid, "0123456789")] = 0;
		return err__set(err, -EBUSY,
				"store: open '%s': in use by another everprof agent (process %s); stop it or "
				"choose another directory with --store",
				path, pid[0] ? pid : "unknown");
	}
	if (rc)
		return err__set(err, rc, "store: lock '%s/%s': %s", path, STORE_LOCK, strerror(-rc));
	/* Who holds it is told for people only: a full disk may refuse it. */
	fd = openat(d->root_fd, STORE_LOCK, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (fd >= 0)
		(void)io__write_full(fd, pid, strlen(pid));
	io__close(&fd);
	return 0;
}

static int make_child(struct store_dir *d, const char *name, const char *path, struct err *err)
{
	if (mkdirat(d->root_fd, name, DIR_MODE) == 0 || errno == EEXIST)
		return 0;
	return err__set(err, -errno, "store: make directory '%s/%s': %s", path, name, strerror(errno));
}

static int open_all(struct store_dir *d, const char *path, bool make_parents, struct err *err)
{
	int rc;

	rc = make_parents                                    ? io__mkdir_p(path, DIR_MODE)
	     : mkdir(path, DIR_MODE) == 0 || errno == EEXIST ? 0
							     : -errno;
	if (rc)
		return err__set(err, rc, "store: make directory '%s': %s", path, strerror(-rc));
	rc = open_dir(AT_FDCWD, path, 0, &d->root_fd);
	if (rc)
		return err__set(err, rc, "store: open '%s': %s", path, strerror(-rc));
	rc = take_lock(d, path, err);
	if (rc)
		return rc;
	rc = make_child(d, STORE_SNAPSHOTS, path, err);
	if (rc)
		return rc;
	rc = make_child(d, STORE_CAPTURES, path, err);
	if (rc)
		return rc;
	rc = open_dir(d->root_fd, STORE_SNAPSHOTS, O_NOFOLLOW, &d->snapshots_fd);
	if (rc)
		return err__set(err, rc, "store: open '%s/%s': %s", path, STORE_SNAPSHOTS, strerror(-rc));
	return 0;
}

int store_dir__open(struct store_dir *d, const char *path, bool make_parents, struct err *err)
{
	int rc;

	store_dir__init(d);
	rc = open_all(d, path, make_parents, err);
	if (rc)
		store_dir__close(d);
	return rc;
}

bool store_dir__is_current(const struct store_dir *d, const char *path)
{
	char full[4096];

	if ((size_t)snprintf(full, sizeof(full), "%s/%s", path, STORE_SNAPSHOTS) >= sizeof(full))
		return false;
	return io__leads_to(AT_FDCWD, full, d->snapshots_fd);
}

/* ---- one file -------------------------------------------------------------------------------------------------------- */

/* What deleting the file gives back. Where a file system keeps small files in the inode it says 0 blocks: then the length counts. */
static uint64_t disk_bytes(const struct stat *st)
{
	return st->st_blocks ? (uint64_t)st->st_blocks * 512 : (uint64_t)st->st_size;
}

static int open_day(const struct store_dir *d, const struct store_name *name, int *ret_fd)
{
	char date[STORE_DATE_MAX];
	int rc;

	store_name__format_date(name, date);
	rc = open_dir(d->snapshots_fd, date, O_NOFOLLOW, ret_fd);
	if (rc != -ENOENT)
		return rc;
	if (mkdirat(d->snapshots_fd, date, DIR_MODE) != 0 && errno != EEXIST)
		return -errno;
	/* Otherwise a power cut could take the new folder with the file that was synced inside it. */
	if (fsync(d->snapshots_fd) != 0 && errno != EINVAL)
		return -errno;
	return open_dir(d->snapshots_fd, date, O_NOFOLLOW, ret_fd);
}

int store_dir__write(const struct store_dir *d, const struct store_name *name, const void *bytes, size_t len,
		     uint64_t *ret_bytes)
{
	char file[STORE_NAME_MAX];
	int day_fd = FD_CLOSED, rc;
	struct stat st;

	rc = open_day(d, name, &day_fd);
	if (rc)
		return rc;
	store_name__format(name, file);
	rc = io__write_new(day_fd, file, bytes, len, FILE_MODE);
	if (!rc)
		*ret_bytes = fstatat(day_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 ? disk_bytes(&st) : len;
	io__close(&day_fd);
	return rc;
}

bool store_dir__has_same(const struct store_dir *d, const struct store_name *name, const void *bytes,
			 size_t len)
{
	struct buf have;
	bool same;

	buf__init(&have, len + 1);
	same = store_dir__read(d->snapshots_fd, name, len, &have) == 0 && have.len == len &&
	       memcmp(have.data, bytes, len) == 0;
	buf__done(&have);
	return same;
}

int store_dir__unlink(const struct store_dir *d, const struct store_name *name)
{
	char path[STORE_PATH_MAX];

	store_name__format_path(name, path);
	return unlinkat(d->snapshots_fd, path, 0) == 0 ? 0 : -errno;
}

void store_dir__remove_day(const struct store_dir *d, uint64_t day_s)
{
	struct store_name name = {.start_s = day_s};
	char date[STORE_DATE_MAX];

	store_name__format_date(&name, date);
	/* Not empty, or already gone: both are fine. */
	(void)unlinkat(d->snapshots_fd, date, AT_REMOVEDIR);
}

int store_dir__read(int snapshots_fd, const struct store_name *name, size_t limit, struct buf *to)
{
	char path[STORE_PATH_MAX];

	store_name__format_path(name, path);
	return io__read_at(snapshots_fd, path, limit, to);
}

/* ---- all files ------------------------------------------------------------------------------------------------------- */

static int compare_days(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int open_stream(int at_fd, const char *name, DIR **ret_stream)
{
	int fd, rc;

	rc = open_dir(at_fd, name, O_NOFOLLOW, &fd);
	if (rc)
		return rc;
	*ret_stream = fdopendir(fd);
	if (!*ret_stream) {
		rc = -errno;
		io__close(&fd);
	}
	return rc;
}

static bool remove_temporary(int dir_fd, const char *name)
{
	struct stat st;

	return strncmp(name, IO_TMP_PREFIX, strlen(IO_TMP_PREFIX)) == 0 &&
	       fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       unlinkat(dir_fd, name, 0) == 0;
}

/* The days that are there and wanted, newest first. */
static int read_days(int snapshots_fd, struct store_scan *scan, uint64_t *days, uint32_t *ret_n)
{
	uint64_t first_s = scan->from_s > STORE_DAY_SECONDS ? scan->from_s - STORE_DAY_SECONDS : 0, day_s;
	struct dirent *entry;
	uint32_t n = 0;
	DIR *stream;
	int rc;

	rc = open_stream(snapshots_fd, ".", &stream);
	if (rc)
		return rc;
	while (n < DAYS_MAX && (entry = readdir(stream))) {
		if (scan->clean && remove_temporary(dirfd(stream), entry->d_name))
			scan->n_temporary++;
		if (store_name__parse_date(entry->d_name, &day_s))
			continue;
		if (scan->to_s && (day_s >= scan->to_s || day_s + STORE_DAY_SECONDS <= first_s))
			continue;
		days[n++] = day_s;
	}
	closedir(stream);
	qsort(days, n, sizeof(*days), compare_days);
	*ret_n = n;
	return 0;
}

static int scan_day(int snapshots_fd, uint64_t day_s, struct store_index *ix, struct store_scan *scan)
{
	struct store_name name = {.start_s = day_s};
	char date[STORE_DATE_MAX];
	struct dirent *entry;
	bool is_empty = true;
	struct stat st;
	DIR *stream;
	int rc;

	store_name__format_date(&name, date);
	rc = open_stream(snapshots_fd, date, &stream);
	if (rc)
		return rc;
	while (!rc && (entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (scan->clean && remove_temporary(dirfd(stream), entry->d_name)) {
			scan->n_temporary++;
			continue;
		}
		is_empty = false;
		if (store_name__parse(entry->d_name, day_s, &name) ||
		    fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		rc = store_index__append(ix, &name, disk_bytes(&st));
		if (rc == -E2BIG) {
			scan->n_over++;
			if (scan->over)
				scan->over(&name, scan->ctx);
			rc = 0;
		}
	}
	closedir(stream);
	if (scan->clean && is_empty)
		(void)unlinkat(snapshots_fd, date, AT_REMOVEDIR);
	return rc;
}

int store_dir__scan(int snapshots_fd, struct store_index *ix, struct store_scan *scan)
{
	uint64_t *days;
	uint32_t n;
	int rc;

	days = calloc(DAYS_MAX, sizeof(*days));
	if (!days)
		return -ENOMEM;
	rc = read_days(snapshots_fd, scan, days, &n);
	for (uint32_t i = 0; !rc && i < n; i++) {
		rc = scan_day(snapshots_fd, days[i], ix, scan);
		if (rc && rc != -ENOMEM) {
			scan->n_unreadable_days += rc != -ENOENT;
			rc = 0;
		}
	}
	store_index__sort(ix);
	free(days);
	return rc;
}
