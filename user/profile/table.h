/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - a growing array whose elements can be found by content; the profile's columns are made of it.
 *
 * Owns: the array and its index. Thread: one owner. Limit: the room in bytes that the owner passes with each add.
 * Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_PROFILE_TABLE_H
#define EVERPROF_PROFILE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "user/base/hashmap.h"

#define TABLE_MAX HASHMAP_MAX

struct table {
	void *items;
	uint32_t n, cap;
	uint32_t size; /* of an item */
	struct hashmap map;
};

void table__init(struct table *t, uint32_t item_size);
void table__done(struct table *t);
/* Room for `extra` more items without moving; room_bytes is what the table may still grow by. */
int table__reserve(struct table *t, uint32_t extra, size_t room_bytes);
/* Appends a copy; with an index entry (add) or without (push). */
int table__push(struct table *t, const void *item, size_t room_bytes);
int table__add(struct table *t, uint64_t hash, const void *item, size_t room_bytes);
/* Forgets the index and gives back spare memory. */
void table__trim(struct table *t);
size_t table__bytes(const struct table *t);

static inline void *table__at(const struct table *t, uint32_t i)
{
	/* an empty run of an empty table is asked for too, and NULL + 0 is undefined */
	return t->items ? (char *)t->items + (size_t)i * t->size : NULL;
}

#endif
