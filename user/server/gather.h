/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather - the answer to a question over a range, from one of its profiles after the other.
 *
 * Owns: nothing. Thread: any. Limit: a tree of CALL_TREE_NODES_MAX, a table of the names there are; a few profiles of single files beside it.
 * Errors: -EAGAIN this question needs the sum of all; -ENODATA, -EINVAL, -errno: the err tells.
 */
#ifndef EVERPROF_SERVER_GATHER_H
#define EVERPROF_SERVER_GATHER_H

#include <stdbool.h>

#include "user/server/ask.h"

struct call_tree;
struct err;
struct link;
struct profile;
struct top;
struct top_opts;

struct gather_opts {
	struct link *link;
	const struct ask_for *ask;
	const struct range *base; /* what it is compared with; NULL: nothing */
	bool keeps_idle;
};

/* *ret_head: times, types and comments of all, to be freed after what was made with it, which borrows from it. */
int gather__tree(const struct gather_opts *o, struct call_tree **ret, struct profile **ret_head,
		 struct err *err);
int gather__top(const struct gather_opts *o, const struct top_opts *top, struct top **ret,
		struct profile **ret_head, struct err *err);

#endif
