/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/id_table.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_PAIRS 256u

void id_table__init(struct id_table *t, uint32_t max)
{
	*t = (struct id_table){.max = max};
	hashmap__init(&t->map);
}

void id_table__done(struct id_table *t)
{
	if (!t)
		return;
	free(t->pairs);
	hashmap__done(&t->map);
	id_table__init(t, t->max);
}

static bool pair_eq(uint32_t index, const void *key, const void *owner)
{
	return ((const struct id_pair *)owner)[index].file_id == *(const uint64_t *)key;
}

uint32_t id_table__find_unordered(const struct id_table *t, uint64_t file_id)
{
	uint32_t i = hashmap__find(&t->map, hash_u64(file_id), pair_eq, &file_id, t->pairs);
	return i == HASHMAP_NONE ? 0 : t->pairs[i].id;
}

int id_table__add(struct id_table *t, uint64_t file_id, uint32_t id)
{
	int err;

	if (!file_id || !id)
		return -EINVAL;
	if (id_table__find(t, file_id))
		return -EEXIST;
	if (t->n == t->max)
		return -E2BIG;
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : FIRST_PAIRS;
		struct id_pair *pairs = realloc(t->pairs, (size_t)cap * sizeof(*pairs));

		if (!pairs)
			return -ENOMEM;
		t->pairs = pairs;
		t->cap = cap;
	}
	if (file_id != (uint64_t)t->n + 1) {
		err = hashmap__add(&t->map, hash_u64(file_id), t->n);
		if (err)
			return err;
	}
	t->pairs[t->n++] = (struct id_pair){.file_id = file_id, .id = id};
	return 0;
}
