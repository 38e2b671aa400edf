/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a JIT compiler throws code away and puts other code at the same address, so the lines of a perf map
 * overlap at will and the file only grows; a busy one writes 100,000 lines and more. Reading it again at each
 * unknown address is not affordable, nor is keeping its history.
 *
 * Idea: only the bytes that were added are read. Then `overlay` cuts the address space into pieces, each owned by
 * its *latest* line, and lines that own no piece any more are forgotten on the spot, with their names: the table is
 * as large as the live code, not as the history.
 *
 * Layout: lines[] in the file's order {start, size, name offset}; names, one blob, in the same order, so that both
 * are compacted by moving forward;
 *         pieces[], see overlay.h.
 *
 * Is it the same file? Device and inode, and it has not shrunk, and the last bytes that were read are still there
 * (the seam): a runtime that writes its map anew into the same file (jcmd Compiler.perfmap) keeps the inode. If
 * not, everything is read again.
 *
 * Invariants: what is consumed ends in a newline (a half-written line is read again next time); pieces refer to
 * lines that exist; names end in NUL inside the blob.
 *
 * Full: hidden lines go first, then the oldest half: what was compiled last is what runs.
 *
 * Cost: a refresh with news is O(lines log lines); one without is an open, an fstat and two preads.
 *
 * What it does not do: jitdump files; code that was valid at the time of the sample and has been replaced before
 * the refresh.
 *
 * Reference: Linux tools/perf/Documentation/jit-interface.txt.
 */
#include "user/runtime/perf_map.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/far_file.h"
#include "user/base/io.h"
#include "user/runtime/overlay.h"

#define LIMIT_BYTES_DEFAULT (32u << 20)
#define READ_BYTES_DEFAULT  (64u << 20)
#define CHUNK_BYTES         (256u << 10)
#define SEAM_BYTES          64
#define STATUS_BYTES_MAX    65536

struct perf_map {
	struct perf_map_opts opts;
	struct overlay_range *lines; /* payload: offset of the name */
	uint32_t n_lines, cap_lines;
	char *names;
	size_t names_len, names_cap;
	struct overlay_piece *pieces;
	uint32_t n_pieces;
	uint32_t n_bad_lines, n_evicted;
	/* what was read of which file */
	dev_t dev;
	ino_t ino;
	uint64_t consumed;
	uint8_t seam[SEAM_BYTES]; /* the bytes before `consumed` */
	size_t seam_len;
};

static const char *parse_hex(const char *p, const char *end, uint64_t *ret)
{
	const char *start;
	uint64_t v = 0;

	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	for (start = p; p < end && isxdigit((unsigned char)*p); p++) {
		if (v >> 60)
			return NULL;
		v = v << 4 | (uint64_t)(*p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10);
	}
	*ret = v;
	return p == start ? NULL : p;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

int perf_map__parse_line(const char *line, size_t len, struct perf_map_entry *ret_entry)
{
	const char *p = line, *end = line + len;
	struct perf_map_entry e;

	if (len > PERF_MAP_LINE_MAX)
		return -EBADMSG;
	p = parse_hex(skip_blanks(p, end), end, &e.start);
	if (!p || p == end || (*p != ' ' && *p != '\t'))
		return -EBADMSG;
	p = parse_hex(skip_blanks(p, end), end, &e.size);
	if (!p || p == end || (*p != ' ' && *p != '\t'))
		return -EBADMSG;
	p = skip_blanks(p, end);
	while (end > p && (isspace((unsigned char)end[-1])))
		end--;
	if (p == end || memchr(p, '\0', (size_t)(end - p)))
		return -EBADMSG;
	if (e.size == 0 || e.size > PERF_MAP_SIZE_MAX || e.start > UINT64_MAX - e.size)
		return -EBADMSG;
	e.name = p;
	e.name_len = (size_t)(end - p);
	*ret_entry = e;
	return 0;
}

struct perf_map *perf_map__new(const struct perf_map_opts *opts)
{
	struct perf_map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	if (opts)
		m->opts = *opts;
	if (!m->opts.limit_bytes)
		m->opts.limit_bytes = LIMIT_BYTES_DEFAULT;
	if (!m->opts.read_bytes)
		m->opts.read_bytes = READ_BYTES_DEFAULT;
	if (m->opts.limit_bytes > UINT32_MAX)
		m->opts.limit_bytes = UINT32_MAX;
	return m;
}

void perf_map__free(struct perf_map *m)
{
	if (!m)
		return;
	free(m->lines);
	free(m->names);
	free(m->pieces);
	free(m);
}

void perf_map__forget(struct perf_map *m)
{
	const struct perf_map_opts opts = m->opts;

	free(m->lines);
	free(m->names);
	free(m->pieces);
	*m = (struct perf_map){.opts = opts};
}

/* A line, and the two pieces that it may come to. */
#define LINE_BYTES (sizeof(struct overlay_range) + 2 * sizeof(struct overlay_piece))

static size_t live_bytes(const struct perf_map *m)
{
	return m->n_lines * LINE_BYTES + m->names_len;
}

static size_t table_bytes(const struct perf_map *m)
{
	return m->cap_lines * sizeof(*m->lines) + m->names_cap + m->n_pieces * sizeof(*m->pieces);
}

/* Forgets lines that own no piece; order is kept, so pieces and names only move forward. */
static int drop_hidden_lines(struct perf_map *m)
{
	uint32_t *moved = calloc(m->n_lines ? m->n_lines : 1, sizeof(*moved)); /* new index + 1 */
	uint32_t kept = 0;
	size_t names_len = 0;

	if (!moved)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_pieces; i++)
		moved[m->pieces[i].range] = 1;
	for (uint32_t i = 0; i < m->n_lines; i++) {
		struct overlay_range l = m->lines[i];
		size_t len = strlen(m->names + l.payload) + 1;

		if (!moved[i])
			continue;
		memmove(m->names + names_len, m->names + l.payload, len);
		l.payload = (uint32_t)names_len;
		names_len += len;
		m->lines[kept++] = l;
		moved[i] = kept;
	}
	for (uint32_t i = 0; i < m->n_pieces; i++)
		m->pieces[i].range = moved[m->pieces[i].range] - 1;
	m->n_lines = kept;
	m->names_len = names_len;
	free(moved);
	return 0;
}

