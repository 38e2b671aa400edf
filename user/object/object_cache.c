/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: hundreds of processes map the same few hundred files under changing names, from images that copy them; files vanish while they run.
 * Each must be read once, and found again in microseconds for each mapping event.
 *
 * Idea: a mapping is stat'ed through /proc/PID/map_files first, which needs no open; only a file that was never seen is opened and described.
 *
 *      by_file   {dev, ino, size, mtime} ─┐ several a slot: aliases
 *      by_build  {build-id}              ─┼─> slots[] ─> entry {object, refs, fd, aliases[], last place}
 *      by_id     id                      ─┤               │       on `idle` while refs = 0, oldest first
 *      by_name   {path, build-id}        ─┘               └───── on `opened` while fd is open, oldest first
 *      (by_name: objects whose file could not be had)
 *
 * Where the file is gone: an object of the same build-id whose segments hold the offset, then the path on the host if its build-id or
 * inode proves it, then an object without a file, so that frames keep path, build-id and offset.
 *
 * Invariants: an entry is in by_id always, in by_build iff it is READY with a build-id, in by_name iff it has no alias and is not the vDSO; it is on
 * `idle` iff refs = 0. The vDSO keeps a reference of the cache's own.
 *
 * Cost: one stat and one hash look-up for a known file; for a new one an open, and the ELF headers. ~600 bytes an object.
 *
 * What it does not do: notice that a mapped file is rewritten in place without a new mtime (the kernel refuses that for running programs).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "user/base/hashmap.h"
#include "user/base/io.h"
#include "user/object/object_cache.h"
#include "user/object/vdso.h"

struct entry {
	struct object object;
	uint32_t slot;
	uint32_t refs;
	int fd;
	uint32_t n_aliases, next_alias;
	struct object_identity *aliases;
	uint64_t used_ns, fd_used_ns;
	uint64_t seen_start,
		seen_end; /* the last mapping that led here: where to look when the descriptor was closed */
	uint32_t seen_tgid;
	TAILQ_ENTRY(entry) idle_link, opened_link;
};

TAILQ_HEAD(entry_list, entry);

struct object_cache {
	pthread_mutex_t lock;
	struct object_cache_opts opts;
	int proc_root_fd;
	uint64_t now_ns; /* the latest that a caller told us */
	uint32_t next_id;
	struct entry **slots;
	uint32_t n_slots, cap_slots;
	uint32_t *free_slots;
	uint32_t n_free;
	uint32_t vdso_id;
	struct hashmap by_id, by_file, by_build, by_name;
	struct entry_list idle, opened;
	struct object_cache_stats stats;
};

/* ---- finding --------------------------------------------------------------------------------------------------------- */

struct build_key {
	const struct object *same_code; /* all must agree, or NULL */
	const uint8_t *build_id;
	size_t len;
	uint64_t pgoff; /* else: a segment must hold this offset */
};

struct name_key {
	const char *path;
	const uint8_t *build_id;
	size_t len;
};

static const struct entry *entry_at(uint32_t index, const void *owner)
{
	return ((const struct object_cache *)owner)->slots[index];
}

static bool eq_id(uint32_t index, const void *key, const void *owner)
{
	return entry_at(index, owner)->object.id == *(const uint32_t *)key;
}

static bool eq_file(uint32_t index, const void *key, const void *owner)
{
	const struct entry *e = entry_at(index, owner);

	for (uint32_t i = 0; i < e->n_aliases; i++)
		if (object_identity__eq(&e->aliases[i], key))
			return true;
	return false;
}

static bool eq_build(uint32_t index, const void *key, const void *owner)
{
	const struct object *o = &entry_at(index, owner)->object;
	const struct build_key *k = key;

	if (k->same_code)
		return object__same_code(o, k->same_code);
	return o->build_id_len == k->len && memcmp(o->build_id, k->build_id, k->len) == 0 &&
	       object__covers(o, k->pgoff);
}

