/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a busy machine shows tens of thousands of distinct stacks a minute, fifty frames deep. As arrays that is
 * megabytes, most of it the same callers again and again.
 *
 * Idea: keep the calling tree. A frame under the same callers is one node, whoever sampled it; a stack is a node's id.
 *
 * Layout:   nodes  | {0,main} | {1,run} | {2,read} | {2,write} |        8 bytes a node, id = position + 1
 *           slots  | 3 | 0 | 1 | 0 | 4 | 2 | 0 | …                      4 bytes a slot, open addressing, at most 7/8 full
 *
 * The key of a node is the node itself, so a slot needs nothing but the id: half of what base/hashmap pays for keys that are
 * expensive to compare.
 *
 * Invariants: parent < id. No two nodes are equal. n_slots is a power of two or 0.
 *
 * A stack's new nodes stand one behind the other, so the first child that a node had is usually the next node: it is looked at before the
 * hash is. Along a stack that is there already this reads memory in order, where each probe would miss the cache twice.
 *
 * Cost: a push is one look at the next node, or one hash and on average under two probes; growth rehashes nodes in memory order. 12.6 to
 * 17 bytes a node plus a quarter of slack in the node array.
 *
 * What it does not do: remove nodes. A window is short; the owner clears or frees the table with it.
 */
#include "user/profile/stack_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/hashmap.h"

#define FIRST_NODES 64u
#define FIRST_SLOTS 128u

void stack_table__init(struct stack_table *t, size_t limit_bytes)
{
	*t = (struct stack_table){.limit_bytes = limit_bytes};
}

void stack_table__done(struct stack_table *t)
{
	if (!t)
		return;
	free(t->nodes);
	free(t->slots);
	*t = (struct stack_table){0};
}

size_t stack_table__bytes(const struct stack_table *t)
{
	return (size_t)t->cap * sizeof(*t->nodes) + (size_t)t->n_slots * sizeof(*t->slots);
}

static uint32_t first_slot(const struct stack_table *t, uint32_t parent, uint32_t item)
{
	return (uint32_t)hash_u64((uint64_t)parent << 32 | item) & (t->n_slots - 1);
}

/* The slot that holds the node, or the free one where it belongs. There is always a free slot. */
static uint32_t probe(const struct stack_table *t, uint32_t parent, uint32_t item)
{
	uint32_t i = first_slot(t, parent, item);

	for (; t->slots[i]; i = (i + 1) & (t->n_slots - 1)) {
		const struct stack_node *node = stack_table__node(t, t->slots[i]);

		if (node->parent == parent && node->item == item)
			break;
	}
	return i;
}

/* Is the node behind the parent the one? The root's first child is node 1. */
static bool is_next(const struct stack_table *t, uint32_t parent, uint32_t item)
{
	return parent < t->n && t->nodes[parent].parent == parent && t->nodes[parent].item == item;
}

static bool over_limit(const struct stack_table *t, size_t extra_bytes)
{
	return t->limit_bytes && stack_table__bytes(t) + extra_bytes > t->limit_bytes;
}

static int grow_nodes(struct stack_table *t)
{
	uint32_t cap = t->cap ? t->cap + t->cap / 2 : FIRST_NODES;
	struct stack_node *nodes;

	if (cap > STACK_TABLE_MAX || over_limit(t, (size_t)(cap - t->cap) * sizeof(*nodes)))
		return -E2BIG;
	nodes = realloc(t->nodes, (size_t)cap * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	t->nodes = nodes;
	t->cap = cap;
	return 0;
}

static int grow_slots(struct stack_table *t)
{
	uint32_t n_slots = t->n_slots ? t->n_slots * 2 : FIRST_SLOTS;
	uint32_t *slots;

	if (over_limit(t, (size_t)(n_slots - t->n_slots) * sizeof(*slots)))
		return -E2BIG;
	slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(t->slots);
	t->slots = slots;
	t->n_slots = n_slots;
	for (uint32_t id = 1; id <= t->n; id++) {
		const struct stack_node *node = stack_table__node(t, id);

		t->slots[probe(t, node->parent, node->item)] = id;
	}
	return 0;
}

int stack_table__push(struct stack_table *t, uint32_t parent, uint32_t item, uint32_t *ret_id)
{
	uint32_t slot;
	int err;

	if (parent > t->n)
		return -EINVAL;
	if (t->n && !t->n_slots)
		return -EROFS;
	if (is_next(t, parent, item)) {
		*ret_id = parent + 1;
		return 0;
	}
	if (t->n_slots) {
		slot = probe(t, parent, item);
		if (t->slots[slot]) {
			*ret_id = t->slots[slot];
			return 0;
		}
	}
	if (t->n == t->cap) {
		err = grow_nodes(t);
		if (err)
			return err;
	}
	if ((uint64_t)(t->n + 1) * 8 > (uint64_t)t->n_slots * 7) {
		err = grow_slots(t);
		if (err)
			return err;
	}
	slot = probe(t, parent, item);
	t->nodes[t->n++] = (struct stack_node){.parent = parent, .item = item};
	t->slots[slot] = t->n;
	*ret_id = t->n;
	return 0;
}

int stack_table__append(struct stack_table *t, uint32_t parent, uint32_t item, uint32_t *ret_id)
{
	int err = parent > t->n ? -EINVAL : t->n == t->cap ? grow_nodes(t) : 0;

	if (err)
		return err;
	t->nodes[t->n++] = (struct stack_node){.parent = parent, .item = item};
	*ret_id = t->n;
	return 0;
}

uint32_t stack_table__get(const struct stack_table *t, uint32_t id, uint32_t *out, uint32_t max)
{
	uint32_t depth = 0;

	for (; id; id = stack_table__node(t, id)->parent, depth++) {
		if (depth < max)
			out[depth] = stack_table__node(t, id)->item;
	}
	return depth;
}

void stack_table__trim(struct stack_table *t)
{
	struct stack_node *nodes;

	free(t->slots);
	t->slots = NULL;
	t->n_slots = 0;
	if (!t->n || t->n == t->cap)
		return;
	nodes = realloc(t->nodes, (size_t)t->n * sizeof(*nodes));
	if (nodes) {
		t->nodes = nodes;
		t->cap = t->n;
	}
}
