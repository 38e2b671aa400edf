// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: a capture is a dozen files, and who looks at it, at three in the morning and perhaps because the host just died, must find all of them or none. Others may
 * list, pin and delete while the agent writes.
 *
 * Idea: a folder has one name that counts. It is filled under another, each file and the folder itself are brought to the disk, and then it is renamed; deleting goes
 * the same way back. So at any moment, and after any crash, a name that is listed stands for all files.
 *
 *      write    .new.<name>  ── files, fsync ── rename ──>  <name>
 *      delete   <name>  ── rename ──>  .gone.<name>  ── unlink …
 *
 * Invariants: what begins with a dot is never listed. A pin is a file in the folder, so that it is moved with it: a delete looks once more after its rename and
 * takes it back where somebody pinned it in between.
 *
 * Cost: one fsync a file and two for the folders, on a thread that may wait.
 *
 * What it does not do: decide what is deleted (capture_retention.c).
 */
#include "user/store/capture_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/io.h"
#include "user/store/dir.h"

#define NEW       ".new."
#define GONE      ".gone."
#define DIR_MODE  0750
#define FILE_MODE 0640
#define HIDDEN    (CAPTURE_NAME_MAX + sizeof(GONE))

static int open_dir(int at, const char *path, int *ret_fd)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int make_dir(int at, const char *path, int *ret_fd)
{
	if (mkdirat(at, path, DIR_MODE) && errno != EEXIST)
		return -errno;
	return open_dir(at, path, ret_fd);
}

