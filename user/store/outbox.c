// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Disks fill up, go read-only, are unmounted or emptied by somebody's script. Profiling must not stop for that, must not flood the
 *   log, and must not need a restart.
 *
 * Idea. Windows leave through one door. While the door is shut they queue in the spool (memory, bounded, oldest out first); the first
 *   failure is said, the tries that follow come at growing distances, the first success empties the queue in order and is said too.
 *
 *       put ──> spool empty and time to try? ── yes ──> write ── ok ──> retention
 *                      | no                               | failed: outage begins or its pause doubles
 *                      └───────────> spool <──────────────┘
 *
 *   A full disk gets one special answer: give up as much of the oldest as the new window needs and try once more. If that does not
 *   help, somebody else takes the space, and no further file is given up in this outage.
 *   Before each write the folder is looked up again by its path: an emptied or replaced one is started anew, also its
 *   lock; missing parents are not made again, since that is what an unmounted disk looks like.
 *
 * Invariants. Windows reach the disk in the order in which they were put. Each is written, spooled, or counted as lost: never two of
 *   them, never none. A window's name is decided when it is written, so that it is late if its hour was rolled up meanwhile.
 *
 * What it does not do. The spool is memory: windows in it die with a killed agent.
 */
#include <errno.h>
#include <string.h>

#include "user/base/log.h"
#include "user/store/store_impl.h"

#define ROOM_SPARE_BYTES 65536 /* a new folder, the temporary file's metadata */

void store__count_error(struct store *s, int err)
{
	uint32_t i = 0;

	pthread_mutex_lock(&s->index_lock);
	s->stats.n_write_errors++;
	while (i < STORE_ERRNOS_MAX - 1 && s->stats.write_errors[i].n && s->stats.write_errors[i].err != -err)
		i++;
	s->stats.write_errors[i].err = -err;
	s->stats.write_errors[i].n++;
	pthread_mutex_unlock(&s->index_lock);
}

/* ---- the folder ------------------------------------------------------------------------------------------------------ */

static void close_dir(struct store *s)
{
	pthread_mutex_lock(&s->index_lock);
	store_dir__close(&s->dir);
	store_index__clear(&s->index);
	pthread_mutex_unlock(&s->index_lock);
	s->is_rolling = false;
}

static int load_dir(struct store *s, struct err *err)
{
	struct store_scan scan = {.clean = true, .over = store__delete_over, .ctx = s};
	struct store_index fresh;
	int rc;

	store_index__init(&fresh, s->index.limit);
	rc = store_dir__scan(s->dir.snapshots_fd, &fresh, &scan);
	if (rc) {
		store_index__done(&fresh);
		return err__set(err, rc, "store: read '%s/" STORE_SNAPSHOTS "': %s", s->path, strerror(-rc));
	}
	pthread_mutex_lock(&s->index_lock);
	store_index__done(&s->index);
	s->index = fresh;
	pthread_mutex_unlock(&s->index_lock);
	if (scan.n_temporary)
		log_info("store: open '%s': removed %u unfinished files of a run that was killed", s->path,
			 scan.n_temporary);
	if (scan.n_unreadable_days)
		log_warn("store: open '%s': %u folders of days cannot be read, ignoring", s->path,
			 scan.n_unreadable_days);
	return 0;
}

int store__ensure_dir(struct store *s, struct err *err)
{
	bool was_replaced = store_dir__is_open(&s->dir);
	struct store_dir dir;
	int rc;

	if (was_replaced && store_dir__is_current(&s->dir, s->path))
		return 0;
	close_dir(s);
	rc = store_dir__open(&dir, s->path, !s->was_open, err);
	if (rc)
		return rc;
	pthread_mutex_lock(&s->index_lock);
	s->dir = dir;
	pthread_mutex_unlock(&s->index_lock);
	rc = load_dir(s, err);
	if (rc) {
		close_dir(s);
		return rc;
	}
	s->was_open = true;
	if (was_replaced)
		log_warn("store: directory '%s' was removed or replaced: going on with what is there now, %u "
			 "files",
			 s->path, s->index.n);
	return 0;
}

/* ---- one try --------------------------------------------------------------------------------------------------------- */

static bool came_late(const struct store *s, const struct store_name *name)
{
	return store_index__is_covered(&s->index, name) ||
	       (s->is_rolling && store_name__is_within(name, &s->rolling));
}

static int next_serial(struct store_name *name)
{
	if (store_name__level(name) != STORE_WINDOW || name->serial >= STORE_SERIAL_MAX)
		return -EEXIST;
	name->serial = name->serial ? name->serial + 1 : 2;
	return 0;
}

