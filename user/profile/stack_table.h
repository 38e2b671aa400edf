/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_table - call stacks as a tree of {parent, item}, each node once.
 *
 * A stack is the id of its leaf's node; its caller is the node's parent; 0 is the empty stack. Items are whatever the
 * caller counts frames in (location ids, frame ids, name ids): the table only compares them. Ids are dense, start at 1, grow, and
 * a parent's id is always below its child's, so a single loop over ids visits parents first and cannot run in circles.
 *
 * Owns: nodes and slots, about 16 bytes a node. Thread: one owner; any number of readers while nobody pushes.
 * Limit: limit_bytes (0: none but STACK_TABLE_MAX nodes). Errors: -ENOMEM, -E2BIG, -EINVAL for a parent that is not there, -EROFS after trim.
 */
#ifndef EVERPROF_PROFILE_STACK_TABLE_H
#define EVERPROF_PROFILE_STACK_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define STACK_TABLE_MAX (1u << 30)

struct stack_node {
	uint32_t parent; /* id, 0: this is the root frame */
	uint32_t item;
};

struct stack_table {
	struct stack_node *nodes; /* nodes[id - 1] */
	uint32_t n, cap;
	uint32_t *slots; /* ids, 0 is free */
	uint32_t n_slots;
	size_t limit_bytes; /* may be moved while the table lives */
};

void stack_table__init(struct stack_table *t, size_t limit_bytes);
void stack_table__done(struct stack_table *t);

/* The stack `parent` (0: none) plus one callee. */
int stack_table__push(struct stack_table *t, uint32_t parent, uint32_t item, uint32_t *ret_id);
/* The same without looking whether it is there: then there may be equal ones, and none of them is found. A table is made by one of the two. */
int stack_table__append(struct stack_table *t, uint32_t parent, uint32_t item, uint32_t *ret_id);
/* Items leaf first into out[max]; returns the depth, which may be more than max. */
uint32_t stack_table__get(const struct stack_table *t, uint32_t id, uint32_t *out, uint32_t max);
size_t stack_table__bytes(const struct stack_table *t);
/* Gives back spare memory and the slots: the table can only be read or freed from then on; a push is -EROFS. */
void stack_table__trim(struct stack_table *t);

static inline uint32_t stack_table__count(const struct stack_table *t)
{
	return t->n;
}

/* id must be from 1 to the count. */
static inline const struct stack_node *stack_table__node(const struct stack_table *t, uint32_t id)
{
	return &t->nodes[id - 1];
}

#endif
