/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/hashmap.h"
#include "user/base/slots.h"
#include "user/process/container_table.h"

struct container_table {
	struct hashmap by_cgroup;
	struct slots slots;
	size_t bytes;
};

struct container_table *container_table__new(void)
{
	struct container_table *t = calloc(1, sizeof(*t));

	if (t)
		hashmap__init(&t->by_cgroup);
	return t;
}

void container_table__free(struct container_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->slots.n; i++)
		free(t->slots.items[i]);
	hashmap__done(&t->by_cgroup);
	slots__done(&t->slots);
	free(t);
}

static bool eq_cgroup(uint32_t index, const void *key, const void *owner)
{
	const struct container *c = ((const struct container_table *)owner)->slots.items[index];

	return strcmp(c->cgroup, key) == 0;
}

static size_t container__bytes(const struct container *c)
{
	return sizeof(*c) + strlen(c->cgroup) + strlen(c->unit) + strlen(c->id) + strlen(c->pod) + 4;
}

/* The struct with its strings behind it. */
static struct container *container__new(const struct container_names *names)
{
	const char *from[] = {names->cgroup, names->unit, names->id, names->pod};
	const char *to[4];
	size_t size = sizeof(struct container);
	struct container *c;
	char *p;

	for (int i = 0; i < 4; i++)
		size += strlen(from[i]) + 1;
	c = malloc(size);
	if (!c)
		return NULL;
	p = (char *)(c + 1);
	for (int i = 0; i < 4; i++) {
		to[i] = p;
		p = stpcpy(p, from[i]) + 1;
	}
	*c = (struct container){.refs = 1, .only_unified = names->only_unified};
	c->cgroup = to[0];
	c->unit = to[1];
	c->id = to[2];
	c->pod = to[3];
	return c;
}

int container_table__intern(struct container_table *t, const struct container_names *names,
			    struct container **ret_container)
{
	uint64_t hash = hash_bytes(names->cgroup, strlen(names->cgroup));
	uint32_t slot = hashmap__find(&t->by_cgroup, hash, eq_cgroup, names->cgroup, t);
	struct container *c;
	int r;

	if (slot != HASHMAP_NONE) {
		*ret_container = container__ref(t->slots.items[slot]);
		return 0;
	}
	if (slots__count(&t->slots) >= CONTAINER_TABLE_MAX)
		return -E2BIG;
	c = container__new(names);
	if (!c)
		return -ENOMEM;
	r = slots__add(&t->slots, c, &c->slot);
	if (r < 0)
		goto out;
	r = hashmap__add(&t->by_cgroup, hash, c->slot);
	if (r < 0) {
		slots__remove(&t->slots, c->slot);
		goto out;
	}
	t->bytes += container__bytes(c);
	*ret_container = c;
out:
	if (r < 0)
		free(c);
	return r;
}

struct container *container__ref(struct container *c)
{
	if (c)
		c->refs++;
	return c;
}

void container_table__put(struct container_table *t, struct container *c)
{
	if (!c || --c->refs > 0)
		return;
	hashmap__remove(&t->by_cgroup, hash_bytes(c->cgroup, strlen(c->cgroup)), c->slot);
	slots__remove(&t->slots, c->slot);
	t->bytes -= container__bytes(c);
	free(c);
}

uint32_t container_table__count(const struct container_table *t)
{
	return t->by_cgroup.n;
}

size_t container_table__bytes(const struct container_table *t)
{
	return t->bytes + hashmap__bytes(&t->by_cgroup) + slots__bytes(&t->slots);
}
