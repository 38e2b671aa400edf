/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What refers to strings and to each other: every adder checks the ids that it is given, looks for an equal element and appends
 * one where there is none. The order "room, index, element" leaves nothing half-added when memory ends.
 */
#include "user/profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/profile_impl.h"
#include "user/profile/saturate.h"

static bool is_string(const struct profile *p, uint32_t id)
{
	return id < intern__count(p->strings);
}

/* Finds an equal element or appends `item`; ids are positions + 1. */
static int find_or_add(struct profile *p, struct table *t, uint64_t hash, hashmap_eq_fn eq, const void *item,
		       uint32_t *ret_id)
{
	uint32_t i = hashmap__find(&t->map, hash, eq, item, t->items), cap = t->cap, map_cap = t->map.cap;
	int err;

	if (i == HASHMAP_NONE) {
		err = table__add(t, hash, item, profile__room(p));
		if (t->cap != cap || t->map.cap != map_cap)
			profile__account(p);
		if (err)
			return err;
		i = t->n - 1;
	}
	*ret_id = i + 1;
	return 0;
}

/* What a mapping knows about its names is not what it is: the flags are left out. */
static bool mapping_eq(uint32_t index, const void *key, const void *owner)
{
	const struct mapping *a = key, *b = (const struct mapping *)owner + index;

	return a->start == b->start && a->limit == b->limit && a->offset == b->offset &&
	       a->filename == b->filename && a->build_id == b->build_id;
}

int profile__mapping(struct profile *p, const struct mapping *m, uint32_t *ret_id)
{
	uint64_t hash;
	uint32_t id;
	int err;

	if (p->sealed)
		return -EROFS;
	if (!is_string(p, m->filename) || !is_string(p, m->build_id))
		return -EINVAL;
	hash = hash_pair(hash_pair(m->start, m->limit),
			 hash_pair(m->offset, (uint64_t)m->filename << 32 | m->build_id));
	err = find_or_add(p, &p->mappings, hash, mapping_eq, m, &id);
	if (err)
		return err;
	profile__mapping_has(p, id, m->has_functions, m->has_filenames, m->has_line_numbers,
			     m->has_inline_frames);
	*ret_id = id;
	return 0;
}

void profile__mapping_has(struct profile *p, uint32_t id, bool functions, bool filenames, bool lines,
			  bool inlined)
{
	struct mapping *m;

	if (p->sealed || !id || id > p->mappings.n)
		return;
	m = table__at(&p->mappings, id - 1);
	m->has_functions |= functions;
	m->has_filenames |= filenames;
	m->has_line_numbers |= lines;
	m->has_inline_frames |= inlined;
}

static bool function_eq(uint32_t index, const void *key, const void *owner)
{
	const struct function *a = key, *b = (const struct function *)owner + index;

	return a->name == b->name && a->system_name == b->system_name && a->filename == b->filename &&
	       a->start_line == b->start_line;
}

int profile__function(struct profile *p, const struct function *f, uint32_t *ret_id)
{
	struct function key = *f;
	uint64_t hash;

	if (p->sealed)
		return -EROFS;
	if (!is_string(p, f->name) || !is_string(p, f->system_name) || !is_string(p, f->filename))
		return -EINVAL;
	if (key.system_name == key.name)
		key.system_name = 0; /* most are: said once, a file is a twelfth smaller */
	hash = hash_pair(hash_pair(key.name, key.system_name),
			 hash_pair(key.filename, (uint64_t)key.start_line));
	return find_or_add(p, &p->functions, hash, function_eq, &key, ret_id);
}

/* A location that is looked for: its lines are not in the profile yet. */
struct location_key {
	struct location head;
	const struct line *lines;
	const struct profile *p;
};

static bool location_eq(uint32_t index, const void *key, const void *owner)
{
	const struct location_key *k = key;
	const struct location *l = (const struct location *)owner + index;
	const struct line *lines;

	if (l->mapping != k->head.mapping || l->address != k->head.address || l->n_lines != k->head.n_lines ||
	    l->is_folded != k->head.is_folded)
		return false;
	lines = table__at(&k->p->lines, l->first_line);
	for (uint32_t i = 0; i < l->n_lines; i++) {
		if (lines[i].function != k->lines[i].function || lines[i].line != k->lines[i].line ||
		    lines[i].column != k->lines[i].column)
			return false;
	}
	return true;
}

