/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idea: entries have slots, and the hash maps hold slot numbers. A slot may be in by_file several times, once for
 * each file that turned out to be the same object.
 *
 *      by_file   {dev, ino, size, mtime} ─┐ several a slot: aliases
 *      by_build  {build-id}              ─┼─> slots[] ─> entry
 *      by_id     id                      ─┤
 *      by_name   {path, build-id}        ─┤ objects whose file could not be had
 *      by_inode  {dev, ino, generation}  ─┘ of the file that is open, as mapping events name it
 *
 * Invariants: an entry is in by_id always, in by_build iff it is READY with a build-id, in by_file once for each
 * alias, in by_name iff it has no alias and is not the vDSO, in by_inode iff its inode has a device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/io.h"
#include "user/object/object_index.h"

/* ---- finding ----------------------------------------------------------------------------------------------------- */

struct build_key {
	const struct object *same_code; /* all must agree, or NULL */
	const uint8_t *build_id;
	size_t len;
	uint64_t pgoff; /* else: a segment must hold this offset */
};

struct place_key {
	const char *path;
	uint64_t ino, pgoff;
};

struct name_key {
	const char *path;
	const uint8_t *build_id;
	size_t len;
};

static const struct object_entry *entry_at(uint32_t index, const void *owner)
{
	return ((const struct object_index *)owner)->slots.items[index];
}

static bool eq_id(uint32_t index, const void *key, const void *owner)
{
	return entry_at(index, owner)->object.id == *(const uint32_t *)key;
}

