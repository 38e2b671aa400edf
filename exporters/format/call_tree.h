/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_tree - a profile of one sample type as a tree of calls: what flame graphs of every kind are drawn from.
 *
 * Nodes stand in preorder (a node, then all below it), children in the order of their names; node 0 is the root "all". A frame is a (name, binary,
 * kind), each once. In a difference (samples labelled pprof::base) every node has the value of both sides. Children that have less than the
 * threshold are added up in one node of kind FRAME_FOLDED, so that sums still hold.
 *
 * Owns: its nodes, frames and texts. Thread: one owner; the profile is only read. Limit: CALL_TREE_NODES_MAX. Errors: -EINVAL not sealed, -ENOENT no
 * such sample type, -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_FORMAT_CALL_TREE_H
#define EVERPROF_FORMAT_CALL_TREE_H

#include <stdbool.h>
#include <stdint.h>

#define CALL_TREE_NODES_MAX (1u << 24)

struct intern;
struct profile;

/* As the page's viewer knows them by number: append only. */
enum frame_kind {
	FRAME_USER,
	FRAME_KERNEL,
	FRAME_JIT,
	FRAME_INLINED,
	FRAME_LABEL,     /* not a function: the text of the root label */
	FRAME_TRUNCATED, /* the mark of a stack that was cut short */
	FRAME_FOLDED,    /* "(N below the threshold)", or what profile/fold put together */
	FRAME_KIND_MAX
};

struct call_tree_opts {
	const char *type; /* sample type; NULL: the default one */
	const char *
		root_label; /* this label's text as the first frame, "(no LABEL)" without one; NULL: no such frame */
	uint32_t threshold_ppm; /* of the whole; 0: everything is kept */
	bool with_rows;         /* fill `rows` where something is folded away */
};

struct call_frame {
	uint32_t name, binary; /* texts; binary: path of the file, 0 for none */
	uint8_t kind;
};

struct call_node {
	uint32_t frame;
	uint32_t depth; /* of the root: 0 */
	int64_t self, total;
	int64_t base_self, base_total; /* of a difference; else 0 */
};

/* What a function has in all the places where it stands, folded away or not; recursion counts once in the total. */
struct call_row {
	uint32_t frame;
	int64_t self, total, base_self, base_total;
};

struct call_tree {
	struct call_row
		*rows; /* those of at least the threshold, in order of their frames; NULL: see with_rows */
	uint32_t n_rows, n_rows_small;
	struct intern *texts;
	struct call_frame *frames;
	struct call_node *nodes;
	uint32_t n_frames, n_nodes;
	bool is_diff;
	uint32_t n_folded;       /* nodes that went into FRAME_FOLDED */
	uint32_t max_depth;      /* of the deepest node */
	const char *type, *unit; /* borrowed from the profile */
};

int call_tree__new(const struct profile *p, const struct call_tree_opts *opts, struct call_tree **ret);

/*
 * The same of many profiles, one after the other, without adding them up to one: half the time, a third of the memory. as_base: the side that a difference is
 * compared with. Types and units are borrowed from `head`, which has the types of them all. finish hands the tree over; free the grower.
 */
struct call_grower;
int call_grower__new(const struct call_tree_opts *opts, struct call_grower **ret);
int call_grower__add(struct call_grower *g, const struct profile *p, bool as_base);
/* When all is added: the values of the base times num / den (> 0); remainders go on from node to node. */
void call_grower__scale_base(struct call_grower *g, int64_t num, int64_t den);
int call_grower__finish(struct call_grower *g, const struct profile *head, struct call_tree **ret);
void call_grower__free(struct call_grower *g);
void call_tree__free(struct call_tree *t);
const char *call_tree__name(const struct call_tree *t, uint32_t node);
const char *call_tree__binary(const struct call_tree *t, uint32_t node);
enum frame_kind call_tree__kind(const struct call_tree *t, uint32_t node);

#endif