static int rebuild_pieces(struct perf_map *m)
{
	int err = overlay__build(m->lines, m->n_lines, &m->pieces, &m->n_pieces);

	return err ? err : drop_hidden_lines(m);
}

/* The pieces are gone, too, until they are built again. */
static void drop_oldest_half(struct perf_map *m)
{
	uint32_t n_gone = m->n_lines - m->n_lines / 2;
	size_t names_gone = n_gone < m->n_lines ? m->lines[n_gone].payload : m->names_len;

	m->n_lines -= n_gone;
	m->names_len -= names_gone;
	memmove(m->lines, m->lines + n_gone, m->n_lines * sizeof(*m->lines));
	memmove(m->names, m->names + names_gone, m->names_len);
	for (uint32_t i = 0; i < m->n_lines; i++)
		m->lines[i].payload -= (uint32_t)names_gone;
	m->n_evicted += n_gone;
	m->n_pieces = 0;
}

/* The table is full: forgets what nobody can see any more, then, as long as that is not half of it, the oldest
 * lines. */
static int make_room(struct perf_map *m)
{
	int err = rebuild_pieces(m);

	if (!err && live_bytes(m) > m->opts.limit_bytes / 2)
		drop_oldest_half(m); /* pieces are built again when the read ends */
	return err;
}

/* Gives back what the table does not need any more. */
static void fit(struct perf_map *m)
{
	void *lines = realloc(m->lines, m->n_lines * sizeof(*m->lines)),
	     *names = realloc(m->names, m->names_len);

	if (lines) {
		m->lines = lines;
		m->cap_lines = m->n_lines;
	}
	if (names) {
		m->names = names;
		m->names_cap = m->names_len;
	}
}

void perf_map__halve(struct perf_map *m)
{
	drop_oldest_half(m);
	if (!m->n_lines || rebuild_pieces(m))
		perf_map__forget(m);
	else
		fit(m);
}

/* -- reading -- */

static int grow(void **bytes, size_t need, size_t *cap, size_t unit)
{
	size_t want = *cap ? *cap : 1024;
	void *grown;

	if (need <= *cap)
		return 0;
	while (want < need)
		want += want / 2;
	grown = realloc(*bytes, want * unit);
	if (!grown)
		return -ENOMEM;
	*bytes = grown;
	*cap = want;
	return 0;
}

static int add_line(struct perf_map *m, const struct perf_map_entry *e)
{
	size_t cap_lines = m->cap_lines;
	int err;

	if (live_bytes(m) + LINE_BYTES + e->name_len + 1 > m->opts.limit_bytes) {
		err = make_room(m);
		if (err)
			return err;
	}
	err = grow((void **)&m->lines, (size_t)m->n_lines + 1, &cap_lines, sizeof(*m->lines));
	if (err)
		return err;
	m->cap_lines = (uint32_t)cap_lines;
	err = grow((void **)&m->names, m->names_len + e->name_len + 1, &m->names_cap, 1);
	if (err)
		return err;
	m->lines[m->n_lines++] = (struct overlay_range){e->start, (uint32_t)e->size, (uint32_t)m->names_len};
	memcpy(m->names + m->names_len, e->name, e->name_len);
	m->names[m->names_len + e->name_len] = '\0';
	m->names_len += e->name_len + 1;
	return 0;
}

