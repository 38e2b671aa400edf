// SPDX-License-Identifier: Apache-2.0
/*
 * Problem    The same names come again and again: functions, files, mappings, labels.
 *
 * Idea       Strings lie one after the other in slabs of an arena; an array gives each id its place and length, a hashmap finds the id of
 *            a string. Slabs, because arena pieces are rounded to 16 bytes and most names are short.
 *
 * Layout     entries[id] {s, len} ─> slab "main\0_start\0libc.so.6\0…"        entries[0] = ""
 *
 * Invariants arena + entries + slots never exceed the limit: each growth is asked for before it happens.
 */
#include "user/base/intern.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/hashmap.h"

#define SLAB_BYTES  4000 /* with its headers, a page or a fraction of a larger chunk */
#define ENTRIES_MIN 16

struct entry {
	const char *s;
	uint32_t len;
};

struct intern {
	struct arena arena;
	struct hashmap ids;
	struct entry *entries;
	uint32_t n, cap;
	char *slab; /* where the next short string goes */
	size_t slab_left;
	size_t limit_bytes;
};

struct wanted {
	const char *s;
	size_t len;
};

static bool is_wanted(uint32_t index, const void *key, const void *owner)
{
	const struct entry *e = &((const struct intern *)owner)->entries[index];
	const struct wanted *w = key;

	return e->len == w->len && memcmp(e->s, w->s, w->len) == 0;
}

struct intern *intern__new(size_t limit_bytes)
{
	struct intern *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->entries = calloc(ENTRIES_MIN, sizeof(*in->entries));
	if (!in->entries) {
		free(in);
		return NULL;
	}
	in->cap = ENTRIES_MIN;
	in->entries[0] = (struct entry){.s = ""};
	in->n = 1;
	in->limit_bytes = limit_bytes;
	arena__init(&in->arena, limit_bytes);
	hashmap__init(&in->ids);
	return in;
}

void intern__free(struct intern *in)
{
	if (!in)
		return;
	arena__done(&in->arena);
	hashmap__done(&in->ids);
	free(in->entries);
	free(in);
}

void intern__set_limit(struct intern *in, size_t limit_bytes)
{
	in->limit_bytes = limit_bytes;
}

size_t intern__bytes(const struct intern *in)
{
	return in->arena.used_bytes + hashmap__bytes(&in->ids) + in->cap * sizeof(*in->entries);
}

/* Room for one more entry and one more slot under the limit, before anything is changed. */
static int make_room(struct intern *in)
{
	size_t slots_bytes = hashmap__bytes_after_add(&in->ids);
	uint32_t cap = in->n < in->cap ? in->cap : in->cap * 2;
	struct entry *entries;

	if (in->n >= HASHMAP_MAX ||
	    in->arena.used_bytes + slots_bytes + cap * sizeof(*entries) > in->limit_bytes)
		return -E2BIG;
	if (cap != in->cap) {
		entries = realloc(in->entries, cap * sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		in->entries = entries;
		in->cap = cap;
	}
	in->arena.limit_bytes = in->limit_bytes - slots_bytes - cap * sizeof(*entries);
	return 0;
}

static int alloc_from_arena(struct intern *in, size_t size, char **ret_place)
{
	char *place = arena__alloc(&in->arena, size);

	if (!place)
		return size + ARENA_OVERHEAD_BYTES > in->arena.limit_bytes - in->arena.used_bytes ? -E2BIG
												  : -ENOMEM;
	*ret_place = place;
	return 0;
}

static int store_string(struct intern *in, const char *s, size_t len, const char **ret_copy)
{
	char *place;
	int err;

	if (len + 1 > in->slab_left) {
		bool own = len + 1 > SLAB_BYTES / 4;

		err = alloc_from_arena(in, own ? len + 1 : SLAB_BYTES, &place);
		if (err == -E2BIG && !own) {
			/* no slab under the limit any more: the string alone may still fit */
			own = true;
			err = alloc_from_arena(in, len + 1, &place);
		}
		if (err)
			return err;
		if (own)
			goto copy;
		in->slab = place;
		in->slab_left = SLAB_BYTES;
	}
	place = in->slab;
	in->slab += len + 1;
	in->slab_left -= len + 1;
copy:
	memcpy(place, s, len);
	place[len] = '\0';
	*ret_copy = place;
	return 0;
}

int intern__add(struct intern *in, const char *s, size_t len, uint32_t *ret_id)
{
	struct wanted w = {s, len};
	const char *copy;
	uint64_t hash;
	uint32_t id;
	int err;

	if (len == 0) {
		*ret_id = 0;
		return 0;
	}
	if (len >= UINT32_MAX)
		return -E2BIG;
	hash = hash_bytes(s, len);
	id = hashmap__find(&in->ids, hash, is_wanted, &w, in);
	if (id != HASHMAP_NONE) {
		*ret_id = id;
		return 0;
	}
	err = make_room(in);
	if (err)
		return err;
	err = store_string(in, s, len, &copy);
	if (err)
		return err;
	err = hashmap__add(&in->ids, hash, in->n);
	if (err)
		return err; /* the bytes of the copy stay unused: memory is at its end */
	in->entries[in->n] = (struct entry){.s = copy, .len = (uint32_t)len};
	*ret_id = in->n++;
	return 0;
}

int intern__find(const struct intern *in, const char *s, size_t len, uint32_t *ret_id)
{
	struct wanted w = {s, len};
	uint32_t id = 0;

	if (len) {
		id = hashmap__find(&in->ids, hash_bytes(s, len), is_wanted, &w, in);
		if (id == HASHMAP_NONE)
			return -ENOENT;
	}
	*ret_id = id;
	return 0;
}

const char *intern__str(const struct intern *in, uint32_t id, size_t *ret_len)
{
	assert(id < in->n);
	if (ret_len)
		*ret_len = in->entries[id].len;
	return in->entries[id].s;
}

uint32_t intern__count(const struct intern *in)
{
	return in->n;
}
