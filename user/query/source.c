/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/profile/profile.h"
#include "user/query/fetch.h"
#include "user/query/gather.h"
#include "user/store/dir.h"
#include "user/store/reader.h"

#define DEFAULT_EVENT "cpu"

static bool is_stdin(const char *path)
{
	return !strcmp(path, "-");
}

static int read_file(const char *path, struct buf *to, struct err *e)
{
	int fd = STDIN_FILENO, err = 0;

	if (!is_stdin(path))
		err = io__open_regular(AT_FDCWD, path, &fd);
	if (!err)
		err = io__read_fd(fd, SOURCE_FILE_MAX, to);
	if (!is_stdin(path))
		io__close(&fd);
	return err ? err__set(e, err, "cannot read '%s': %s", path,
			      err == -EINVAL ? "not a regular file" : strerror(-err))
		   : 0;
}

static int load_file(const char *path, struct profile **ret_profile, struct err *e)
{
	struct buf bytes;
	int err;

	buf__init(&bytes, SOURCE_FILE_MAX);
	err = fetch__is_url(path) ? fetch__url(path, SOURCE_FILE_MAX, &bytes, e) : read_file(path, &bytes, e);
	if (!err)
		err = pprof__decode(bytes.data, bytes.len, NULL, ret_profile, e);
	if (err && e && !e->text[0])
		err__set(e, err, "'%s': %s", path, err == -E2BIG ? "too large for memory" : strerror(-err));
	else if (err == -EBADMSG || (err == -E2BIG && e && !strncmp(e->text, "pprof: ", 7)))
		err__prefix(e, err, "'%s'", path);
	buf__done(&bytes);
	return err;
}

/* The parts that are walked over, whichever path they are of. */
struct walk {
	part_fn fn;
	void *ctx;
	const char *path, *first_path; /* this one, and the one that had the first part */
	struct err *err;
};

static int each_of_store(const struct source *s, const struct walk *w, bool may_miss)
{
	const struct source_opts *o = s->opts;
	struct store_range r = {.dir = w->path, .event = o->event ? o->event : DEFAULT_EVENT};
	int err = store_reader__span(r.dir, r.event, &r.from_ns, &r.to_ns, w->err);

	if (err)
		return err;
	if (o->to_ns)
		r.to_ns = o->to_ns;
	if (o->from_ns)
		r.from_ns = o->from_ns;
	else
		r.from_ns = r.to_ns > SOURCE_DEFAULT_NS ? r.to_ns - SOURCE_DEFAULT_NS : 0;
	return store_reader__parts(&r, may_miss, w->fn, w->ctx, NULL, w->err);
}

static int take_file(const struct walk *w, const char *path)
{
	struct profile *p = NULL;
	int err = load_file(path, &p, w->err);

	if (err)
		return err;
	err = w->fn(p, w->ctx);
	if (err == -EINVAL)
		err__set(w->err, err, "'%s' and '%s' have different sample types", w->first_path, w->path);
	else if (err)
		err__prefix(w->err, err, "'%s'", w->path);
	profile__free(p);
	return err;
}

/* The file that a path stands for; NULL: it is a store. */
static const char *file_of(const char *path, const struct source_opts *o, char inner[PATH_MAX])
{
	const char *event = o->event ? o->event : DEFAULT_EVENT;
	struct stat st;

	if (is_stdin(path) || fetch__is_url(path) || stat(path, &st) || !S_ISDIR(st.st_mode))
		return path;
	if (snprintf(inner, PATH_MAX, "%s/" STORE_SNAPSHOTS, path) < PATH_MAX && stat(inner, &st) &&
	    snprintf(inner, PATH_MAX, "%s/%s.pb.gz", path, event) < PATH_MAX && !stat(inner, &st))
		return inner;
	return NULL;
}

/* Commands fold nothing: they may take as much memory as they need. */
static int each(const struct parts *parts, const struct parts_walk *how, part_fn fn, void *ctx, struct err *e)
{
	const struct source *s = (const struct source *)parts; /* its first member */
	struct walk w = {.fn = fn, .ctx = ctx, .err = e};
	bool may_miss = how->may_miss;
	char inner[PATH_MAX];
	int err = 0;

	/* what came from there once does not come again */
	for (uint32_t i = 0; i < s->n; i++)
		may_miss |= is_stdin(s->paths[i]) || fetch__is_url(s->paths[i]);
	w.first_path = s->n ? s->paths[0] : "";
	for (uint32_t i = 0; !err && i < s->n; i++) {
		const char *file = file_of(s->paths[i], s->opts, inner);

		w.path = s->paths[i];
		err = file ? take_file(&w, file) : each_of_store(s, &w, may_miss);
	}
	return err;
}

void source__init(struct source *s, const char *const *paths, uint32_t n, const struct source_opts *opts)
{
	*s = (struct source){.parts = {.each = each}, .paths = paths, .n = n, .opts = opts};
}

int source__load(const struct source *s, struct profile **ret_profile, struct err *e)
{
	const struct gather_sum_opts sum = {.limit_bytes = SOURCE_SUM_MAX};
	const struct gather_opts o = {.parts = &s->parts};
	char inner[PATH_MAX];
	const char *file = s->n == 1 ? file_of(s->paths[0], s->opts, inner) : NULL;

	return file ? load_file(file, ret_profile, e) : gather__sum(&o, &sum, ret_profile, NULL, e);
}