static uint64_t location_hash(const struct location_key *k)
{
	uint64_t hash = hash_pair(k->head.address, (uint64_t)k->head.mapping << 1 | k->head.is_folded);

	for (uint32_t i = 0; i < k->head.n_lines; i++) {
		const struct line *l = &k->lines[i];

		hash = hash_pair(hash, hash_pair(l->function, (uint64_t)l->line ^ (uint64_t)l->column << 40));
	}
	return hash;
}

static int add_location(struct profile *p, const struct location_key *k, uint64_t hash, uint32_t *ret_id)
{
	int err = table__reserve(&p->lines, k->head.n_lines, profile__room(p));

	profile__account(p);
	if (!err)
		err = table__add(&p->locations, hash, &k->head, profile__room(p));
	profile__account(p);
	if (err)
		return err;
	if (k->head.n_lines)
		memcpy(table__at(&p->lines, p->lines.n), k->lines, k->head.n_lines * sizeof(struct line));
	p->lines.n += k->head.n_lines;
	*ret_id = p->locations.n;
	return 0;
}

int profile__location(struct profile *p, uint32_t mapping, uint64_t address, bool is_folded,
		      const struct line *lines, uint32_t n_lines, uint32_t *ret_id)
{
	struct location_key k = {.lines = lines, .p = p};
	uint64_t hash;
	uint32_t i;

	if (p->sealed)
		return -EROFS;
	if (n_lines > PROFILE_LINES_MAX)
		return -E2BIG;
	if (mapping > p->mappings.n)
		return -EINVAL;
	for (i = 0; i < n_lines; i++) {
		if (!lines[i].function || lines[i].function > p->functions.n)
			return -EINVAL;
	}
	k.head = (struct location){.mapping = mapping,
				   .address = address,
				   .first_line = p->lines.n,
				   .n_lines = n_lines,
				   .is_folded = is_folded};
	hash = location_hash(&k);
	i = hashmap__find(&p->locations.map, hash, location_eq, &k, p->locations.items);
	if (i == HASHMAP_NONE)
		return add_location(p, &k, hash, ret_id);
	*ret_id = i + 1;
	return 0;
}

int profile__stack_push(struct profile *p, uint32_t parent, uint32_t location, uint32_t *ret_id)
{
	uint16_t depth = 1;
	uint32_t id;
	int err;

	if (p->sealed)
		return -EROFS;
	if (parent > p->stacks.n || !location || location > p->locations.n)
		return -EINVAL;
	if (parent)
		depth += *(uint16_t *)table__at(&p->depths, parent - 1);
	if (depth > PROFILE_DEPTH_MAX)
		return -E2BIG;
	if (p->depths.n == p->depths.cap) {
		err = table__reserve(&p->depths, 1, profile__room(p));
		profile__account(p);
		if (err)
			return err;
	}
	err = p->is_list ? stack_table__append(&p->stacks, parent, location, &id)
			 : stack_table__push(&p->stacks, parent, location, &id);
	if (err)
		return err;
	if (id > p->depths.n) {
		*(uint16_t *)table__at(&p->depths, id - 1) = depth;
		p->depths.n = id;
	}
	*ret_id = id;
	return 0;
}

int profile__stack(struct profile *p, const uint32_t *locations, uint32_t n, uint32_t *ret_id)
{
	uint32_t id = 0;

	if (n > PROFILE_DEPTH_MAX)
		return -E2BIG;
	for (uint32_t i = n; i-- > 0;) {
		int err = profile__stack_push(p, id, locations[i], &id);

		if (err)
			return err;
	}
	*ret_id = id;
	return 0;
}

struct label_key {
	const struct label *labels;
	uint32_t n;
	const struct profile *p;
};

static bool label_set_eq(uint32_t index, const void *key, const void *owner)
{
	const struct label_key *k = key;
	const struct label_set *set = (const struct label_set *)owner + index;
	const struct label *labels;

	if (set->n != k->n)
		return false;
	labels = table__at(&k->p->labels, set->first);
	for (uint32_t i = 0; i < k->n; i++) {
		const struct label *a = &labels[i], *b = &k->labels[i];

		if (a->key != b->key || a->str != b->str || a->num != b->num || a->num_unit != b->num_unit)
			return false;
	}
	return true;
}

