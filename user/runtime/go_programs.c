// SPDX-License-Identifier: Apache-2.0
#include "user/runtime/go_programs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/base/hashmap.h"
#include "user/object/object_cache.h"
#include "user/process/mapping_set.h"
#include "user/runtime/go_program.h"

struct known {
	struct go_programs *table;
	uint32_t object;
	int err;
	struct go_program *program;
};

struct go_programs {
	struct object_cache *objects;
	struct known **items; /* by themselves: a program points to its own */
	uint32_t n, cap;
	struct hashmap by_object;
};

int go_programs__new(struct object_cache *objects, struct go_programs **ret)
{
	struct go_programs *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->objects = objects;
	hashmap__init(&t->by_object);
	*ret = t;
	return 0;
}

static void forget_all(struct go_programs *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		go_program__free(t->items[i]->program);
		free(t->items[i]);
	}
	t->n = 0;
	hashmap__clear(&t->by_object);
}

void go_programs__free(struct go_programs *t)
{
	if (!t)
		return;
	forget_all(t);
	hashmap__done(&t->by_object);
	free(t->items);
	free(t);
}

static bool known__eq(uint32_t index, const void *key, const void *owner)
{
	struct known *const *items = owner;

	return items[index]->object == *(const uint32_t *)key;
}

static int open_file(void *ctx, int *ret_fd)
{
	const struct known *k = ctx;

	return object_cache__open_fd(k->table->objects, k->object, clock__mono_ns(), ret_fd);
}

static int make_room(struct go_programs *t)
{
	uint32_t cap = t->cap ? 2 * t->cap : 64;
	struct known **items;

	if (t->n == GO_PROGRAMS_MAX)
		forget_all(t);
	if (t->n < t->cap)
		return 0;
	items = realloc(t->items, cap * sizeof(struct known *));
	if (!items)
		return -ENOMEM;
	t->items = items;
	t->cap = cap;
	return 0;
}

static void load(struct known *k)
{
	k->err = go_program__load(&(struct go_file){.open = open_file, .ctx = k}, &k->program);
}

/* Its process could not be asked for the file. */
static bool may_pass(int err)
{
	return err == -ETIMEDOUT || err == -ESTALE;
}

static int learn(struct go_programs *t, uint32_t object, struct known **ret)
{
	struct known *k;
	int err = make_room(t);

	if (err)
		return err;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	*k = (struct known){.table = t, .object = object};
	err = hashmap__add(&t->by_object, hash_u64(object), t->n);
	if (err) {
		free(k);
		return err;
	}
	t->items[t->n++] = k;
	load(k);
	*ret = k;
	return 0;
}

static int known_of(struct go_programs *t, uint32_t object, struct known **ret)
{
	uint32_t i = hashmap__find(&t->by_object, hash_u64(object), known__eq, &object, t->items);

	if (i == HASHMAP_NONE)
		return learn(t, object, ret);
	*ret = t->items[i];
	if (may_pass((*ret)->err))
		load(*ret);
	return 0;
}

int go_programs__find(struct go_programs *t, uint32_t pid, const struct mapping_set *mappings,
		      struct go_process *ret_process)
{
	uint32_t n, last = 0;
	const struct code_mapping *m = mapping_set__mappings(mappings, &n);
	int ret = -ENOENT;

	for (uint32_t i = 0; i < n; i++) {
		struct go_process g = {.pid = pid, .bias = m[i].bias};
		struct known *k;
		int err;

		if (!m[i].object || m[i].object == last)
			continue;
		last = m[i].object;
		err = known_of(t, m[i].object, &k);
		if (err)
			return err;
		if (k->err == -EOPNOTSUPP)
			ret = -EOPNOTSUPP;
		if (k->err)
			continue;
		g.program = k->program;
		err = go_process__settle(&g);
		if (!err)
			*ret_process = g;
		return err;
	}
	return ret;
}
