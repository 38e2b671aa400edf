/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: between two reads in /proc a pid may have become another process, and a process whose first thread has
 * ended looks empty.
 *
 * Idea: open the folder, check the start time in its `stat`, read everything else relative to it: the folder stays
 * the first process's. For a leader that is a zombie any other live thread's folder (/proc/TID exists for every
 * thread, though it is not listed) shows the same memory.
 *
 * `comm` is between the first "(" and the last ")": it may contain both, and blanks and newlines.
 *
 * Reference: proc_pid_stat(5), proc_pid_status(5); Linux fs/proc/array.c do_task_stat().
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/base/proc_file.h"
#include "user/process/proc_dir.h"

#define NS_PER_TICK       10000000u /* USER_HZ is 100 on every architecture we know */
#define STAT_FLAG_KTHREAD 0x00200000u

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

/* The next blank-separated decimal number (a sign is allowed and gives 0). */
static bool next_number(const char **p, const char *end, uint64_t *ret_v)
{
	const char *s = *p;
	uint64_t v = 0;
	bool negative;

	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	negative = s < end && *s == '-';
	s += negative;
	if (s == end || *s < '0' || *s > '9')
		return false;
	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	}
	*p = s;
	*ret_v = negative ? 0 : v;
	return true;
}

int parse_proc_stat(const char *text, size_t len, struct proc_stat *ret_stat)
{
	const char *end = text + len, *p = text;
	const char *open = memchr(text, '(', len), *close = memrchr(text, ')', len);
	struct proc_stat st = {0};
	uint64_t field[52] = {0};
	size_t n;

	if (!next_number(&p, end, &field[1]) || !open || !close || close < open || end - close < 4)
		return -EBADMSG;
	n = (size_t)(close - open - 1);
	if (n >= sizeof(st.comm))
		n = sizeof(st.comm) - 1;
	memcpy(st.comm, open + 1, n);
	st.state = close[2];
	p = close + 3;
	for (int i = 4; i <= 51; i++)
		if (!next_number(&p, end, &field[i]) && i <= 22)
			return -EBADMSG;
	st.pid = (uint32_t)field[1];
	st.ppid = (uint32_t)field[4];
	st.kernel_thread = field[9] & STAT_FLAG_KTHREAD;
	st.start_ticks = field[22];
	st.args_start = field[48];
	st.args_end = field[49];
	st.env_end = field[51];
	*ret_stat = st;
	return 0;
}

/* The value of "name:\t…", up to the end of the line. */
static bool status_line(const char *text, size_t len, const char *name, const char **ret_p,
			const char **ret_end)
{
	const char *p = text, *end = text + len;
	size_t n = strlen(name);

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;

		if ((size_t)(stop - p) > n && memcmp(p, name, n) == 0 && p[n] == ':') {
			*ret_p = p + n + 1;
			*ret_end = stop;
			return true;
		}
		p = newline ? newline + 1 : end;
	}
	return false;
}

int parse_proc_status(const char *text, size_t len, struct proc_status *ret_status)
{
	struct proc_status st = {0};
	const char *p, *end;
	uint64_t v = 0;

	if (!status_line(text, len, "Tgid", &p, &end) || !next_number(&p, end, &v))
		return -EBADMSG;
	st.tgid = (uint32_t)v;
	st.ns_pid = st.tgid;
	/* real, effective, saved, file system */
	if (!status_line(text, len, "Uid", &p, &end) || !next_number(&p, end, &v) ||
	    !next_number(&p, end, &v))
		return -EBADMSG;
	st.uid = (uint32_t)v;
	/*
	 * one number a namespace, outermost (the reader's) first; of the thread group, so that a thread's file serves
	 * too
	 */
	if (status_line(text, len, "NStgid", &p, &end)) {
		while (next_number(&p, end, &v)) {
			st.ns_pid = (uint32_t)v;
			st.n_pid_namespaces++;
		}
	}
	st.ns_tid = st.ns_pid;
	if (status_line(text, len, "NSpid", &p, &end))
		while (next_number(&p, end, &v))
			st.ns_tid = (uint32_t)v;
	*ret_status = st;
	return 0;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

int read_proc_stat(uint32_t pid, int pid_dir_fd, struct proc_stat *ret_stat)
{
	struct buf b;
	int r;

	buf__init(&b, PROC_FILE_MAX);
	r = proc_file__read(pid, pid_dir_fd, "stat", PROC_FILE_MAX - 1, &b);
	if (r == 0)
		r = parse_proc_stat(buf__str(&b), b.len, ret_stat);
	buf__done(&b);
	return r == -ENOENT ? -ESRCH : r;
}

int read_proc_status(int pid_dir_fd, struct proc_status *ret_status)
{
	struct buf b;
	int r;

	buf__init(&b, PROC_FILE_MAX);
	r = io__read_at(pid_dir_fd, "status", PROC_FILE_MAX - 1, &b);
	if (r == 0)
		r = parse_proc_status(buf__str(&b), b.len, ret_status);
	buf__done(&b);
	return r == -ENOENT ? -ESRCH : r;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static int open_folder(int proc_root_fd, uint32_t pid, int *ret_fd)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%" PRIu32, pid);
	fd = openat(proc_root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret_fd = fd;
	return 0;
}

static bool is_dead(const struct proc_stat *st)
{
	return st->state == 'Z' || st->state == 'X';
}

/* Is that thread alive and of this process? */
static bool thread_serves(int dir_fd, uint32_t tgid)
{
	struct proc_stat stat;
	struct proc_status status;

	return read_proc_stat(tgid, dir_fd, &stat) == 0 && !is_dead(&stat) &&
	       read_proc_status(dir_fd, &status) == 0 && status.tgid == tgid;
}

static int open_live_thread(int proc_root_fd, int leader_fd, uint32_t tgid, int *ret_fd)
{
	int task_fd = openat(leader_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = task_fd >= 0 ? fdopendir(task_fd) : NULL;
	struct dirent *d;
	int tried = 0, r = -ESRCH;

	if (!dir) {
		io__close(&task_fd);
		return -ESRCH;
	}
	while (r < 0 && tried < PROC_THREADS_TRIED && (d = readdir(dir))) {
		unsigned long tid = strtoul(d->d_name, NULL, 10);
		int fd = FD_CLOSED;

		if (tid == 0 || tid == tgid || tid > UINT32_MAX)
			continue;
		tried++;
		if (open_folder(proc_root_fd, (uint32_t)tid, &fd) < 0)
			continue;
		if (thread_serves(fd, tgid)) {
			*ret_fd = fd;
			r = 0;
		} else {
			io__close(&fd);
		}
	}
	closedir(dir);
	return r;
}

int proc_dir__open(int proc_root_fd, uint32_t tgid, uint64_t start_ns, int *ret_fd,
		   struct proc_stat *ret_stat)
{
	struct proc_stat st;
	int fd = FD_CLOSED, thread_fd = FD_CLOSED;
	int r;

	r = open_folder(proc_root_fd, tgid, &fd);
	if (r == 0)
		r = read_proc_stat(tgid, fd, &st);
	if (r == 0 && start_ns != 0 && st.start_ticks != start_ns / NS_PER_TICK)
		r = -ESRCH;
	if (r < 0)
		goto out;
	if (is_dead(&st)) {
		r = open_live_thread(proc_root_fd, fd, tgid, &thread_fd);
		if (r < 0)
			goto out;
		io__close(&fd);
		fd = thread_fd;
	}
	*ret_fd = fd;
	*ret_stat = st;
	fd = FD_CLOSED;
out:
	io__close(&fd);
	return r;
}
