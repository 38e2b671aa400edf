/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: hundreds of processes map the same few hundred files under changing names, from images that copy them;
 * files vanish while they run. Each must be read once, and found again in microseconds for each mapping event.
 *
 * Idea: a mapping event names the inode. While we hold that very file open its number cannot be another file's, so
 * one fstat of our own descriptor, for a file that was rewritten in place, says that it is the one we know: no path is
 * walked, the process is not asked and may be gone. Else a mapping is stat'ed through /proc/PID/map_files, which needs no
 * open; only a file that was never seen is opened and described.
 *
 *      event ─inode──> object_index ─> entry {object, refs, fd, inode of fd, aliases[], last place}
 *      mapping ─stat─┘
 *
 *      idle     entries with refs = 0, oldest first: retired, or evicted when room is needed
 *      opened   entries with an open fd, oldest first: closed past the cap, or when idle
 *
 * Where the file is gone: an object of the same build-id whose segments hold the offset, then the path on the host if
 * its build-id or inode proves it, then an object without a file, so that frames keep path, build-id and offset.
 *
 * Invariants: an entry is on `idle` iff refs = 0; on `opened` iff its descriptor is open; it has an inode only while that is.
 *
 * Cost: for a known file one fstat (0.3 us) and one hash look-up, by /proc one stat (3 us); for a new one an open, and the
 * ELF headers. ~470 bytes an object.
 *
 * What it does not do: notice that a mapped file is rewritten in place without a new mtime (the kernel refuses that
 * for running programs).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/base/io.h"
#include "user/base/log.h"
#include "user/object/object_cache.h"
#include "user/object/object_index.h"
#include "user/object/vdso.h"

#define OPEN_FDS_MAX  256
#define IDLE_CROWD    4096 /* some 2 MiB */
#define IDLE_CROWD_NS (120ull * 1000000000)

struct object_cache {
	pthread_mutex_t lock;
	struct object_cache_opts opts;
	int proc_root_fd;
	uint64_t now_ns; /* the latest that a caller told us */
	uint32_t vdso_id;
	struct object_index index;
	struct object_entry_list idle, opened;
	uint32_t n_idle;
	uint64_t keep_ns; /* no object goes sooner but for want of room */
	struct object_cache_stats stats;
};

/* ---- references and idleness ------------------------------------------------------------------------------------- */

static void cache__set_now(struct object_cache *c, uint64_t now_ns)
{
	if (now_ns > c->now_ns)
		c->now_ns = now_ns;
}

static void cache__remove_idle(struct object_cache *c, struct object_entry *e)
{
	TAILQ_REMOVE(&c->idle, e, idle_link);
	c->n_idle--;
}

static void entry__ref(struct object_cache *c, struct object_entry *e)
{
	if (e->refs++ == 0)
		cache__remove_idle(c, e);
	e->used_ns = c->now_ns;
}

