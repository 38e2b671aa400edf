// SPDX-License-Identifier: Apache-2.0
/*
 * The store's face: who may call what when. How windows reach the disk is told in outbox.c, what is deleted in retention.c, which files make up
 * a range in index.c.
 *
 * Two locks. `writer` lets one thread at a time touch the disk; whoever holds it may wait for an fsync. `index_lock` guards what
 * readers look at and is never held across a system call, so that the page and the metrics answer while the disk hangs. What the
 * writer knows and readers want (spool, outage) is copied under index_lock whenever the writer lets go.
 */
#include "user/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/store/store_impl.h"

uint64_t store__real_ns(const struct store *s)
{
	return s->opts.real_ns ? s->opts.real_ns(s->opts.clock_ctx) : clock__real_ns();
}

uint64_t store__mono_ns(const struct store *s)
{
	return s->opts.mono_ns ? s->opts.mono_ns(s->opts.clock_ctx) : clock__mono_ns();
}

const char *store_deletion__name(enum store_deletion d)
{
	static const char *const names[] = {
#define X(id, name, text) [STORE_DELETED_##id] = name,
		STORE_DELETIONS(X)
#undef X
	};

	return (unsigned)d < STORE_DELETED_MAX ? names[d] : "?";
}

static void lock(struct store *s)
{
	pthread_mutex_lock(&s->writer);
}

static void unlock(struct store *s)
{
	pthread_mutex_lock(&s->index_lock);
	s->stats.is_failing = s->outage.err != 0;
	s->stats.failing_err = s->outage.err;
	s->stats.n_lost = s->spool.n_lost;
	s->stats.n_spooled = s->spool.n;
	s->stats.spooled_bytes = s->spool.bytes;
	pthread_mutex_unlock(&s->index_lock);
	pthread_mutex_unlock(&s->writer);
}

/* Can it pass by itself, so that the agent should start all the same? Anything else is a wrong path or a missing right. */
static bool may_pass(int rc)
{
	switch (rc) {
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -EIO:
	case -ESTALE:
	case -ENODEV:
	case -ENXIO:
	case -ETIMEDOUT:
	case -EMFILE:
	case -ENFILE:
		return true;
	default:
		return false;
	}
}

static int start(struct store *s, struct err *err)
{
	struct err why = {0};
	int rc;

	rc = store__ensure_dir(s, &why);
	if (rc && !may_pass(rc))
		return err__set(err, rc, "%s", why.text);
	if (rc) {
		store__count_error(s, rc);
		outage__fail(&s->outage, rc, store__mono_ns(s));
		s->stats.n_outages++;
		log__write(LOG_LEVEL_WARN, &s->log_failure, "%s, profiling goes on in memory, will retry",
			   why.text);
		return 0;
	}
	store__apply_retention(s);
	return 0;
}

int store__open(const struct store_opts *opts, struct store **ret_store, struct err *err)
{
	struct store *s;
	int rc;

	if (!opts->dir || !opts->dir[0] || strlen(opts->dir) > PATH_MAX - 128)
		return err__set(err, -EINVAL, "store: open: the directory's name is empty or too long");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err__set(err, -ENOMEM, "store: open '%s': out of memory", opts->dir);
	s->opts = *opts;
	pthread_mutex_init(&s->writer, NULL);
	pthread_mutex_init(&s->index_lock, NULL);
	store_dir__init(&s->dir);
	store_index__init(&s->index, opts->max_files);
	spool__init(&s->spool, opts->spool_bytes ? opts->spool_bytes : STORE_SPOOL_BYTES);
	s->path = strdup(opts->dir);
	s->opts.dir = s->path;
	lock(s);
	rc = s->path ? start(s, err) : err__set(err, -ENOMEM, "store: open '%s': out of memory", opts->dir);
	unlock(s);
	if (rc) {
		store__close(s);
		return rc;
	}
	*ret_store = s;
	return 0;
}

void store__close(struct store *s)
{
	if (!s)
		return;
	lock(s);
	s->outage.next_try_ns = 0;
	if (s->spool.n && store__send_spooled(s))
		log_warn("store: close '%s': %u windows could not be written, lost", s->path, s->spool.n);
	unlock(s);
	store_dir__close(&s->dir);
	store_index__done(&s->index);
	spool__done(&s->spool);
	pthread_mutex_destroy(&s->writer);
	pthread_mutex_destroy(&s->index_lock);
	free(s->path);
	free(s);
}

int store__put(struct store *s, const char *event, uint64_t start_real_ns, uint64_t duration_ns,
	       const void *bytes, size_t len)
{
	enum store_codec codec;
	struct store_name name;
	int rc;

	rc = store_name__parse_codec(bytes, len, &codec);
	if (rc)
		return rc;
	rc = store_name__window(event, start_real_ns, duration_ns, codec, &name);
	if (rc)
		return rc;
	lock(s);
	rc = store__send(s, &name, bytes, len);
	unlock(s);
	return rc;
}

int store__flush(struct store *s)
{
	int rc;

	lock(s);
	rc = store__send_spooled(s);
	unlock(s);
	return rc;
}

void store__set_limits(struct store *s, uint64_t retention_ns, uint64_t window_retention_ns,
		       uint64_t max_bytes)
{
	lock(s);
	s->opts.retention_ns = retention_ns;
	s->opts.window_retention_ns = window_retention_ns;
	s->opts.max_bytes = max_bytes;
	unlock(s);
}