static int write_new(struct store *s, struct store_name *name, const void *bytes, size_t len,
		     uint64_t *ret_bytes)
{
	int rc;

	for (;;) {
		rc = store_index__find(&s->index, name)
			     ? -EEXIST
			     : store_dir__write(&s->dir, name, bytes, len, ret_bytes);
		if (rc != -EEXIST)
			return rc;
		/* A try whose rename worked and whose fsync of the folder failed has left the file. */
		if (!store_index__find(&s->index, name) && store_dir__has_same(&s->dir, name, bytes, len)) {
			*ret_bytes = len;
			return 0;
		}
		rc = next_serial(name);
		if (rc)
			return rc;
	}
}

static bool is_full(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT;
}

int store__write_file(struct store *s, struct store_name *name, const void *bytes, size_t len)
{
	uint64_t disk_bytes;
	int rc;

	if (store_name__level(name) == STORE_WINDOW && came_late(s, name))
		name->is_late = true;
	rc = store__reserve_slot(s);
	if (rc)
		return rc;
	rc = write_new(s, name, bytes, len, &disk_bytes);
	if (is_full(rc) && !s->made_room) {
		s->made_room = true;
		store__make_room(s, len + ROOM_SPARE_BYTES);
		rc = write_new(s, name, bytes, len, &disk_bytes);
	}
	if (rc)
		return rc;
	s->made_room = false;
	pthread_mutex_lock(&s->index_lock);
	rc = store_index__insert(&s->index, name, disk_bytes);
	s->stats.n_written++;
	s->stats.written_bytes += disk_bytes;
	pthread_mutex_unlock(&s->index_lock);
	return rc;
}

/* ---- the door -------------------------------------------------------------------------------------------------------- */

static void note_failure(struct store *s, int rc, const char *what)
{
	store__count_error(s, rc);
	if (!outage__fail(&s->outage, rc, store__mono_ns(s)))
		return;
	pthread_mutex_lock(&s->index_lock);
	s->stats.n_outages++;
	pthread_mutex_unlock(&s->index_lock);
	s->lost_before = s->spool.n_lost;
	s->n_written_late = 0;
	log__write(LOG_LEVEL_WARN, &s->log_failure, "%s, profiling goes on in memory, will retry", what);
}

static void note_success(struct store *s)
{
	uint64_t length_ns;

	if (outage__end(&s->outage, store__mono_ns(s), &length_ns))
		log__write(LOG_LEVEL_INFO, &s->log_success,
			   "store: write '%s': works again after %.0f s; %u windows written late, %llu lost",
			   s->path, (double)length_ns / 1e9, s->n_written_late,
			   (unsigned long long)(s->spool.n_lost - s->lost_before));
}

/* One window to the disk; what fails is noted. */
static int try_write(struct store *s, const struct store_name *name, const void *bytes, size_t len)
{
	struct store_name as = *name;
	char path[STORE_PATH_MAX];
	struct err err = {0};
	int rc;

	rc = store__ensure_dir(s, &err);
	if (rc) {
		note_failure(s, rc, err.text);
		return rc;
	}
	rc = store__write_file(s, &as, bytes, len);
	if (rc) {
		store_name__format_path(&as, path);
		err__set(&err, rc, "store: write '%s/" STORE_SNAPSHOTS "/%s': %s", s->path, path,
			 strerror(-rc));
		note_failure(s, rc, err.text);
	}
	return rc;
}

int store__send_spooled(struct store *s)
{
	struct err err = {0};
	int rc;

	if (!s->outage.err)
		return 0;
	if (!outage__may_try(&s->outage, store__mono_ns(s)))
		return -EAGAIN;
	/* An empty spool cannot prove that writing works, unless it was the folder that was missing. */
	if (!s->spool.n && !store_dir__is_open(&s->dir)) {
		rc = store__ensure_dir(s, &err);
		if (rc) {
			note_failure(s, rc, err.text);
			return rc;
		}
		note_success(s);
	}
	while (s->spool.first) {
		rc = try_write(s, &s->spool.first->name, s->spool.first->bytes, s->spool.first->len);
		if (rc && rc != -EEXIST)
			return rc;
		/* No name is left for it (thousands of the same second): waiting would not help, and block those behind it. */
		if (rc)
			s->spool.n_lost++;
		else
			s->n_written_late++;
		spool__pop(&s->spool);
		if (!s->spool.first)
			note_success(s);
	}
	return 0;
}

int store__send(struct store *s, const struct store_name *name, const void *bytes, size_t len)
{
	int rc = store__send_spooled(s);

	if (!rc)
		rc = try_write(s, name, bytes, len);
	if (!rc) {
		note_success(s);
		store__apply_retention(s);
		return 0;
	}
	return spool__push(&s->spool, name, bytes, len);
}