static bool eq_name(uint32_t index, const void *key, const void *owner)
{
	const struct object *o = &entry_at(index, owner)->object;
	const struct name_key *k = key;

	return o->build_id_len == k->len && memcmp(o->build_id, k->build_id, k->len) == 0 &&
	       strncmp(o->path, k->path, OBJECT_PATH_MAX) == 0;
}

static uint64_t hash_identity(const struct object_identity *id)
{
	return hash_pair(hash_pair(id->dev, id->ino), hash_pair(id->size, (uint64_t)id->mtime_ns));
}

static uint64_t hash_name(const char *path, const uint8_t *build_id, size_t len)
{
	return hash_pair(hash_bytes(path, strnlen(path, OBJECT_PATH_MAX)), hash_bytes(build_id, len));
}

static struct entry *cache__lookup(const struct object_cache *c, const struct hashmap *map, uint64_t hash,
				   hashmap_eq_fn eq, const void *key)
{
	uint32_t slot = hashmap__find(map, hash, eq, key, c);

	return slot == HASHMAP_NONE ? NULL : c->slots[slot];
}

static struct entry *cache__find(const struct object_cache *c, uint32_t id)
{
	return cache__lookup(c, &c->by_id, hash_u64(id), eq_id, &id);
}

/* ---- references and idleness ----------------------------------------------------------------------------------------- */

static void cache__set_now(struct object_cache *c, uint64_t now_ns)
{
	if (now_ns > c->now_ns)
		c->now_ns = now_ns;
}

static void entry__ref(struct object_cache *c, struct entry *e)
{
	if (e->refs++ == 0)
		TAILQ_REMOVE(&c->idle, e, idle_link);
	e->used_ns = c->now_ns;
}

static void entry__unref(struct object_cache *c, struct entry *e)
{
	if (e->refs == 0 || --e->refs > 0)
		return;
	e->used_ns = c->now_ns;
	TAILQ_INSERT_TAIL(&c->idle, e, idle_link);
}

/* ---- descriptors ----------------------------------------------------------------------------------------------------- */

static void entry__close_fd(struct object_cache *c, struct entry *e)
{
	if (e->fd < 0)
		return;
	TAILQ_REMOVE(&c->opened, e, opened_link);
	io__close(&e->fd);
	c->stats.open_fds--;
}

/* Takes the descriptor; the one that was used longest ago makes room. */
static void entry__keep_fd(struct object_cache *c, struct entry *e, int fd)
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

/* Is this still the file that was described, or one with the same code? */
static bool entry__accepts(const struct object_cache *c, const struct entry *e, int fd)
{
	struct object_identity id;
	struct object o = {0};
	bool same;

	if (read_object_identity(fd, &id) < 0)
		return false;
	if (eq_file(e->slot, &id, c))
		return true;
	same = object__describe(&o, fd) == 0 && object__same_code(&o, &e->object);
	object__done(&o);
	return same;
}

static int entry__reopen(struct object_cache *c, struct entry *e)
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

	if (e->object.flags & OBJECT_VDSO) {
		int fd = FD_CLOSED;
		int r = vdso__open(&fd);

		if (r == 0)
			entry__keep_fd(c, e, fd);
		return r;
	}
	for (int place = 0; place < OBJECT_PLACE_MAX; place++) {
		int fd = FD_CLOSED;

		if (object_place__open(c->proc_root_fd, &m, place, &fd) < 0)
			continue;
		if (entry__accepts(c, e, fd)) {
			entry__keep_fd(c, e, fd);
			c->stats.n_fd_reopened++;
			return 0;
		}
		io__close(&fd);
	}
	c->stats.n_fd_lost++;
	return -ESTALE;
}

/* ---- adding and removing --------------------------------------------------------------------------------------------- */

static void entry__unhash(struct object_cache *c, struct entry *e)
{
	const struct object *o = &e->object;

	hashmap__remove(&c->by_id, hash_u64(o->id), e->slot);
	for (uint32_t i = 0; i < e->n_aliases; i++)
		hashmap__remove(&c->by_file, hash_identity(&e->aliases[i]), e->slot);
	hashmap__remove(&c->by_build, hash_bytes(o->build_id, o->build_id_len), e->slot);
	hashmap__remove(&c->by_name, hash_name(o->path, o->build_id, o->build_id_len), e->slot);
}

