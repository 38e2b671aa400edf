// SPDX-License-Identifier: Apache-2.0
#include "user/symbolize/range_cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/hashmap.h"
#include "user/base/intern.h"

struct range {
	uint64_t start, end;
	uint32_t name, system_name; /* in names */
	uint32_t reason;
};

struct object_ranges {
	uint32_t object;
	uint32_t n, cap;
	struct range *ranges; /* by start */
};

struct range_cache {
	struct object_ranges *objects;
	uint32_t n_objects, cap_objects;
	struct hashmap by_object;
	struct intern *names;
	size_t limit_bytes, range_bytes;
	struct range_cache_stats stats;
};

struct range_cache *range_cache__new(size_t limit_bytes)
{
	struct range_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->limit_bytes = limit_bytes;
	hashmap__init(&c->by_object);
	c->names = intern__new(limit_bytes);
	if (!c->names) {
		range_cache__free(c);
		return NULL;
	}
	return c;
}

static void drop_objects(struct range_cache *c)
{
	for (uint32_t i = 0; i < c->n_objects; i++)
		free(c->objects[i].ranges);
	free(c->objects);
	c->objects = NULL;
	c->n_objects = c->cap_objects = 0;
	c->range_bytes = 0;
	c->stats.n_ranges = 0;
}

void range_cache__free(struct range_cache *c)
{
	if (!c)
		return;
	drop_objects(c);
	hashmap__done(&c->by_object);
	intern__free(c->names);
	free(c);
}

static size_t cache_bytes(const struct range_cache *c)
{
	return c->range_bytes + c->cap_objects * sizeof(*c->objects) + hashmap__bytes(&c->by_object) +
	       intern__bytes(c->names);
}

void range_cache__trim(struct range_cache *c)
{
	struct intern *names;

	if (cache_bytes(c) <= c->limit_bytes)
		return;
	names = intern__new(c->limit_bytes);
	if (!names)
		return;
	drop_objects(c);
	hashmap__clear(&c->by_object);
	intern__free(c->names);
	c->names = names;
	c->stats.n_cleared++;
}

static bool object__eq(uint32_t index, const void *key, const void *owner)
{
	return ((const struct range_cache *)owner)->objects[index].object == *(const uint32_t *)key;
}

static struct object_ranges *find_object(const struct range_cache *c, uint32_t object)
{
	uint32_t at = hashmap__find(&c->by_object, hash_u64(object), object__eq, &object, c);

	return at == HASHMAP_NONE ? NULL : &c->objects[at];
}

static int add_object(struct range_cache *c, uint32_t object, struct object_ranges **ret)
{
	int err;

	if (c->n_objects == c->cap_objects) {
		uint32_t cap = c->cap_objects ? c->cap_objects * 2 : 64;
		struct object_ranges *objects = realloc(c->objects, cap * sizeof(*objects));

		if (!objects)
			return -ENOMEM;
		c->objects = objects;
		c->cap_objects = cap;
	}
	err = hashmap__add(&c->by_object, hash_u64(object), c->n_objects);
	if (err)
		return err;
	c->objects[c->n_objects] = (struct object_ranges){.object = object};
	*ret = &c->objects[c->n_objects++];
	return 0;
}

/* How many ranges start at or below the address. */
static uint32_t ranges_up_to(const struct object_ranges *o, uint64_t vaddr)
{
	return bisect__count(o->n, i, o->ranges[i].start <= vaddr);
}

int range_cache__find(struct range_cache *c, uint32_t object, uint64_t vaddr, struct cached_range *ret_range)
{
	const struct object_ranges *o = find_object(c, object);
	uint32_t n = o ? ranges_up_to(o, vaddr) : 0;
	const struct range *r;

	if (!n || vaddr >= o->ranges[n - 1].end) {
		c->stats.n_misses++;
		return -ENOENT;
	}
	c->stats.n_hits++;
	r = &o->ranges[n - 1];
	*ret_range = (struct cached_range){
		.start = r->start,
		.end = r->end,
		.name = intern__str(c->names, r->name, NULL),
		.system_name = intern__str(c->names, r->system_name, NULL),
		.reason = (enum symbol_reason)r->reason,
	};
	return 0;
}

static int make_room(struct range_cache *c, struct object_ranges *o)
{
	uint32_t cap = o->cap ? o->cap * 2 : 8;
	struct range *ranges;

	if (o->n < o->cap)
		return 0;
	/* over the limit nothing more is kept until the next trim */
	if (cache_bytes(c) > c->limit_bytes)
		return -E2BIG;
	ranges = realloc(o->ranges, cap * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	c->range_bytes += (cap - o->cap) * sizeof(*ranges);
	o->ranges = ranges;
	o->cap = cap;
	return 0;
}

int range_cache__add(struct range_cache *c, uint32_t object, const struct cached_range *range)
{
	struct range r = {.start = range->start, .end = range->end, .reason = range->reason};
	struct object_ranges *o = find_object(c, object);
	uint32_t at;
	int err = o ? 0 : add_object(c, object, &o);

	if (!err)
		err = make_room(c, o);
	if (err)
		return err;
	at = ranges_up_to(o, range->start);
	if ((at && o->ranges[at - 1].end > range->start) || (at < o->n && o->ranges[at].start < range->end) ||
	    range->start >= range->end)
		return -EEXIST;
	err = intern__add(c->names, range->name, strlen(range->name), &r.name);
	if (!err)
		err = intern__add(c->names, range->system_name, strlen(range->system_name), &r.system_name);
	if (err)
		return err;
	memmove(&o->ranges[at + 1], &o->ranges[at], (o->n - at) * sizeof(r));
	o->ranges[at] = r;
	o->n++;
	c->stats.n_ranges++;
	return 0;
}

void range_cache__stats(const struct range_cache *c, struct range_cache_stats *ret_stats)
{
	*ret_stats = c->stats;
	ret_stats->n_objects = c->n_objects;
	ret_stats->bytes = cache_bytes(c);
}
