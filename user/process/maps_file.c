/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: the file is text that the process itself has a say in: paths with blanks, newlines and " (deleted)" in
 * them, and as many lines as it cares to map.
 *
 * Idea: the numbers are in front and cannot be forged, the path is the rest of the line. The kernel writes a newline
 * in a path as \012 and nothing else, so only that is undone. The file is read in pieces and lines that are not
 * executable are dropped before their path is looked at; lines and bytes are counted against a limit.
 *
 *      7f0e5c028000-7f0e5c17e000 r-xp 00028000 fe:01 1234       /usr/lib/libc.so.6 (deleted)
 *      start        end          prot pgoff    dev   ino        path
 *
 * Cost: the kernel needs about 1 us a line to write it; we less.
 *
 * What it does not do: tell a file named "x (deleted)" from a deleted file x. The file itself is opened through
 * map_files, so only its printed name is wrong.
 *
 * Reference: Linux fs/proc/task_mmu.c show_map_vma(), mm/memfd.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/aside.h"
#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/process/maps_file.h"

#define MAPS_CHUNK 32768

/* ---- one line ---------------------------------------------------------------------------------------------------- */

struct text {
	const char *p, *end;
	bool bad;
};

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Digits up to the character `stop`, which is skipped. */
static uint64_t text__number(struct text *t, unsigned int base, char stop)
{
	const char *first = t->p;
	uint64_t v = 0;

	while (t->p < t->end && *t->p != stop) {
		int d = digit_value(*t->p++);

		if (d < 0 || (unsigned int)d >= base || v > (UINT64_MAX - (unsigned int)d) / base) {
			t->bad = true;
			return 0;
		}
		v = v * base + (unsigned int)d;
	}
	if (t->p == first || t->p == t->end)
		t->bad = true;
	else
		t->p++;
	return v;
}

static bool text__flag(struct text *t, char set)
{
	char c = t->p < t->end ? *t->p++ : '\0';

	if (c == '\0')
		t->bad = true;
	return c == set;
}

static void text__prot(struct text *t, struct maps_line *line)
{
	line->readable = text__flag(t, 'r');
	line->writable = text__flag(t, 'w');
	line->executable = text__flag(t, 'x');
	line->shared = text__flag(t, 's');
	if (!text__flag(t, ' '))
		t->bad = true;
}

/* The inode is the last number: a blank or the end follows. */
static uint64_t text__inode(struct text *t)
{
	uint64_t v = 0;
	const char *first = t->p;

	for (; t->p < t->end && *t->p != ' '; t->p++) {
		if (*t->p < '0' || *t->p > '9' || v > (UINT64_MAX - 9) / 10) {
			t->bad = true;
			return 0;
		}
		v = v * 10 + (unsigned int)(*t->p - '0');
	}
	if (t->p == first)
		t->bad = true;
	while (t->p < t->end && *t->p == ' ')
		t->p++;
	return v;
}

static void text__path(struct text *t, char *to)
{
	size_t n = 0;

	while (t->p < t->end && n < MAPS_PATH_MAX - 1) {
		if (t->end - t->p >= 4 && memcmp(t->p, "\\012", 4) == 0) {
			to[n++] = '\n';
			t->p += 4;
		} else if (*t->p == '\0') {
			break;
		} else {
			to[n++] = *t->p++;
		}
	}
	to[n] = '\0';
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

enum maps_kind parse_maps_name(char *path, bool *ret_deleted)
{
	static const char suffix[] = " (deleted)";
	size_t len = strlen(path);

	*ret_deleted = len >= sizeof(suffix) - 1 && strcmp(path + len - (sizeof(suffix) - 1), suffix) == 0;
	if (*ret_deleted)
		path[len - (sizeof(suffix) - 1)] = '\0';
	if (strcmp(path, "[vdso]") == 0)
		return MAPS_VDSO;
	if (starts_with(path, "[anon"))
		return MAPS_ANON;
	if (path[0] == '[')
		return MAPS_SPECIAL;
	if (path[0] == '\0' || starts_with(path, "//") || starts_with(path, "anon_inode:"))
		return MAPS_ANON;
	if (starts_with(path, "/memfd:"))
		return MAPS_MEMFD;
	if (strcmp(path, "/dev/zero") == 0 || (*ret_deleted && starts_with(path, "/SYSV")))
		return MAPS_ANON;
	return path[0] == '/' ? MAPS_FILE : MAPS_SPECIAL;
}

static bool text__numbers(struct text *t, struct maps_line *line)
{
	line->start = text__number(t, 16, '-');
	line->end = text__number(t, 16, ' ');
	text__prot(t, line);
	line->pgoff = text__number(t, 16, ' ');
	line->dev_major = (uint32_t)text__number(t, 16, ':');
	line->dev_minor = (uint32_t)text__number(t, 16, ' ');
	line->ino = text__inode(t);
	return !t->bad && line->start < line->end;
}

static void text__name(struct text *t, struct maps_line *line)
{
	text__path(t, line->path);
	line->kind = parse_maps_name(line->path, &line->deleted);
}

int parse_maps_line(const char *text, size_t len, struct maps_line *ret_line)
{
	struct text t = {text, text + len, false};

	if (!text__numbers(&t, ret_line))
		return -EBADMSG;
	text__name(&t, ret_line);
	return 0;
}

/* ---- many lines -------------------------------------------------------------------------------------------------- */

/* The line, if it is executable: the others' names are not looked at. */
static int deliver(const char *p, size_t len, struct maps_line *line, maps_line_fn fn, void *ctx)
{
	struct text t = {p, p + len, false};

	if (!text__numbers(&t, line) || !line->executable)
		return 0;
	text__name(&t, line);
	return fn(line, ctx);
}

static int deliver_all(const char *text, size_t len, uint32_t *n_lines, maps_line_fn fn, void *ctx)
{
	const char *p = text, *end = text + len;
	struct maps_line line;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;
		int err =
			++*n_lines > MAPS_LINES_MAX ? -E2BIG : deliver(p, (size_t)(stop - p), &line, fn, ctx);

		if (err < 0)
			return err;
		p = stop + 1;
	}
	return 0;
}