static void entry__free(struct entry *e)
{
	object__done(&e->object);
	free(e->aliases);
	free(e);
}

static size_t entry__bytes(const struct entry *e)
{
	return sizeof(*e) - sizeof(e->object) + object__bytes(&e->object) +
	       e->n_aliases * sizeof(*e->aliases);
}

static void cache__remove(struct object_cache *c, struct entry *e)
{
	uint32_t id = e->object.id;

	entry__unhash(c, e);
	entry__close_fd(c, e);
	if (e->refs == 0)
		TAILQ_REMOVE(&c->idle, e, idle_link);
	c->slots[e->slot] = NULL;
	c->free_slots[c->n_free++] = e->slot;
	c->stats.objects--;
	c->stats.bytes -= entry__bytes(e);
	entry__free(e);
	if (c->opts.retired)
		c->opts.retired(c->opts.ctx, id);
}

static int cache__grow(struct object_cache *c)
{
	uint32_t cap = c->cap_slots ? c->cap_slots * 2 : 64;
	struct entry **slots;
	uint32_t *free_slots;

	slots = realloc(c->slots, cap * sizeof(struct entry *));
	if (!slots)
		return -ENOMEM;
	c->slots = slots;
	free_slots = realloc(c->free_slots, cap * sizeof(*free_slots));
	if (!free_slots)
		return -ENOMEM;
	c->free_slots = free_slots;
	c->cap_slots = cap;
	return 0;
}

static int cache__take_slot(struct object_cache *c, uint32_t *ret_slot)
{
	if (c->next_id > FRAME_OBJECT_MAX)
		return -ENOSPC;
	if (c->stats.objects >= c->opts.max_objects) {
		if (TAILQ_EMPTY(&c->idle)) {
			c->stats.n_refused++;
			return -E2BIG;
		}
		cache__remove(c, TAILQ_FIRST(&c->idle));
		c->stats.n_evicted++;
	}
	if (c->n_free > 0) {
		*ret_slot = c->free_slots[--c->n_free];
		return 0;
	}
	if (c->n_slots == c->cap_slots && cache__grow(c) < 0)
		return -ENOMEM;
	*ret_slot = c->n_slots++;
	return 0;
}

/* One more file that leads to this object. */
static int entry__add_alias(struct object_cache *c, struct entry *e, const struct object_identity *id)
{
	int r;

	if (e->n_aliases == OBJECT_ALIASES_MAX) {
		struct object_identity *old = &e->aliases[e->next_alias++ % OBJECT_ALIASES_MAX];

		r = hashmap__add(&c->by_file, hash_identity(id), e->slot);
		if (r < 0)
			return r;
		hashmap__remove(&c->by_file, hash_identity(old), e->slot);
		*old = *id;
		return 0;
	}
	struct object_identity *aliases = realloc(e->aliases, (e->n_aliases + 1) * sizeof(*aliases));

	if (!aliases)
		return -ENOMEM;
	e->aliases = aliases;
	r = hashmap__add(&c->by_file, hash_identity(id), e->slot);
	if (r < 0)
		return r;
	aliases[e->n_aliases++] = *id;
	return 0;
}

/* Adds `o`, which is taken on success. The new entry has one reference. */
static int cache__add(struct object_cache *c, struct object *o, const struct object_identity *id,
		      struct entry **ret_entry)
{
	struct entry *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->fd = FD_CLOSED;
	r = cache__take_slot(c, &e->slot);
	if (r < 0) {
		free(e);
		return r;
	}
	e->object = *o;
	e->object.id = c->next_id++;
	e->refs = 1;
	e->used_ns = c->now_ns;
	c->slots[e->slot] = e;
	r = hashmap__add(&c->by_id, hash_u64(e->object.id), e->slot);
	if (r == 0 && o->state == OBJECT_READY && o->build_id_len > 0)
		r = hashmap__add(&c->by_build, hash_bytes(o->build_id, o->build_id_len), e->slot);
	if (r == 0 && id)
		r = entry__add_alias(c, e, id);
	else if (r == 0 && !(o->flags & OBJECT_VDSO))
		r = hashmap__add(&c->by_name, hash_name(o->path, o->build_id, o->build_id_len), e->slot);
	if (r < 0) {
		entry__unhash(c, e);
		c->slots[e->slot] = NULL;
		c->free_slots[c->n_free++] = e->slot;
		free(e->aliases);
		free(e);
		return r;
	}
	memset(o, 0, sizeof(*o));
	c->stats.objects++;
	c->stats.bytes += entry__bytes(e);
	c->stats.n_by_state[e->object.state]++;
	*ret_entry = e;
	return 0;
}

