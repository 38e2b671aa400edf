/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_table - the ids that a file gives its entries, and ours.
 *
 * Files number freely (some use addresses); most count 1, 2, 3, and for those a lookup is one comparison and nothing is hashed.
 *
 * Owns: its arrays. Thread: one owner. Limit: max at init. Errors: -EEXIST the id is there, -EINVAL id 0, -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_FORMAT_ID_TABLE_H
#define EVERPROF_FORMAT_ID_TABLE_H

#include <stdint.h>

#include "user/base/hashmap.h"

struct id_pair {
	uint64_t file_id;
	uint32_t id;
};

struct id_table {
	struct id_pair *pairs;
	uint32_t n, cap, max;
	struct hashmap map; /* of those that are not at file_id - 1 */
};

void id_table__init(struct id_table *t, uint32_t max);
void id_table__done(struct id_table *t);
int id_table__add(struct id_table *t, uint64_t file_id, uint32_t id);
uint32_t id_table__find_unordered(const struct id_table *t, uint64_t file_id);
/* Our id, or 0. */
static inline uint32_t id_table__find(const struct id_table *t, uint64_t file_id)
{
	if (file_id && file_id <= t->n && t->pairs[file_id - 1].file_id == file_id)
		return t->pairs[file_id - 1].id;
	return id_table__find_unordered(t, file_id);
}

#endif