/* Takes the whole lines of a chunk; ret_used is where the last of them ends. */
static int take_lines(struct perf_map *m, const char *bytes, size_t len, size_t *ret_used, size_t *total)
{
	const char *p = bytes, *end = bytes + len, *nl;

	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
		struct perf_map_entry e;
		int err = 0;

		if (perf_map__parse_line(p, (size_t)(nl - p), &e) == 0)
			err = add_line(m, &e);
		else if (nl != p)
			m->n_bad_lines++;
		if (err)
			return err;
		p = nl + 1;
		*total += LINE_BYTES; /* short lines cost more than their bytes */
	}
	*ret_used = (size_t)(p - bytes);
	*total += *ret_used;
	return 0;
}

static void remember_seam(struct perf_map *m, const char *bytes, size_t used)
{
	m->seam_len = used < SEAM_BYTES ? used : SEAM_BYTES;
	memcpy(m->seam, bytes + used - m->seam_len, m->seam_len);
}

static bool is_same_file(const struct perf_map *m, int fd, const struct stat *st)
{
	uint8_t now[SEAM_BYTES];

	if (st->st_dev != m->dev || st->st_ino != m->ino || (uint64_t)st->st_size < m->consumed)
		return false;
	if (!m->seam_len)
		return true;
	return io__pread_full(fd, now, m->seam_len, m->consumed - m->seam_len) == 0 &&
	       memcmp(now, m->seam, m->seam_len) == 0;
}

static int read_lines(struct perf_map *m, int fd)
{
	char *chunk = malloc(CHUNK_BYTES);
	size_t total = 0, used;
	int err = chunk ? 0 : -ENOMEM;

	while (!err && total < m->opts.read_bytes) {
		ssize_t n = pread(fd, chunk, CHUNK_BYTES, (off_t)m->consumed);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : 0;
			break;
		}
		err = take_lines(m, chunk, (size_t)n, &used, &total);
		if (err)
			break;
		if (!used && n < CHUNK_BYTES)
			break; /* a line that is being written */
		if (!used) {
			used = (size_t)n; /* no line is that long: skip, and let its end be a bad line */
			m->n_bad_lines++;
			total += used;
		}
		remember_seam(m, chunk, used);
		m->consumed += used;
	}
	free(chunk);
	return err;
}

int perf_map__read(struct perf_map *m, int fd, bool *ret_changed)
{
	bool changed = false;
	uint64_t before;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (!is_same_file(m, fd, &st)) {
		changed = m->n_lines != 0;
		perf_map__forget(m);
		m->dev = st.st_dev;
		m->ino = st.st_ino;
	}
	before = m->consumed;
	err = read_lines(m, fd);
	if (m->consumed != before || changed) {
		int rebuilt = rebuild_pieces(m);

		changed = true;
		if (rebuilt)
			perf_map__forget(m);
		err = err ? err : rebuilt;
	}
	*ret_changed = changed;
	return err;
}

int perf_map__refresh(struct perf_map *m, struct far_mounts *mounts, int root_fd, pid_t ns_pid, uid_t uid,
		      bool *ret_changed)
{
	int fd = FD_CLOSED, err;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)ns_pid);
	err = far_file__open_in_root(mounts, root_fd, path, &fd);
	if (err)
		return err;
	if (fstat(fd, &st))
		err = -errno;
	else if (st.st_uid != uid && st.st_uid != 0)
		err = -EACCES;
	else
		err = perf_map__read(m, fd, ret_changed);
	io__close(&fd);
	return err;
}

int perf_map__read_owner(const char *proc_root, pid_t pid, uid_t *ret_uid)
{
	unsigned int real, effective;
	char path[PATH_MAX];
	const char *line;
	struct buf status;
	int err;

	buf__init(&status, STATUS_BYTES_MAX);
	snprintf(path, sizeof(path), "%s/%d/status", proc_root, (int)pid);
	err = io__read_at(AT_FDCWD, path, STATUS_BYTES_MAX, &status);
	if (err)
		goto out;
	/* the process's own name stands above, but the kernel escapes its newlines */
	line = strstr(buf__str(&status), "\nUid:");
	if (!line || sscanf(line, "\nUid: %u %u", &real, &effective) != 2)
		err = -EBADMSG;
	else
		*ret_uid = effective;
out:
	buf__done(&status);
	return err;
}

int perf_map__find(const struct perf_map *m, uint64_t addr, struct perf_map_entry *ret_entry)
{
	uint32_t i = overlay__find(m->pieces, m->n_pieces, addr);
	const struct overlay_range *l;

	if (i == OVERLAY_NONE)
		return -ENOENT;
	l = &m->lines[i];
	*ret_entry = (struct perf_map_entry){
		.start = l->start,
		.size = l->size,
		.name = m->names + l->payload,
		.name_len = strlen(m->names + l->payload),
	};
	return 0;
}

void perf_map__stats(const struct perf_map *m, struct perf_map_stats *ret_stats)
{
	*ret_stats = (struct perf_map_stats){
		.n_entries = m->n_lines,
		.n_bad_lines = m->n_bad_lines,
		.n_evicted = m->n_evicted,
		.bytes = sizeof(*m) + table_bytes(m),
	};
}