/* Copies the labels in order of their keys' ids; sets are small, so insertion does. */
static int sort_labels(const struct profile *p, const struct label *labels, uint32_t n, struct label *out)
{
	for (uint32_t i = 0; i < n; i++) {
		struct label l = labels[i];
		uint32_t at = i;

		if (!l.key || !is_string(p, l.key) || !is_string(p, l.str) || !is_string(p, l.num_unit))
			return -EINVAL;
		if (l.str) {
			l.num = 0;
			l.num_unit = 0;
		}
		for (; at > 0 && out[at - 1].key >= l.key; at--) {
			if (out[at - 1].key == l.key)
				return -EINVAL;
			out[at] = out[at - 1];
		}
		out[at] = l;
	}
	return 0;
}

int profile__labels(struct profile *p, const struct label *labels, uint32_t n, uint32_t *ret_id)
{
	struct label sorted[PROFILE_LABELS_MAX];
	struct label_key k = {.labels = sorted, .n = n, .p = p};
	struct label_set set = {.first = p->labels.n, .n = n};
	uint64_t hash = n;
	uint32_t i;
	int err;

	if (p->sealed)
		return -EROFS;
	if (n > PROFILE_LABELS_MAX)
		return -E2BIG;
	if (!n) {
		*ret_id = 0;
		return 0;
	}
	err = sort_labels(p, labels, n, sorted);
	if (err)
		return err;
	for (i = 0; i < n; i++)
		hash = hash_pair(hash,
				 hash_pair((uint64_t)sorted[i].key << 32 | sorted[i].str,
					   (uint64_t)sorted[i].num ^ (uint64_t)sorted[i].num_unit << 40));
	i = hashmap__find(&p->label_sets.map, hash, label_set_eq, &k, p->label_sets.items);
	if (i == HASHMAP_NONE) {
		err = table__reserve(&p->labels, n, profile__room(p));
		profile__account(p);
		if (!err)
			err = table__add(&p->label_sets, hash, &set, profile__room(p));
		profile__account(p);
		if (err)
			return err;
		memcpy(table__at(&p->labels, p->labels.n), sorted, n * sizeof(*sorted));
		p->labels.n += n;
		i = p->label_sets.n - 1;
	}
	*ret_id = i + 1;
	return 0;
}

static bool sample_eq(uint32_t index, const void *key, const void *owner)
{
	const struct sample *a = key, *b = (const struct sample *)owner + index;

	return a->stack == b->stack && a->labels == b->labels;
}

#define LATE_FIRST (1u << 16)

static int append_sample(struct profile *p, const struct sample *s)
{
	int err = 0;

	if (p->samples.n < p->samples.cap)
		return table__push(&p->samples, s, 0);
	if (p->adds_late && p->samples.n >= LATE_FIRST && p->samples.n / 2 >= p->n_added_up)
		err = profile__add_up(p);
	if (!err)
		err = table__reserve(&p->samples, 1, profile__room(p));
	profile__account(p);
	return err ? err : table__push(&p->samples, s, 0);
}

int profile__add(struct profile *p, uint32_t stack, uint32_t labels, const int64_t *values)
{
	struct sample key = {.stack = stack, .labels = labels};
	struct sample *s;
	uint32_t id;
	int err;

	if (p->sealed)
		return -EROFS;
	if (stack > p->stacks.n || labels > p->label_sets.n || !p->n_types)
		return -EINVAL;
	if (p->is_list || p->adds_late) {
		memcpy(key.values, values, p->n_types * sizeof(*values));
		return append_sample(p, &key);
	}
	err = find_or_add(p, &p->samples, hash_u64((uint64_t)stack << 32 | labels), sample_eq, &key, &id);
	if (err)
		return err;
	s = table__at(&p->samples, id - 1);
	for (uint32_t i = 0; i < p->n_types; i++)
		s->values[i] = saturated_add(s->values[i], values[i]);
	return 0;
}