/* <store>/captures. The store itself is never made here: where it is missing its disk is not mounted. */
static int open_captures(const char *store_dir, bool make, int *ret_fd)
{
	int root = open(store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (root < 0)
		return -errno;
	err = make ? make_dir(root, STORE_CAPTURES, ret_fd) : open_dir(root, STORE_CAPTURES, ret_fd);
	io__close(&root);
	return err;
}

static int open_rule(const char *store_dir, const char *rule, int *ret_fd)
{
	int captures = FD_CLOSED, err = open_captures(store_dir, false, &captures);

	if (!err)
		err = open_dir(captures, rule, ret_fd);
	io__close(&captures);
	return err;
}

static int open_folder(const char *store_dir, const struct capture_folder *f, int *ret_fd)
{
	int rule = FD_CLOSED, err = open_rule(store_dir, f->rule, &rule);

	if (!err)
		err = open_dir(rule, f->text, ret_fd);
	io__close(&rule);
	return err;
}

/* -- what is in a folder -- */

typedef int (*each_fn)(int dir_fd, const char *name, void *ctx);

/* Each name but "." and "..". */
static int each(int dir_fd, each_fn fn, void *ctx)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		err = -errno;
		io__close(&fd);
		return err;
	}
	while (!err && (errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err = fn(dir_fd, e->d_name, ctx);
	if (!err && errno)
		err = -errno;
	closedir(d);
	return err;
}

static int unlink_one(int dir_fd, const char *name, void *ctx)
{
	(void)ctx;
	return unlinkat(dir_fd, name, 0) && errno != ENOENT ? -errno : 0;
}

/* A folder of files; folders in it are not ours, and stop it. */
static int remove_folder(int at, const char *name)
{
	int fd, err = open_dir(at, name, &fd);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = each(fd, unlink_one, NULL);
	io__close(&fd);
	if (!err && unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT)
		err = -errno;
	return err;
}

/* -- writing -- */

static int write_one(int dir_fd, const struct capture_file *f, uint64_t *bytes)
{
	int fd = openat(dir_fd, f->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	err = io__write_full(fd, f->bytes, f->len);
	if (!err && fsync(fd))
		err = -errno;
	if (!err && !fstat(fd, &st))
		*bytes += (uint64_t)st.st_blocks * 512;
	/* NFS reports a full disk here */
	if (close(fd) && !err && errno != EINTR)
		err = -errno;
	return err;
}

static int fill(int rule_fd, const char *hidden, const struct capture_file *files, uint32_t n,
		uint64_t *bytes)
{
	int fd, err = mkdirat(rule_fd, hidden, DIR_MODE) ? -errno : 0;

	if (!err)
		err = open_dir(rule_fd, hidden, &fd);
	if (err)
		return err;
	for (uint32_t i = 0; !err && i < n; i++)
		err = write_one(fd, &files[i], bytes);
	if (!err && fsync(fd))
		err = -errno;
	io__close(&fd);
	return err;
}

int capture_folder__write(const char *store_dir, const char *rule, const struct capture_name *name,
			  const struct capture_file *files, uint32_t n, uint64_t *ret_bytes)
{
	char text[CAPTURE_NAME_MAX], hidden[HIDDEN], folder[CAPTURE_RULE_MAX];
	int captures = FD_CLOSED, rule_fd = FD_CLOSED, err;
	uint64_t bytes = 0;

	capture_name__format(name, text);
	capture_name__format_rule(rule, folder);
	snprintf(hidden, sizeof(hidden), NEW "%s", text);
	err = open_captures(store_dir, true, &captures);
	if (!err)
		err = make_dir(captures, folder, &rule_fd);
	if (err)
		goto out;
	err = fill(rule_fd, hidden, files, n, &bytes);
	/* a folder that is not empty is never replaced, and ours never is */
	if (!err && renameat(rule_fd, hidden, rule_fd, text))
		err = errno == ENOTEMPTY ? -EEXIST : -errno;
	if (err) {
		remove_folder(rule_fd, hidden);
		goto out;
	}
	/* the name is there, whatever these say: a power cut may take it back, a kill cannot */
	fsync(rule_fd);
	fsync(captures);
	*ret_bytes = bytes;
out:
	io__close(&rule_fd);
	io__close(&captures);
	return err;
}

/* -- listing -- */

/* Through the names of all rules' folders; what a walk is for begins with it. */
struct walk {
	each_fn one;
	const char *rule; /* whose folder it is in */
};

static int walk_rule(int captures_fd, const char *name, void *ctx)
{
	struct walk *w = ctx;
	int fd, err;

	if (name[0] == '.' || strlen(name) >= CAPTURE_RULE_MAX || open_dir(captures_fd, name, &fd))
		return 0;
	w->rule = name;
	err = each(fd, w->one, ctx);
	io__close(&fd);
	return err;
}

/* No folder at all is an empty one. */
static int walk(const char *store_dir, struct walk *w)
{
	int fd, err = open_captures(store_dir, false, &fd);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = each(fd, walk_rule, w);
	io__close(&fd);
	return err;
}

struct listing {
	struct walk walk;
	struct capture_folder *items;
	uint32_t n, cap;
};

static int measure_one(int dir_fd, const char *name, void *ctx)
{
	struct capture_folder *f = ctx;
	struct stat st;

	if (!strcmp(name, CAPTURE_PINNED)) {
		f->is_pinned = true;
		return 0;
	}
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return 0;
	f->bytes += (uint64_t)st.st_blocks * 512;
	f->n_files++;
	return 0;
}

static int list_one(int rule_fd, const char *name, void *ctx)
{
	struct listing *l = ctx;
	struct capture_folder f = {0};
	int fd;

	if (capture_name__parse(name, &f.name) || open_dir(rule_fd, name, &fd))
		return 0; /* not ours, or gone since */
	snprintf(f.rule, sizeof(f.rule), "%s", l->walk.rule);
	snprintf(f.text, sizeof(f.text), "%s", name);
	each(fd, measure_one, &f);
	io__close(&fd);
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? 2 * l->cap : 64;
		struct capture_folder *items = realloc(l->items, cap * sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = f;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct capture_folder *x = a, *y = b;

	if (x->name.time_ms != y->name.time_ms)
		return x->name.time_ms < y->name.time_ms ? -1 : 1;
	return strcmp(x->text, y->text);
}

int capture_folder__list(const char *store_dir, uint32_t max, struct capture_folder **ret, uint32_t *ret_n)
{
	struct listing l = {.walk = {.one = list_one}};
	int err = walk(store_dir, &l.walk);

	if (err) {
		free(l.items);
		return err;
	}
	if (l.n)
		qsort(l.items, l.n, sizeof(*l.items), by_time);
	if (l.n > max) {
		memmove(l.items, l.items + (l.n - max), max * sizeof(*l.items));
		l.n = max;
	}
	*ret = l.items;
	*ret_n = l.n;
	return 0;
}

/* -- finding -- */

struct search {
	struct walk walk;
	const char *id, *text; /* an id or its beginning; a folder's name */
	struct capture_folder found;
	uint32_t n;
};

#define FOUND 1 /* ends the walk */

/* By the name alone: nothing is opened for it. */
static int search_one(int rule_fd, const char *name, void *ctx)
{
	struct search *s = ctx;
	struct capture_folder f = {0};
	bool is_it;

	(void)rule_fd;
	if (capture_name__parse(name, &f.name))
		return 0;
	is_it = !strcmp(f.name.id, s->id) || !strcmp(name, s->text);
	if (!is_it && (!*s->id || strncmp(f.name.id, s->id, strlen(s->id))))
		return 0;
	snprintf(f.rule, sizeof(f.rule), "%s", s->walk.rule);
	snprintf(f.text, sizeof(f.text), "%s", name);
	s->found = f;
	s->n = is_it ? 1 : s->n + 1;
	return is_it ? FOUND : 0;
}

/* "…/rule/name": there is nothing to look for. */
static int locate_by_path(const char *store_dir, const char *id, const char *name, struct capture_folder *ret)
{
	struct capture_folder f = {0};
	const char *end = name - 1, *begin = end;
	int fd, err;

	while (begin > id && begin[-1] != '/')
		begin--;
	if (begin == end || *begin == '.' || end - begin >= CAPTURE_RULE_MAX ||
	    capture_name__parse(name, &f.name))
		return -ENOENT;
	snprintf(f.rule, sizeof(f.rule), "%.*s", (int)(end - begin), begin);
	snprintf(f.text, sizeof(f.text), "%s", name);
	err = open_folder(store_dir, &f, &fd);
	if (err)
		return err;
	io__close(&fd);
	*ret = f;
	return 0;
}

int capture_folder__locate(const char *store_dir, const char *id, struct capture_folder *ret)
{
	const char *slash = strrchr(id, '/');
	struct search s = {.walk = {.one = search_one}, .id = id, .text = slash ? slash + 1 : id};
	int err;

	if (slash && !locate_by_path(store_dir, id, s.text, ret))
		return 0;
	err = walk(store_dir, &s.walk);
	if (err < 0)
		return err;
	if (s.n != 1)
		return s.n ? -ENOTUNIQ : -ENOENT;
	*ret = s.found;
	return 0;
}

int capture_folder__find(const char *store_dir, const char *id, struct capture_folder *ret)
{
	struct capture_folder f;
	int fd, err = capture_folder__locate(store_dir, id, &f);

	if (!err)
		err = open_folder(store_dir, &f, &fd);
	if (err)
		return err;
	each(fd, measure_one, &f);
	io__close(&fd);
	*ret = f;
	return 0;
}

/* -- one of them -- */

static bool is_file_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) < CAPTURE_FILE_NAME_MAX &&
	       strcmp(name, CAPTURE_PINNED);
}

struct names {
	char (*names)[CAPTURE_FILE_NAME_MAX];
	uint64_t *lens;
	uint32_t n;
};

static int add_name(int dir_fd, const char *name, void *ctx)
{
	struct names *l = ctx;
	struct stat st;
	uint32_t at = l->n;

	if (!is_file_name(name) || l->n == CAPTURE_FILES_MAX ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return 0;
	for (; at && strcmp(l->names[at - 1], name) > 0; at--) {
		memcpy(l->names[at], l->names[at - 1], CAPTURE_FILE_NAME_MAX);
		l->lens[at] = l->lens[at - 1];
	}
	snprintf(l->names[at], CAPTURE_FILE_NAME_MAX, "%s", name);
	l->lens[at] = (uint64_t)st.st_size;
	l->n++;
	return 0;
}

int capture_folder__files(const char *store_dir, const struct capture_folder *f,
			  char ret_names[CAPTURE_FILES_MAX][CAPTURE_FILE_NAME_MAX],
			  uint64_t ret_lens[CAPTURE_FILES_MAX], uint32_t *ret_n)
{
	struct names l = {ret_names, ret_lens, 0};
	int fd, err = open_folder(store_dir, f, &fd);

	if (err)
		return err;
	err = each(fd, add_name, &l);
	io__close(&fd);
	*ret_n = l.n;
	return err;
}

int capture_folder__open(const char *store_dir, const struct capture_folder *f, const char *file, int *ret_fd)
{
	int fd, err;

	if (!is_file_name(file))
		return -EINVAL;
	err = open_folder(store_dir, f, &fd);
	if (err)
		return err;
	err = io__open_regular(fd, file, ret_fd);
	io__close(&fd);
	return err;
}

int capture_folder__add(const char *store_dir, const struct capture_folder *f, const char *file,
			const void *bytes, size_t len)
{
	int fd, err;

	if (!is_file_name(file))
		return -EINVAL;
	err = open_folder(store_dir, f, &fd);
	if (err)
		return err;
	err = io__write_new(fd, file, bytes, len, FILE_MODE);
	io__close(&fd);
	return err;
}

int capture_folder__pin(const char *store_dir, const struct capture_folder *f, bool pinned)
{
	int fd, file, err = open_folder(store_dir, f, &fd);

	if (err)
		return err;
	if (pinned) {
		file = openat(fd, CAPTURE_PINNED, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
		err = file < 0 ? -errno : 0;
		io__close(&file);
	} else if (unlinkat(fd, CAPTURE_PINNED, 0) && errno != ENOENT) {
		err = -errno;
	}
	if (!err && fsync(fd))
		err = -errno;
	io__close(&fd);
	return err;
}

static bool is_pinned(int rule_fd, const char *folder)
{
	char path[HIDDEN + sizeof(CAPTURE_PINNED) + 1];

	snprintf(path, sizeof(path), "%s/" CAPTURE_PINNED, folder);
	return !faccessat(rule_fd, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

int capture_folder__delete(const char *store_dir, const struct capture_folder *f)
{
	char hidden[HIDDEN];
	int fd, err = open_rule(store_dir, f->rule, &fd);

	if (err)
		return err;
	snprintf(hidden, sizeof(hidden), GONE "%s", f->text);
	if (is_pinned(fd, f->text))
		err = -EBUSY;
	else if (renameat(fd, f->text, fd, hidden))
		err = -errno;
	if (!err && is_pinned(fd, hidden)) { /* in between */
		err = renameat(fd, hidden, fd, f->text) ? -errno : -EBUSY;
	} else if (!err) {
		err = remove_folder(fd, hidden);
	}
	io__close(&fd);
	if (!err && !open_captures(store_dir, false, &fd)) {
		unlinkat(fd, f->rule, AT_REMOVEDIR); /* where it was the rule's last */
		io__close(&fd);
	}
	return err;
}

/* -- after a crash -- */

static int clean_file(int dir_fd, const char *name, void *ctx)
{
	(void)ctx;
	if (!strncmp(name, IO_TMP_PREFIX, strlen(IO_TMP_PREFIX)))
		unlinkat(dir_fd, name, 0);
	return 0;
}

static int clean_one(int rule_fd, const char *name, void *ctx)
{
	uint32_t *n = ctx;
	int fd;

	if (strncmp(name, NEW, sizeof(NEW) - 1) && strncmp(name, GONE, sizeof(GONE) - 1)) {
		/* one that is whole may have what was being added to it */
		if (!open_dir(rule_fd, name, &fd)) {
			each(fd, clean_file, NULL);
			io__close(&fd);
		}
		return 0;
	}
	if (!remove_folder(rule_fd, name))
		++*n;
	return 0;
}

static int clean_rule(int captures_fd, const char *name, void *ctx)
{
	int fd;

	if (name[0] == '.' || open_dir(captures_fd, name, &fd))
		return 0;
	each(fd, clean_one, ctx);
	io__close(&fd);
	unlinkat(captures_fd, name, AT_REMOVEDIR); /* where nothing is in it */
	return 0;
}

int capture_folder__clean(const char *store_dir, uint32_t *ret_n)
{
	int fd, err = open_captures(store_dir, false, &fd);

	*ret_n = 0;
	if (err)
		return err == -ENOENT ? 0 : err;
	err = each(fd, clean_rule, ret_n);
	io__close(&fd);
	return err;
}
