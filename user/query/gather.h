/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather - the answer to a question over many profiles, from one after the other: a tree of calls, a table of names, or their sum.
 *
 * Owns: nothing. Thread: any. Limit: a tree of CALL_TREE_NODES_MAX, a table of the names there are, or the sum's own; a few single profiles beside it.
 * Errors: -ENODATA there are none, -ENOENT no such type or label, -E2BIG the sum does not fit, -EINVAL, -errno: the err tells.
 */
#ifndef EVERPROF_QUERY_GATHER_H
#define EVERPROF_QUERY_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/query/idle.h"

struct call_tree;
struct call_tree_opts;
struct err;
struct parts;
struct profile;
struct selection;
struct top;
struct top_opts;

struct gather_opts {
	const struct parts *parts;
	const struct parts *base;          /* what they are compared with; NULL: nothing */
	bool by_time;                      /* … as if that had lasted as long as they did */
	const struct selection *selection; /* NULL: all */
	bool hides_idle;                   /* idle waits are left out, and counted */
	const char *type;                  /* sample type of what is hidden; NULL: the default one */
};

/* What else is known of the parts; free the head after what was made with it, which borrows from it. */
struct gathered {
	struct profile *head; /* times, types and comments of all */
	struct idle_hidden hidden;
};

int gather__tree(const struct gather_opts *o, const struct call_tree_opts *tree, struct call_tree **ret,
		 struct gathered *ret_gathered, struct err *err);
/* o->base must be NULL. */
int gather__top(const struct gather_opts *o, const struct top_opts *top, struct top **ret,
		struct gathered *ret_gathered, struct err *err);

struct gather_sum_opts {
	size_t limit_bytes;
	size_t grown_bytes; /* see struct store_sum */
	uint32_t rows_max;
	uint32_t part_shift; /* parts may come folded so (parts_walk), where all of them is asked for */
};
/* Sealed. o->base must be NULL. ret_hidden may be NULL. */
int gather__sum(const struct gather_opts *o, const struct gather_sum_opts *sum, struct profile **ret,
		struct idle_hidden *ret_hidden, struct err *err);

#endif