int store__enforce(struct store *s)
{
	struct err err = {0};
	int rc;

	lock(s);
	rc = s->outage.err;
	if (!rc)
		rc = store__ensure_dir(s, &err);
	if (!rc)
		rc = store__apply_retention(s);
	unlock(s);
	return rc;
}

static int each_file(struct store_file *files, uint32_t n, store_list_fn fn, void *ctx)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < n; i++)
		rc = fn(&files[i], ctx);
	free(files);
	return rc;
}

int store__list(struct store *s, const char *event, uint64_t from_ns, uint64_t to_ns, store_list_fn fn,
		void *ctx)
{
	struct store_file *files;
	uint32_t n;
	int rc;

	pthread_mutex_lock(&s->index_lock);
	rc = store_index__select(&s->index, event, from_ns, to_ns, &files, &n);
	pthread_mutex_unlock(&s->index_lock);
	return rc ? rc : each_file(files, n, fn, ctx);
}

int store__list_windows(struct store *s, const char *event, uint64_t from_ns, uint64_t to_ns,
			store_list_fn fn, void *ctx)
{
	struct store_file *files;
	uint32_t n;
	int rc;

	pthread_mutex_lock(&s->index_lock);
	rc = store_index__select_windows(&s->index, event, from_ns, to_ns, &files, &n);
	pthread_mutex_unlock(&s->index_lock);
	return rc ? rc : each_file(files, n, fn, ctx);
}

/* An own descriptor of a folder of the store's: the writer may change it meanwhile. */
static int store__duplicate(struct store *s, const int *of, int *ret_fd)
{
	int fd, rc;

	pthread_mutex_lock(&s->index_lock);
	fd = store_dir__is_open(&s->dir) ? fcntl(*of, F_DUPFD_CLOEXEC, 0) : FD_CLOSED;
	rc = fd >= 0 ? 0 : store_dir__is_open(&s->dir) ? -errno : -ENOENT;
	pthread_mutex_unlock(&s->index_lock);
	*ret_fd = fd;
	return rc;
}

static int store__folder(struct store *s, int *ret_fd)
{
	return store__duplicate(s, &s->dir.snapshots_fd, ret_fd);
}

bool store__holds(struct store *s, int dir_fd)
{
	int fd;
	bool same;

	if (store__duplicate(s, &s->dir.root_fd, &fd))
		return false;
	same = io__leads_to(dir_fd, ".", fd);
	io__close(&fd);
	return same;
}

int store__open_file(struct store *s, const struct store_name *name, int *ret_fd)
{
	char path[STORE_PATH_MAX];
	int fd, rc = store__folder(s, &fd);

	if (rc)
		return rc;
	store_name__format_path(name, path);
	rc = io__open_regular(fd, path, ret_fd);
	io__close(&fd);
	return rc;
}

int store__read(struct store *s, const struct store_name *name, size_t limit, struct buf *to)
{
	int fd, rc = store__folder(s, &fd);

	if (rc)
		return rc;
	rc = store_dir__read(fd, name, limit, to);
	io__close(&fd);
	return rc;
}

void store__stats(struct store *s, struct store_stats *ret)
{
	pthread_mutex_lock(&s->index_lock);
	*ret = s->stats;
	ret->bytes = s->index.bytes;
	ret->n_files = s->index.n;
	if (s->index.n) {
		ret->oldest_s = s->index.entries[0].name.start_s;
		ret->newest_s = s->index.entries[s->index.n - 1].name.start_s;
	}
	pthread_mutex_unlock(&s->index_lock);
}

int store__begin_rollup(struct store *s, uint64_t grace_ns, store_verdict_fn verdict, const void *ctx,
			struct store_name *ret_rollup, struct store_name **ret_parts, uint32_t *ret_n_parts)
{
	struct store_name rollup;
	int rc;

	lock(s);
	if (s->is_rolling)
		rc = -EBUSY;
	else if (s->outage.err || !store_dir__is_open(&s->dir))
		rc = -EAGAIN;
	else
		rc = store_index__next_rollup(&s->index, store__real_ns(s) / NS_PER_SEC,
					      grace_ns / NS_PER_SEC, verdict, ctx, &rollup);
	if (rc)
		goto out;
	rc = store_index__parts(&s->index, &rollup, ret_parts, ret_n_parts);
	if (rc)
		goto out;
	s->rolling = rollup;
	s->is_rolling = true;
	*ret_rollup = rollup;
out:
	unlock(s);
	return rc;
}

/* The attempt that was begun, written; `writer` is held. */
static int write_rollup(struct store *s, const void *bytes, size_t len)
{
	struct err err = {0};
	int rc;

	rc = store__ensure_dir(s, &err);
	/* Begun in a folder that is no longer there. */
	if (!rc && !s->is_rolling)
		rc = -ESTALE;
	if (!rc)
		rc = store__write_file(s, &s->rolling, bytes, len);
	if (rc)
		return rc;
	s->is_rolling = false;
	pthread_mutex_lock(&s->index_lock);
	s->stats.n_rollups++;
	pthread_mutex_unlock(&s->index_lock);
	store__apply_retention(s);
	return 0;
}

int store__end_rollup(struct store *s, const void *bytes, size_t len)
{
	int rc = 0;

	lock(s);
	if (bytes)
		rc = write_rollup(s, bytes, len);
	else
		s->is_rolling = false;
	if (rc)
		store__count_error(s, rc);
	unlock(s);
	return rc;
}
