// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A command reads the folder while the agent adds windows, renames roll-ups into place and deletes what they cover. Between the look
 *   at the names and the opening of a file, the file may have gone, its minutes now being in a roll-up.
 *
 * Idea. Names are read once and chosen by the same pure rule as in the agent. A file that is missing when it is opened means that the
 *   choice is out of date: the whole is begun again with a new look, a few times; then it counts as deleted for age.
 *
 * Cost. One stat a file of the days in question; files are read ahead as feed.h says, and some of them are in memory beside the sum.
 *
 * What it does not do. It takes no lock, so a sum may lack the window that appears while it is made.
 */
#include "user/store/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/config/event.h"
#include "user/profile/profile.h"
#include "user/store/dir.h"
#include "user/store/feed.h"

static int open_snapshots(const char *dir, int *ret_fd, struct err *err)
{
	char path[4096];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/" STORE_SNAPSHOTS, dir) >= sizeof(path))
		return err__set(err, -ENAMETOOLONG, "store: open '%.64s…': the name is too long", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err__set(err, -ENOENT,
				"store: open '%s': not an everprof store, or nothing was written yet", dir);
	if (fd < 0)
		return err__set(err, -errno, "store: open '%s': %s", path, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static uint64_t seconds_up(uint64_t ns)
{
	return ns / NS_PER_SEC + (ns % NS_PER_SEC != 0);
}

static int load_index(int snapshots_fd, const char *dir, uint64_t from_ns, uint64_t to_ns,
		      struct store_index *ix, struct err *err)
{
	struct store_scan scan = {.from_s = from_ns / NS_PER_SEC, .to_s = seconds_up(to_ns)};
	int rc;

	store_index__init(ix, 0);
	rc = store_dir__scan(snapshots_fd, ix, &scan);
	if (rc) {
		store_index__done(ix);
		return err__set(err, rc, "store: read '%s': %s", dir, strerror(-rc));
	}
	return 0;
}

static int list_files(int snapshots_fd, const char *dir, const char *event, uint64_t from_ns, uint64_t to_ns,
		      struct store_file **ret_files, uint32_t *ret_n, struct err *err)
{
	struct store_index ix;
	int rc;

	rc = load_index(snapshots_fd, dir, from_ns, to_ns, &ix, err);
	if (rc)
		return rc;
	rc = store_index__select(&ix, event, from_ns, to_ns, ret_files, ret_n);
	store_index__done(&ix);
	return rc ? err__set(err, rc, "store: list '%s': %s", dir, strerror(-rc)) : 0;
}

int store_reader__list(const char *dir, const char *event, uint64_t from_ns, uint64_t to_ns,
		       struct store_file **ret_files, uint32_t *ret_n, struct err *err)
{
	int fd, rc;

	rc = open_snapshots(dir, &fd, err);
	if (rc)
		return rc;
	rc = list_files(fd, dir, event, from_ns, to_ns, ret_files, ret_n, err);
	io__close(&fd);
	return rc;
}

/* The end of the newest window that began by then; or of a roll-up where that is newer and its windows are gone. A roll-up's end says less: the agent may
 * have stopped in the middle of that hour. */
static uint64_t newest_end(const struct store_index *ix, const char *event, uint64_t latest_s)
{
	uint64_t window_s = 0, rollup_s = 0, rollup_start_s = 0;

	for (uint32_t i = 0; i < ix->n; i++) {
		const struct store_name *n = &ix->entries[i].name;

		if ((event && strcmp(event, n->event) != 0) || n->start_s > latest_s)
			continue;
		if (store_name__level(n) == STORE_WINDOW) {
			if (store_name__end_s(n) > window_s)
				window_s = store_name__end_s(n);
		} else if (store_name__end_s(n) > rollup_s) {
			rollup_s = store_name__end_s(n);
			rollup_start_s = n->start_s;
		}
	}
	return rollup_start_s >= window_s ? rollup_s : window_s;
}

int store_reader__span(const char *dir, const char *event, uint64_t *ret_from_ns, uint64_t *ret_to_ns,
		       struct err *err)
{
	struct store_index ix;
	uint64_t to_s;
	uint32_t first = 0;
	int fd, rc;

	rc = open_snapshots(dir, &fd, err);
	if (rc)
		return rc;
	rc = load_index(fd, dir, 0, 0, &ix, err);
	io__close(&fd);
	if (rc)
		return rc;
	/* what a clock that was wrong dated ahead of us is not the newest, but where there is nothing else */
	to_s = newest_end(&ix, event, clock__real_ns() / NS_PER_SEC);
	if (!to_s)
		to_s = newest_end(&ix, event, UINT64_MAX);
	while (first < ix.n && event && strcmp(event, ix.entries[first].name.event) != 0)
		first++;
	if (to_s) {
		*ret_from_ns = ix.entries[first].name.start_s * NS_PER_SEC;
		*ret_to_ns = to_s * NS_PER_SEC;
	} else {
		rc = err__set(err, -ENOENT, "store: '%s' has no %s profile yet", dir, event ? event : "");
	}
	store_index__done(&ix);
	return rc;
}

static void note_added(struct store_report *report, const struct store_file *file)
{
	if (!report->n_files || file->name.start_s < report->from_s)
		report->from_s = file->name.start_s;
	if (store_name__end_s(&file->name) > report->to_s)
		report->to_s = store_name__end_s(&file->name);
	report->n_files++;
	report->n_cut += file->is_cut;
}

/* rc: what came of reading and taking it. */
static int judge_file(const struct store_file *file, int rc, struct store_report *report, struct err *err)
{
	char path[STORE_PATH_MAX];

	switch (rc) {
	case 0:
		note_added(report, file);
		return 0;
	case -EBADMSG:
	case -EIO:
		report->n_damaged++;
		return 0;
	case -EINVAL:
		report->n_other_types++;
		return 0;
	default:
		store_name__format_path(&file->name, path);
		return err__prefix(err, rc, "store: read '%s'", path);
	}
}

struct source_folder {
	int snapshots_fd;
	size_t limit_bytes;
};

static int read_file(void *ctx, const struct store_name *name, struct buf *to)
{
	const struct source_folder *s = ctx;

	return store_dir__read(s->snapshots_fd, name, s->limit_bytes, to);
}

struct walk {
	struct source_folder folder;
	bool is_state, may_miss;
	int (*fn)(const struct profile *p, void *ctx);
	void *ctx;
	struct store_report report;
};

static int walk_files(struct walk *w, const struct store_file *files, uint32_t n, struct err *err)
{
	const struct feed_opts opts = {.files = files,
				       .n = n,
				       .read = read_file,
				       .ctx = &w->folder,
				       .file_bytes = w->folder.limit_bytes,
				       .limit_bytes = w->folder.limit_bytes};
	const struct store_file *file;
	struct feed *feed = NULL;
	int rc = feed__new(&opts, &feed);

	for (uint32_t i = 0; !rc && i < n && !(w->is_state && w->report.n_files); i++) {
		struct profile *p = NULL;

		rc = feed__next(feed, &file, &p, err);
		if (rc == -ENOENT) {
			rc = w->may_miss ? 0 : -ESTALE;
			continue;
		}
		if (!rc)
			rc = w->fn(p, w->ctx);
		rc = judge_file(file, rc, &w->report, err);
		profile__free(p);
	}
	feed__free(feed);
	return rc;
}

int store_reader__parts(const struct store_range *r, bool may_miss,
			int (*fn)(const struct profile *p, void *ctx), void *ctx,
			struct store_report *ret_report, struct err *err)
{
	struct walk w = {
		.folder = {.limit_bytes = r->limit_bytes ? r->limit_bytes : STORE_READER_LIMIT_BYTES},
		.is_state = event__is_state(r->event),
		.may_miss = may_miss,
		.fn = fn,
		.ctx = ctx};
	struct store_file *files = NULL;
	uint32_t n;
	int rc = open_snapshots(r->dir, &w.folder.snapshots_fd, err);

	if (rc)
		return rc;
	rc = list_files(w.folder.snapshots_fd, r->dir, r->event, r->from_ns, r->to_ns, &files, &n, err);
	if (!rc) {
		store_files__turn(files, n);
		rc = walk_files(&w, files, n, err);
	}
	free(files);
	io__close(&w.folder.snapshots_fd);
	if (!rc && !w.report.n_files)
		rc = err__set(err, -ENOENT, "store: '%s' has no %s profile of that time%s", r->dir, r->event,
			      w.report.n_damaged ? " that can be read" : "");
	if (ret_report)
		*ret_report = w.report;
	return rc;
}

int store_reader__each(const char *dir, const struct store_file *files, uint32_t n,
		       int (*fn)(const struct profile *p, void *ctx), void *ctx)
{
	struct source_folder folder = {.limit_bytes = STORE_READER_LIMIT_BYTES};
	const struct feed_opts opts = {.files = files,
				       .n = n,
				       .read = read_file,
				       .ctx = &folder,
				       .file_bytes = STORE_READER_LIMIT_BYTES,
				       .limit_bytes = STORE_READER_LIMIT_BYTES};
	const struct store_file *file;
	struct feed *feed = NULL;
	int rc = open_snapshots(dir, &folder.snapshots_fd, NULL);

	if (rc)
		return rc;
	rc = feed__new(&opts, &feed);
	for (uint32_t i = 0; !rc && i < n; i++) {
		struct profile *p = NULL;

		if (!feed__next(feed, &file, &p, NULL))
			rc = fn(p, ctx);
		profile__free(p);
	}
	feed__free(feed);
	io__close(&folder.snapshots_fd);
	return rc;
}