/* ---- from a mapping to its object ------------------------------------------------------------------------------------ */

static bool build_id_agrees(const struct object_mapping *m, const struct object *o)
{
	return m->build_id_len == 0 ||
	       (m->build_id_len == o->build_id_len && memcmp(m->build_id, o->build_id, o->build_id_len) == 0);
}

static int cache__alias(struct object_cache *c, struct entry *e, const struct object_identity *id)
{
	size_t before = entry__bytes(e);
	int r = entry__add_alias(c, e, id);

	c->stats.bytes += entry__bytes(e) - before;
	return r;
}

/* The entry of an open file, with a reference; -ESTALE where it is not what the mapping says. Takes the descriptor on success. */
static int cache__open_file(struct object_cache *c, const struct object_mapping *m, int fd,
			    struct entry **ret_entry)
{
	struct object o = {0};
	struct build_key key = {.same_code = &o};
	struct object_identity id;
	struct entry *e;
	int r;

	r = read_object_identity(fd, &id);
	if (r < 0)
		return r;
	e = cache__lookup(c, &c->by_file, hash_identity(&id), eq_file, &id);
	if (e && build_id_agrees(m, &e->object)) {
		c->stats.n_found_file++;
		entry__ref(c, e);
		goto found;
	}
	r = object__describe(&o, fd);
	if (r < 0)
		goto out;
	c->stats.n_described++;
	r = -ESTALE;
	if (e || !build_id_agrees(m, &o))
		goto out;
	e = cache__lookup(c, &c->by_build, hash_bytes(o.build_id, o.build_id_len), eq_build, &key);
	if (e) {
		r = cache__alias(c, e, &id);
		if (r < 0)
			goto out;
		c->stats.n_found_build++;
		entry__ref(c, e);
		goto found;
	}
	o.identity = id;
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
				    struct entry **ret_entry)
{
	struct build_key build = {.build_id = m->build_id, .len = m->build_id_len, .pgoff = m->pgoff};
	struct name_key name = {.path = m->path, .build_id = m->build_id, .len = m->build_id_len};
	struct object o = {.error = error, .flags = OBJECT_VADDR_IS_OFFSET};
	struct entry *e;
	int r;

