/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speedscope - a profile as speedscope's own JSON, where inlined functions are frames of their own and nothing is without a name.
 *
 * Its reader of pprof keeps only the outermost function of a location and drops those without one; this file has them. One
 * profile a sample type, the default one shown first; weights that are not positive (a difference) are left out.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: as call_tree.h, the buf's.
 * Reference: github.com/jlfwong/speedscope src/lib/file-format-spec.ts.
 */
#ifndef EVERPROF_FORMAT_SPEEDSCOPE_H
#define EVERPROF_FORMAT_SPEEDSCOPE_H

struct buf;
struct call_tree_opts;
struct profile;

/* opts->type: which is shown first. */
int speedscope__encode(const struct profile *p, const struct call_tree_opts *opts, struct buf *to);

#endif
