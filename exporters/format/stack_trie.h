/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_trie - the stacks of profiles as one tree of somebody's items, such as texts or frames without their addresses.
 *
 *      profile:  stack {location, parent}      location: 1..n lines, innermost first
 *      trie:     node {item, parent}           one node a line, outermost first
 *
 * The stacks of a profile are a tree already, so each of its nodes is walked once below each root, however many samples pass through it.
 *
 * Owns: the table, and while a profile is being walked 4 bytes a stack and 4 a location of it. Thread: one owner. Limit: the table's.
 * Errors: the table's, and what item_of says.
 */
#ifndef EVERPROF_FORMAT_STACK_TRIE_H
#define EVERPROF_FORMAT_STACK_TRIE_H

#include <stdint.h>

#include "user/profile/stack_table.h"

struct location;
struct profile;

/* The item of a location's line. */
typedef int (*stack_item_fn)(void *ctx, const struct location *l, uint32_t line, uint32_t *ret_item);

struct stack_trie {
	struct stack_table table;
	stack_item_fn item_of;
	void *ctx;
	const struct profile *p; /* that is being walked */
	uint32_t root;           /* node that its stacks go below, 0: none */
	uint32_t *place;         /* [stack] = where it ends + 1, 0: not walked yet below this root */
	uint32_t *single;        /* [location] = item of its one line + 1, 0: not asked yet, or several */
};

void stack_trie__init(struct stack_trie *t, stack_item_fn item_of, void *ctx);
void stack_trie__done(struct stack_trie *t);
/* From here on stacks are those of p (borrowed, sealed), below no root. */
int stack_trie__begin(struct stack_trie *t, const struct profile *p);
void stack_trie__end(struct stack_trie *t);
/* From here on they go below that node, 0: none. What has one root is best placed in one go: what was walked below another is walked again. */
void stack_trie__set_root(struct stack_trie *t, uint32_t node);
/* The node at which a stack ends; 0 is the empty stack, which ends at the root. */
int stack_trie__place(struct stack_trie *t, uint32_t stack, uint32_t *ret_node);

#endif