	if (m->build_id_len > 0) {
		e = cache__lookup(c, &c->by_build, hash_bytes(build.build_id, build.len), eq_build, &build);
		if (e) {
			c->stats.n_found_build++;
			goto found;
		}
	}
	e = cache__lookup(c, &c->by_name, hash_name(name.path, name.build_id, name.len), eq_name, &name);
	if (e)
		goto found;
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

/* -EINVAL: no regular file, so no object. */
static int cache__open_entry(struct object_cache *c, const struct object_mapping *m, struct entry **ret_entry)
{
	struct object_identity id;
	struct entry *e;
	int error = -ENOENT;

	if (object_place__identify(c->proc_root_fd, m, &id) == 0) {
		e = cache__lookup(c, &c->by_file, hash_identity(&id), eq_file, &id);
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

/* JITs that keep their code in a memfd or an unlinked file: raw addresses are what their symbol files speak of. */
static bool entry__is_jit(const struct entry *e, const struct object_mapping *m)
{
	return m->deleted && e->object.state == OBJECT_NOT_ELF;
}

int object_cache__open_mapping(struct object_cache *c, const struct object_mapping *m, uint64_t now_ns,
			       uint32_t *ret_id, uint64_t *ret_bias)
{
	struct object_mapping given = *m;
	struct entry *e = NULL;
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

static int cache__add_vdso(struct object_cache *c, struct entry **ret_entry)
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
	struct entry *e = NULL;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	if (c->vdso_id)
		e = cache__find(c, c->vdso_id);
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

/* ---- by id ----------------------------------------------------------------------------------------------------------- */

int object_cache__get(struct object_cache *c, uint32_t id, const struct object **ret_object)
{
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = cache__find(c, id);
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
	struct entry *e;

	if (id == 0)
		return;
	pthread_mutex_lock(&c->lock);
	e = cache__find(c, id);
	if (e)
		entry__unref(c, e);
	pthread_mutex_unlock(&c->lock);
}

void object_cache__touch(struct object_cache *c, uint32_t id, uint64_t now_ns)
{
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	e = cache__find(c, id);
	if (e) {
		e->used_ns = c->now_ns;
		if (e->refs == 0) {
			TAILQ_REMOVE(&c->idle, e, idle_link);
			TAILQ_INSERT_TAIL(&c->idle, e, idle_link);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

static int entry__open_fd(struct object_cache *c, struct entry *e, int *ret_fd)
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
	e->fd_used_ns = c->now_ns;
	TAILQ_REMOVE(&c->opened, e, opened_link);
	TAILQ_INSERT_TAIL(&c->opened, e, opened_link);
	fd = fcntl(e->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int object_cache__open_fd(struct object_cache *c, uint32_t id, uint64_t now_ns, int *ret_fd)
{
	struct entry *e;
	int r;

	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	e = cache__find(c, id);
	r = e ? entry__open_fd(c, e, ret_fd) : -ENOENT;
	pthread_mutex_unlock(&c->lock);
	return r;
}

uint32_t object_cache__retire(struct object_cache *c, uint64_t now_ns)
{
	struct entry *e;
	uint32_t n = 0;

	pthread_mutex_lock(&c->lock);
	cache__set_now(c, now_ns);
	while ((e = TAILQ_FIRST(&c->idle)) && c->now_ns - e->used_ns >= c->opts.idle_ns) {
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
	ret_stats->bytes += hashmap__bytes(&c->by_id) + hashmap__bytes(&c->by_file) +
			    hashmap__bytes(&c->by_build) + hashmap__bytes(&c->by_name) +
			    c->cap_slots * (sizeof(*c->slots) + sizeof(*c->free_slots));
	pthread_mutex_unlock(&c->lock);
}

/* ---- the whole cache ------------------------------------------------------------------------------------------------- */

int object_cache__new(const struct object_cache_opts *opts, struct object_cache **ret_cache)
{
	struct object_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opts = *opts;
	c->opts.max_objects = opts->max_objects ? opts->max_objects : 65536;
	c->opts.max_open_fds = opts->max_open_fds ? opts->max_open_fds : 256;
	c->opts.idle_ns = opts->idle_ns ? opts->idle_ns : 600ull * 1000000000;
	c->opts.fd_idle_ns = opts->fd_idle_ns ? opts->fd_idle_ns : 60ull * 1000000000;
	c->proc_root_fd = fcntl(opts->proc_root_fd, F_DUPFD_CLOEXEC, 0);
	if (c->proc_root_fd < 0) {
		int r = -errno;

		free(c);
		return r;
	}
	c->next_id = 1;
	pthread_mutex_init(&c->lock, NULL);
	hashmap__init(&c->by_id);
	hashmap__init(&c->by_file);
	hashmap__init(&c->by_build);
	hashmap__init(&c->by_name);
	TAILQ_INIT(&c->idle);
	TAILQ_INIT(&c->opened);
	*ret_cache = c;
	return 0;
}

void object_cache__free(struct object_cache *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (!c->slots[i])
			continue;
		io__close(&c->slots[i]->fd);
		entry__free(c->slots[i]);
	}
	hashmap__done(&c->by_id);
	hashmap__done(&c->by_file);
	hashmap__done(&c->by_build);
	hashmap__done(&c->by_name);
	free(c->slots);
	free(c->free_slots);
	io__close(&c->proc_root_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