static bool eq_file(uint32_t index, const void *key, const void *owner)
{
	const struct object_entry *e = entry_at(index, owner);

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

static bool eq_place(uint32_t index, const void *key, const void *owner)
{
	const struct object *o = &entry_at(index, owner)->object;
	const struct place_key *k = key;

	return o->identity.ino == k->ino && strncmp(o->path, k->path, OBJECT_PATH_MAX) == 0 &&
	       object__covers(o, k->pgoff);
}

static bool eq_inode(uint32_t index, const void *key, const void *owner)
{
	const struct object_inode *a = &entry_at(index, owner)->inode, *b = key;

	return a->ino == b->ino && a->dev == b->dev && a->generation == b->generation;
}

static uint64_t hash_inode(const struct object_inode *inode)
{
	return hash_pair(hash_pair(inode->dev, inode->ino), inode->generation);
}

static uint64_t hash_place(const char *path, uint64_t ino)
{
	return hash_pair(hash_bytes(path, strnlen(path, OBJECT_PATH_MAX)), ino);
}

static uint64_t hash_identity(const struct object_identity *id)
{
	return hash_pair(hash_pair(id->dev, id->ino), hash_pair(id->size, (uint64_t)id->mtime_ns));
}

static uint64_t hash_name(const char *path, const uint8_t *build_id, size_t len)
{
	return hash_pair(hash_bytes(path, strnlen(path, OBJECT_PATH_MAX)), hash_bytes(build_id, len));
}

static struct object_entry *lookup(const struct object_index *x, const struct hashmap *map, uint64_t hash,
				   hashmap_eq_fn eq, const void *key)
{
	uint32_t slot = hashmap__find(map, hash, eq, key, x);

	return slot == HASHMAP_NONE ? NULL : x->slots.items[slot];
}

struct object_entry *object_index__find(const struct object_index *x, uint32_t id)
{
	return lookup(x, &x->by_id, hash_u64(id), eq_id, &id);
}

struct object_entry *object_index__find_file(const struct object_index *x,
					     const struct object_identity *identity)
{
	return lookup(x, &x->by_file, hash_identity(identity), eq_file, identity);
}

struct object_entry *object_index__find_inode(const struct object_index *x, const struct object_inode *inode)
{
	return inode->dev ? lookup(x, &x->by_inode, hash_inode(inode), eq_inode, inode) : NULL;
}

struct object_entry *object_index__find_same_code(const struct object_index *x, const struct object *o)
{
	struct build_key key = {.same_code = o};

	return lookup(x, &x->by_build, hash_bytes(o->build_id, o->build_id_len), eq_build, &key);
}

struct object_entry *object_index__find_build(const struct object_index *x, const uint8_t *build_id,
					      size_t len, uint64_t pgoff)
{
	struct build_key key = {.build_id = build_id, .len = len, .pgoff = pgoff};

	return len > 0 ? lookup(x, &x->by_build, hash_bytes(build_id, len), eq_build, &key) : NULL;
}

struct object_entry *object_index__find_name(const struct object_index *x, const char *path,
					     const uint8_t *build_id, size_t len)
{
	struct name_key key = {.path = path, .build_id = build_id, .len = len};

	return lookup(x, &x->by_name, hash_name(path, build_id, len), eq_name, &key);
}

struct object_entry *object_index__find_place(const struct object_index *x, const char *path, uint64_t ino,
					      uint64_t pgoff)
{
	struct place_key key = {.path = path, .ino = ino, .pgoff = pgoff};

	return ino ? lookup(x, &x->by_place, hash_place(path, ino), eq_place, &key) : NULL;
}

/* ---- adding and removing ----------------------------------------------------------------------------------------- */

static size_t entry__bytes(const struct object_entry *e)
{
	return sizeof(*e) - sizeof(e->object) + object__bytes(&e->object) +
	       e->n_aliases * sizeof(*e->aliases);
}

static void entry__free(struct object_entry *e)
{
	object__done(&e->object);
	free(e->aliases);
	free(e);
}

static void index__unhash(struct object_index *x, struct object_entry *e)
{
	const struct object *o = &e->object;

	hashmap__remove(&x->by_id, hash_u64(o->id), e->slot);
	for (uint32_t i = 0; i < e->n_aliases; i++)
		hashmap__remove(&x->by_file, hash_identity(&e->aliases[i]), e->slot);
	hashmap__remove(&x->by_build, hash_bytes(o->build_id, o->build_id_len), e->slot);
	hashmap__remove(&x->by_name, hash_name(o->path, o->build_id, o->build_id_len), e->slot);
	hashmap__remove(&x->by_place, hash_place(o->path, o->identity.ino), e->slot);
	object_index__clear_inode(x, e);
}

int object_index__set_inode(struct object_index *x, struct object_entry *e, const struct object_inode *inode)
{
	int r;

	object_index__clear_inode(x, e);
	r = hashmap__add(&x->by_inode, hash_inode(inode), e->slot);
	if (r == 0)
		e->inode = *inode;
	return r;
}

void object_index__clear_inode(struct object_index *x, struct object_entry *e)
{
	if (e->inode.dev)
		hashmap__remove(&x->by_inode, hash_inode(&e->inode), e->slot);
	e->inode = (struct object_inode){};
}

static int index__alias(struct object_index *x, struct object_entry *e,
			const struct object_identity *identity)
{
	struct object_identity *aliases;
	int r;

	if (e->n_aliases < OBJECT_ALIASES_MAX) {
		aliases = realloc(e->aliases, (e->n_aliases + 1) * sizeof(*aliases));
		if (!aliases)
			return -ENOMEM;
		e->aliases = aliases;
	}
	r = hashmap__add(&x->by_file, hash_identity(identity), e->slot);
	if (r < 0)
		return r;
	if (e->n_aliases < OBJECT_ALIASES_MAX) {
		e->aliases[e->n_aliases++] = *identity;
	} else {
		struct object_identity *oldest = &e->aliases[e->next_alias++ % OBJECT_ALIASES_MAX];

		hashmap__remove(&x->by_file, hash_identity(oldest), e->slot);
		*oldest = *identity;
	}
	return 0;
}

int object_index__add_alias(struct object_index *x, struct object_entry *e,
			    const struct object_identity *identity)
{
	size_t before = entry__bytes(e);
	int r = index__alias(x, e, identity);

	x->entry_bytes += entry__bytes(e) - before;
	return r;
}

static int index__hash(struct object_index *x, struct object_entry *e, const struct object_identity *identity)
{
	const struct object *o = &e->object;
	int r;

	r = hashmap__add(&x->by_id, hash_u64(o->id), e->slot);
	if (r == 0 && o->state == OBJECT_READY && o->build_id_len > 0)
		r = hashmap__add(&x->by_build, hash_bytes(o->build_id, o->build_id_len), e->slot);
	if (r == 0 && o->state == OBJECT_READY && o->identity.ino)
		r = hashmap__add(&x->by_place, hash_place(o->path, o->identity.ino), e->slot);
	if (r == 0 && identity)
		r = index__alias(x, e, identity);
	else if (r == 0 && !(o->flags & OBJECT_VDSO))
		r = hashmap__add(&x->by_name, hash_name(o->path, o->build_id, o->build_id_len), e->slot);
	return r;
}

int object_index__add(struct object_index *x, struct object *o, const struct object_identity *identity,
		      struct object_entry **ret_entry)
{
	struct object_entry *e;
	int r;

	if (x->next_id > x->max_id)
		return -ENOSPC;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->fd = FD_CLOSED;
	e->object = *o;
	e->object.id = x->next_id;
	r = slots__add(&x->slots, e, &e->slot);
	if (r < 0)
		goto out;
	r = index__hash(x, e, identity);
	if (r < 0) {
		index__unhash(x, e);
		slots__remove(&x->slots, e->slot);
		goto out;
	}
	memset(o, 0, sizeof(*o));
	x->next_id++;
	x->entry_bytes += entry__bytes(e);
	*ret_entry = e;
	return 0;
out:
	/* The object is still the caller's. */
	free(e->aliases);
	free(e);
	return r;
}

void object_index__remove(struct object_index *x, struct object_entry *e)
{
	index__unhash(x, e);
	slots__remove(&x->slots, e->slot);
	x->entry_bytes -= entry__bytes(e);
	entry__free(e);
}

/* ---- the index --------------------------------------------------------------------------------------------------- */

void object_index__init(struct object_index *x, uint32_t max_id)
{
	memset(x, 0, sizeof(*x));
	x->next_id = 1;
	x->max_id = max_id;
	hashmap__init(&x->by_id);
	hashmap__init(&x->by_file);
	hashmap__init(&x->by_build);
	hashmap__init(&x->by_name);
	hashmap__init(&x->by_place);
	hashmap__init(&x->by_inode);
}

void object_index__done(struct object_index *x)
{
	for (uint32_t i = 0; i < x->slots.n; i++) {
		struct object_entry *e = x->slots.items[i];

		if (!e)
			continue;
		io__close(&e->fd);
		entry__free(e);
	}
	hashmap__done(&x->by_id);
	hashmap__done(&x->by_file);
	hashmap__done(&x->by_build);
	hashmap__done(&x->by_name);
	hashmap__done(&x->by_place);
	hashmap__done(&x->by_inode);
	slots__done(&x->slots);
}

size_t object_index__bytes(const struct object_index *x)
{
	return x->entry_bytes + hashmap__bytes(&x->by_id) + hashmap__bytes(&x->by_file) +
	       hashmap__bytes(&x->by_build) + hashmap__bytes(&x->by_name) + hashmap__bytes(&x->by_place) +
	       hashmap__bytes(&x->by_inode) + slots__bytes(&x->slots);
}
