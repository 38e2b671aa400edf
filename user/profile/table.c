/* SPDX-License-Identifier: Apache-2.0 */
#include "user/profile/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ITEMS 16u

void table__init(struct table *t, uint32_t item_size)
{
	*t = (struct table){.size = item_size};
	hashmap__init(&t->map);
}

void table__done(struct table *t)
{
	if (!t)
		return;
	free(t->items);
	hashmap__done(&t->map);
	*t = (struct table){.size = t->size};
}

size_t table__bytes(const struct table *t)
{
	return (size_t)t->cap * t->size + hashmap__bytes(&t->map);
}

int table__reserve(struct table *t, uint32_t extra, size_t room_bytes)
{
	uint64_t need = (uint64_t)t->n + extra;
	uint64_t cap = t->cap ? t->cap + t->cap / 2 : FIRST_ITEMS;
	void *items;

	if (need <= t->cap)
		return 0;
	if (cap < need)
		cap = need;
	if (cap > TABLE_MAX || (cap - t->cap) * t->size > room_bytes)
		return -E2BIG;
	items = realloc(t->items, cap * t->size);
	if (!items)
		return -ENOMEM;
	t->items = items;
	t->cap = (uint32_t)cap;
	return 0;
}

int table__push(struct table *t, const void *item, size_t room_bytes)
{
	int err = table__reserve(t, 1, room_bytes);

	if (err)
		return err;
	memcpy(table__at(t, t->n), item, t->size);
	t->n++;
	return 0;
}

int table__add(struct table *t, uint64_t hash, const void *item, size_t room_bytes)
{
	size_t index_bytes = hashmap__bytes_after_add(&t->map) - hashmap__bytes(&t->map);
	int err;

	if (index_bytes > room_bytes)
		return -E2BIG;
	err = table__reserve(t, 1, room_bytes - index_bytes);
	if (err)
		return err;
	err = hashmap__add(&t->map, hash, t->n);
	if (err)
		return err;
	memcpy(table__at(t, t->n), item, t->size);
	t->n++;
	return 0;
}

void table__trim(struct table *t)
{
	void *items;

	hashmap__done(&t->map);
	hashmap__init(&t->map);
	if (!t->n || t->n == t->cap)
		return;
	items = realloc(t->items, (size_t)t->n * t->size);
	if (items) {
		t->items = items;
		t->cap = t->n;
	}
}