int parse_maps(const char *text, size_t len, maps_line_fn fn, void *ctx)
{
	uint32_t n_lines = 0;
	int err = deliver_all(text, len, &n_lines, fn, ctx);

	return err ? err : (int)n_lines;
}

/* Of the file what is executable, read aside. */
struct maps_job {
	struct aside_job job;
	int pid_dir_fd, err;
	size_t len;
	uint64_t n_bytes;
	uint32_t n_lines;
	struct buf code; /* whole lines */
	char chunk[MAPS_CHUNK];
};

static void keep_code(struct maps_job *j, const char *from, const char *end)
{
	for (const char *newline; from < end; from = newline + 1) {
		struct maps_line line;
		struct text t = {from, newline = memchr(from, '\n', (size_t)(end - from)), false};

		j->n_lines++;
		if (text__numbers(&t, &line) && line.executable)
			buf__append(&j->code, from, (size_t)(newline + 1 - from));
	}
}

/* Keeps of the whole lines in the chunk, and moves the rest to its front. */
static int maps_job__lines(struct maps_job *j)
{
	const char *newline = memrchr(j->chunk, '\n', j->len);
	size_t whole = newline ? (size_t)(newline + 1 - j->chunk) : 0;

	keep_code(j, j->chunk, j->chunk + whole);
	j->len -= whole;
	memmove(j->chunk, j->chunk + whole, j->len);
	/* The kernel's longest line is a page of path, escaped, and the numbers. */
	return j->len == sizeof(j->chunk) || j->n_lines > MAPS_LINES_MAX ? -E2BIG : buf__err(&j->code);
}

static int maps_job__read(struct maps_job *j, int fd)
{
	for (;;) {
		ssize_t n = read(fd, j->chunk + j->len, sizeof(j->chunk) - j->len);
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		j->len += (size_t)n;
		j->n_bytes += (uint64_t)n;
		err = j->n_bytes > MAPS_BYTES_MAX ? -E2BIG : maps_job__lines(j);
		if (err < 0)
			return err;
	}
}

static void maps_job__run(struct aside_job *job)
{
	struct maps_job *j = (struct maps_job *)job;
	int fd = openat(j->pid_dir_fd, "maps", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		j->err = errno == ENOENT ? -ESRCH : -errno;
	else
		j->err = maps_job__read(j, fd);
	io__close(&fd);
}

static void maps_job__done(struct aside_job *job)
{
	struct maps_job *j = (struct maps_job *)job;

	buf__done(&j->code);
	free(j);
}

int read_maps(uint32_t pid, int pid_dir_fd, maps_line_fn fn, void *ctx)
{
	struct maps_job *j = malloc(sizeof(*j));
	uint32_t n_lines = 0;
	int err;

	if (!j)
		return -ENOMEM;
	j->job = (struct aside_job){.run = maps_job__run, .drop = maps_job__done};
	j->pid_dir_fd = pid_dir_fd;
	j->len = j->n_bytes = j->n_lines = 0;
	buf__init(&j->code, MAPS_CODE_MAX);
	err = aside__run(pid, &j->job);
	if (err)
		return err;
	err = deliver_all((const char *)j->code.data, j->code.len, &n_lines, fn, ctx);
	if (!err)
		err = j->err;
	maps_job__done(&j->job);
	return err;
}