static void entry__unref(struct object_cache *c, struct object_entry *e)
{
	if (e->refs == 0 || --e->refs > 0)
		return;
	e->used_ns = c->now_ns;
	TAILQ_INSERT_TAIL(&c->idle, e, idle_link);
	c->n_idle++;
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static void entry__close_fd(struct object_cache *c, struct object_entry *e)
{
	if (e->fd < 0)
		return;
	TAILQ_REMOVE(&c->opened, e, opened_link);
	object_index__clear_inode(&c->index, e);
	io__close(&e->fd);
	c->stats.open_fds--;
}

/* Takes the descriptor; the one that was used longest ago makes room. */
static void entry__keep_fd(struct object_cache *c, struct object_entry *e, int fd)
{
	if (e->fd >= 0) {
		io__close(&fd);
		return;
	}
	while (c->stats.open_fds >= c->opts.max_open_fds) {
		entry__close_fd(c, TAILQ_FIRST(&c->opened));
		c->stats.n_fd_evicted++;
	}
	e->fd = fd;
	e->fd_used_ns = c->now_ns;
	TAILQ_INSERT_TAIL(&c->opened, e, opened_link);
	c->stats.open_fds++;
}

static void entry__use_fd(struct object_cache *c, struct object_entry *e)
{
	e->fd_used_ns = c->now_ns;
	TAILQ_REMOVE(&c->opened, e, opened_link);
	TAILQ_INSERT_TAIL(&c->opened, e, opened_link);
}

/* Is this still the file that was described, or one with the same code? */
static bool entry__accepts(const struct object_cache *c, const struct object_entry *e, int fd)
{
	struct object_identity id;
	struct object o = {0};
	bool same;

	if (read_object_identity(fd, &id) < 0)
		return false;
	if (object_index__find_file(&c->index, &id) == e)
		return true;
	o.identity = id;
	same = object__describe(&o, fd) == 0 && object__same_code(&o, &e->object);
	object__done(&o);
	return same;
}

static int entry__reopen(struct object_cache *c, struct object_entry *e)
{
	struct object_mapping m = {
		.tgid = e->seen_tgid,
		.pid_dir_fd = FD_CLOSED,
		.start = e->seen_start,
		.end = e->seen_end,
		.path = e->object.path,
		.ino = e->object.identity.ino,
		.build_id = e->object.build_id,
		.build_id_len = e->object.build_id_len,
	};
	int error = -ESTALE;

	if (e->object.flags & OBJECT_VDSO) {
		int fd = FD_CLOSED;
		int r = vdso__open(&fd);

		if (r == 0)
			entry__keep_fd(c, e, fd);
		return r;
	}
	for (int place = 0; place < OBJECT_PLACE_MAX; place++) {
		int fd = FD_CLOSED;
		int r = object_place__open(c->proc_root_fd, &m, place, &fd);

		if (io__is_passing(r))
			error = r;
		if (r < 0)
			continue;
		if (entry__accepts(c, e, fd)) {
			entry__keep_fd(c, e, fd);
			c->stats.n_fd_reopened++;
			return 0;
		}
		io__close(&fd);
	}
	c->stats.n_fd_lost += error == -ESTALE;
	return error;
}

/* ---- adding and removing ----------------------------------------------------------------------------------------- */

static void cache__remove(struct object_cache *c, struct object_entry *e)
{
	uint32_t id = e->object.id;

	entry__close_fd(c, e);
	if (e->refs == 0)
		cache__remove_idle(c, e);
	object_index__remove(&c->index, e);
	if (c->opts.retired)
		c->opts.retired(c->opts.ctx, id);
}

/* Adds `o`, which is taken on success. The new entry has one reference. */
static int cache__add(struct object_cache *c, struct object *o, const struct object_identity *id,
		      struct object_entry **ret_entry)
{
	struct object_entry *e;
	int r;

	if (slots__count(&c->index.slots) >= c->opts.max_objects) {
		if (TAILQ_EMPTY(&c->idle)) {
			c->stats.n_refused++;
			return -E2BIG;
		}
		cache__remove(c, TAILQ_FIRST(&c->idle));
		c->stats.n_evicted++;
	}
	r = object_index__add(&c->index, o, id, &e);
	if (r == -ENOSPC && !c->stats.n_refused_id++)
		log_warn("objects: all %u numbers are used: code of new files has no names until the next "
			 "start",
			 c->opts.max_id);
	if (r < 0)
		return r;
	e->refs = 1;
	e->used_ns = c->now_ns;
	c->stats.n_by_state[e->object.state]++;
	*ret_entry = e;
	return 0;
}

/* ---- from a mapping to its object -------------------------------------------------------------------------------- */

static bool build_id_agrees(const struct object_mapping *m, const struct object *o)
{
	return m->build_id_len == 0 ||
	       (m->build_id_len == o->build_id_len && memcmp(m->build_id, o->build_id, o->build_id_len) == 0);
}

/*
 * The entry of an open file, with a reference; -ESTALE where it is not what the mapping says. Takes the descriptor on
 * success.
 */
static int cache__open_file(struct object_cache *c, const struct object_mapping *m, int fd,
			    struct object_entry **ret_entry)
{
	struct object o = {0};
	struct object_identity id;
	struct object_entry *e;
	int r;

	r = read_object_identity(fd, &id);
	if (r < 0)
		return r;
	e = object_index__find_file(&c->index, &id);
	if (e && build_id_agrees(m, &e->object)) {
		c->stats.n_found_file++;
		entry__ref(c, e);
		goto found;
	}
	o.identity = id;
	r = object__describe(&o, fd);
	if (r < 0)
		goto out;
	c->stats.n_described++;
	r = -ESTALE;
	if (e || !build_id_agrees(m, &o))
		goto out;
	e = object_index__find_same_code(&c->index, &o);
	if (e) {
		r = object_index__add_alias(&c->index, e, &id);
		if (r < 0)
			goto out;
		c->stats.n_found_build++;
		entry__ref(c, e);
		goto found;
	}
	o.flags |= m->deleted ? OBJECT_DELETED : 0;
	r = object__set_path(&o, m->path);
	if (r == 0)
		r = cache__add(c, &o, &id, &e);
	if (r < 0)
		goto out;
found:
	entry__keep_fd(c, e, fd);
	*ret_entry = e;
	r = 0;
out:
	object__done(&o);
	return r;
}

/* Nobody has the file: the same code under another name, else a name without a file. */
static int cache__open_without_file(struct object_cache *c, const struct object_mapping *m, int error,
				    struct object_entry **ret_entry)
{
	struct object o = {.error = error, .flags = OBJECT_VADDR_IS_OFFSET};
	struct object_entry *e;
	int r;

	e = object_index__find_build(&c->index, m->build_id, m->build_id_len, m->pgoff);
	if (e) {
		c->stats.n_found_build++;
		goto found;
	}
	/* a process that is gone, in a container that we cannot look into any more: another one ran the same file */
	if (m->build_id_len == 0)
		e = object_index__find_place(&c->index, m->path, m->ino, m->pgoff);
	if (!e)
		e = object_index__find_name(&c->index, m->path, m->build_id, m->build_id_len);
	if (e)
		goto found;
	if (error == -EREMOTE)
		o.state = OBJECT_FAR;
	else
		o.state = object_place__process_alive(c->proc_root_fd, m) ? OBJECT_UNREADABLE : OBJECT_GONE;
	memcpy(o.build_id, m->build_id, m->build_id_len);
	o.build_id_len = m->build_id_len;
	r = object__set_path(&o, m->path);
	if (r == 0)
		r = cache__add(c, &o, NULL, ret_entry);
	object__done(&o);
	return r;
found:
	entry__ref(c, e);
	*ret_entry = e;
	return 0;
}

static struct object_inode mapping__inode(const struct object_mapping *m)
{
	return (struct object_inode){.dev = m->dev, .ino = m->ino, .generation = m->generation};
}

/* The entry that has the event's file open, as it was when that was opened. */
static struct object_entry *cache__find_open(struct object_cache *c, const struct object_mapping *m)
{
	const struct object_inode inode = mapping__inode(m);
	struct object_entry *e = object_index__find_inode(&c->index, &inode);
	struct object_identity now;

	if (!e || !build_id_agrees(m, &e->object))
		return NULL;
	if (read_object_identity(e->fd, &now) < 0 || !object_identity__eq(&now, &e->fd_identity)) {
		object_index__clear_inode(&c->index, e); /* rewritten in place */
		return NULL;
	}
	entry__use_fd(c, e);
	return e;
}

/*
 * The next event of this file finds the entry by its inode. Only where the numbers agree: overlayfs numbers a file that was
 * copied up in another way than a mapping of it.
 */
static void entry__remember_inode(struct object_cache *c, struct object_entry *e,
				  const struct object_mapping *m)
{
	const struct object_inode inode = mapping__inode(m);
	struct object_identity id;
	int fd = FD_CLOSED;

	if (!inode.dev || e->n_aliases == 0)
		return;
	if (e->fd >= 0)
		fd = e->fd;
	else if (c->stats.open_fds >= c->opts.max_open_fds ||
		 object_place__open(c->proc_root_fd, m, OBJECT_PLACE_MAP_FILES, &fd) < 0)
		return;
	if (read_object_identity(fd, &id) == 0 && id.ino == inode.ino &&
	    object_index__find_file(&c->index, &id) == e) {
		if (fd != e->fd)
			entry__keep_fd(c, e, fd);
		e->fd_identity = id;
		object_index__set_inode(&c->index, e, &inode); /* where that fails it is found as this time */
	} else if (fd != e->fd) {
		io__close(&fd);
	}
}

/* -EINVAL: no regular file, so no object. */
static int cache__look_up(struct object_cache *c, const struct object_mapping *m,
			  struct object_entry **ret_entry)
{
	struct object_identity id;
	struct object_entry *e;
	int error = -ENOENT;

	if (object_place__identify(c->proc_root_fd, m, &id) == 0) {
		e = object_index__find_file(&c->index, &id);
		if (e && build_id_agrees(m, &e->object)) {
			c->stats.n_found_file++;
			entry__ref(c, e);
			*ret_entry = e;
			return 0;
		}
	}
	for (int place = 0; place < OBJECT_PLACE_MAX; place++) {
		int fd = FD_CLOSED;
		int r = object_place__open(c->proc_root_fd, m, place, &fd);

		if (r == 0)
			r = cache__open_file(c, m, fd, ret_entry);
		if (r == 0)
			return 0;
		io__close(&fd);
		if (r == -EINVAL || r == -ENOMEM || r == -E2BIG || r == -ENOSPC)
			return r;
		if (r != -ENOENT && error == -ENOENT)
			error = r;
	}
	return cache__open_without_file(c, m, error, ret_entry);
}

static int cache__open_entry(struct object_cache *c, const struct object_mapping *m,
			     struct object_entry **ret_entry)
{
	struct object_entry *e = cache__find_open(c, m);
	int r;

	if (e) {
		c->stats.n_found_inode++;
		entry__ref(c, e);
		*ret_entry = e;
		return 0;
	}
	r = cache__look_up(c, m, ret_entry);
	if (r == 0)
		entry__remember_inode(c, *ret_entry, m);
	return r;
}

/* JITs that keep their code in a memfd or an unlinked file: raw addresses are what their symbol files speak of. */
static bool entry__is_jit(const struct object_entry *e, const struct object_mapping *m)
{
	return m->deleted && e->object.state == OBJECT_NOT_ELF;
}

int object_cache__open_mapping(struct object_cache *c, const struct object_mapping *m, uint64_t now_ns,
			       uint32_t *ret_id, uint64_t *ret_bias)
{
	struct object_mapping given = *m;
	struct object_entry *e = NULL;
	uint64_t bias = 0;
	int r;

	if (m->build_id_len > ELF_BUILD_ID_MAX || m->end <= m->start)
		return -EINVAL;
	if (!given.build_id || given.build_id_len == 0)
		given.build_id = (const uint8_t *)"", given.build_id_len = 0;
	if (!given.path)
		given.path = "";
	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	r = cache__open_entry(c, &given, &e);
	if (r == 0) {
		e->seen_tgid = m->tgid;
		e->seen_start = m->start;
		e->seen_end = m->end;
	}
	if (r == 0 && (entry__is_jit(e, m) || object__bias(&e->object, m->start, m->pgoff, &bias) < 0)) {
		entry__unref(c, e);
		e = NULL;
	}
	if (r == -EINVAL)
		r = 0;
	if (r == 0) {
		*ret_id = e ? e->object.id : 0;
		*ret_bias = e ? bias : 0;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

static int cache__add_vdso(struct object_cache *c, struct object_entry **ret_entry)
{
	struct object o = {.flags = OBJECT_VDSO};
	int fd = FD_CLOSED;
	int r;

	r = vdso__open(&fd);
	if (r == 0)
		r = object__describe(&o, fd);
	if (r == 0)
		r = object__set_path(&o, VDSO_PATH);
	if (r == 0)
		r = cache__add(c, &o, NULL, ret_entry);
	if (r < 0)
		goto out;
	c->stats.n_described++;
	c->vdso_id = (*ret_entry)->object.id;
	entry__keep_fd(c, *ret_entry, fd);
	fd = FD_CLOSED;
out:
	io__close(&fd);
	object__done(&o);
	return r;
}

int object_cache__open_vdso(struct object_cache *c, uint64_t start, uint64_t pgoff, uint64_t now_ns,
			    uint32_t *ret_id, uint64_t *ret_bias)
{
	struct object_entry *e = NULL;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	if (c->vdso_id)
		e = object_index__find(&c->index, c->vdso_id);
	else
		r = cache__add_vdso(c, &e);
	if (r == 0)
		r = object__bias(&e->object, start, pgoff, ret_bias);
	if (r == 0) {
		*ret_id = e->object.id;
		entry__ref(c, e);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* ---- by id ------------------------------------------------------------------------------------------------------- */

int object_cache__get(struct object_cache *c, uint32_t id, const struct object **ret_object)
{
	struct object_entry *e;

	pthread_mutex_lock(&c->lock);
	e = object_index__find(&c->index, id);
	if (e) {
		entry__ref(c, e);
		if (ret_object)
			*ret_object = &e->object;
	}
	pthread_mutex_unlock(&c->lock);
	return e ? 0 : -ENOENT;
}

void object_cache__put(struct object_cache *c, uint32_t id)
{
	struct object_entry *e;

	if (id == 0)
		return;
	pthread_mutex_lock(&c->lock);
	e = object_index__find(&c->index, id);
	if (e)
		entry__unref(c, e);
	pthread_mutex_unlock(&c->lock);
}

static int entry__open_fd(struct object_cache *c, struct object_entry *e, int *ret_fd)
{
	bool has_file = e->n_aliases > 0 || (e->object.flags & OBJECT_VDSO);
	int r = 0;
	int fd;

	if (!has_file)
		return e->object.error < 0 ? e->object.error : -ENOENT;
	if (e->fd < 0)
		r = entry__reopen(c, e);
	if (r < 0)
		return r;
	entry__use_fd(c, e);
	fd = fcntl(e->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int object_cache__open_fd(struct object_cache *c, uint32_t id, uint64_t now_ns, int *ret_fd)
{
	struct object_entry *e;
	int r;

	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	e = object_index__find(&c->index, id);
	r = e ? entry__open_fd(c, e, ret_fd) : -ENOENT;
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* Where programs are built and tested, each run is of a file that was never seen before, and no sample may ever have been taken of it: of such a crowd less is kept. */
static uint64_t cache__idle_ns(const struct object_cache *c)
{
	uint64_t ns = c->opts.idle_ns;

	if (c->n_idle > c->opts.idle_crowd && ns > IDLE_CROWD_NS)
		ns = IDLE_CROWD_NS;
	return ns > c->keep_ns ? ns : c->keep_ns;
}

void object_cache__keep(struct object_cache *c, uint64_t ns)
{
	pthread_mutex_lock(&c->lock);
	c->keep_ns = ns;
	pthread_mutex_unlock(&c->lock);
}

uint32_t object_cache__retire(struct object_cache *c, uint64_t now_ns)
{
	struct object_entry *e;
	uint32_t n = 0;

	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	while ((e = TAILQ_FIRST(&c->idle)) && c->now_ns - e->used_ns >= cache__idle_ns(c)) {
		cache__remove(c, e);
		n++;
	}
	c->stats.n_retired += n;
	while ((e = TAILQ_FIRST(&c->opened)) && c->now_ns - e->fd_used_ns >= c->opts.fd_idle_ns)
		entry__close_fd(c, e);
	pthread_mutex_unlock(&c->lock);
	return n;
}

void object_cache__stats(struct object_cache *c, struct object_cache_stats *ret_stats)
{
	pthread_mutex_lock(&c->lock);
	*ret_stats = c->stats;
	ret_stats->objects = slots__count(&c->index.slots);
	ret_stats->bytes = object_index__bytes(&c->index);
	pthread_mutex_unlock(&c->lock);
}

/* ---- the whole cache --------------------------------------------------------------------------------------------- */

/* A quarter of what the process may have open: it needs some two hundred for its programs, maps and timers. */
static uint32_t default_open_fds(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur / 4 >= OPEN_FDS_MAX)
		return OPEN_FDS_MAX;
	return r.rlim_cur < 8 ? 2 : (uint32_t)(r.rlim_cur / 4);
}

int object_cache__new(const struct object_cache_opts *opts, struct object_cache **ret_cache)
{
	struct object_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opts = *opts;
	c->opts.max_objects = opts->max_objects ? opts->max_objects : 65536;
	c->opts.max_id = opts->max_id ? opts->max_id : FRAME_OBJECT_MAX;
	c->opts.max_open_fds = opts->max_open_fds ? opts->max_open_fds : default_open_fds();
	c->opts.idle_crowd = opts->idle_crowd ? opts->idle_crowd : IDLE_CROWD;
	c->opts.idle_ns = opts->idle_ns ? opts->idle_ns : 600ull * 1000000000;
	c->opts.fd_idle_ns = opts->fd_idle_ns ? opts->fd_idle_ns : 60ull * 1000000000;
	c->proc_root_fd = fcntl(opts->proc_root_fd, F_DUPFD_CLOEXEC, 0);
	if (c->proc_root_fd < 0) {
		int r = -errno;

		free(c);
		return r;
	}
	pthread_mutex_init(&c->lock, NULL);
	object_index__init(&c->index, c->opts.max_id);
	TAILQ_INIT(&c->idle);
	TAILQ_INIT(&c->opened);
	*ret_cache = c;
	return 0;
}

void object_cache__free(struct object_cache *c)
{
	if (!c)
		return;
	object_index__done(&c->index);
	io__close(&c->proc_root_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
