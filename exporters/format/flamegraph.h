/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flamegraph - a profile as one picture: SVG that opens anywhere, needs nothing beside it, and answers clicks where scripts may run.
 *
 * Icicle: the root is above, what is called below. Colours come from names alone, so the same function has the same colour in every picture; the
 * kernel is orange. What is narrower than FLAMEGRAPH_NARROW_PX is not drawn (its width stays empty). In a difference blue is less, orange is more.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: as call_tree.h, the buf's.
 */
#ifndef EVERPROF_FORMAT_FLAMEGRAPH_H
#define EVERPROF_FORMAT_FLAMEGRAPH_H

#define FLAMEGRAPH_WIDTH_PX  1180
#define FLAMEGRAPH_NARROW_PX 0.2

struct buf;
struct call_tree;
struct profile;

/* Of the profile its head alone is used. */
int flamegraph__write_svg(const struct profile *head, const struct call_tree *t, struct buf *to);

#endif
