/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format - what a profile can be written as, found by name or by the end of a file's name.
 *
 * A new format is one file with an encode function and one line in the table of format.c.
 *
 * Owns: nothing. Thread: any. Limit: output that of the buf. Errors: of the encoders: -EINVAL not sealed, -ENOENT no such sample type,
 * else the buf's.
 */
#ifndef EVERPROF_FORMAT_FORMAT_H
#define EVERPROF_FORMAT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct call_tree;
struct call_tree_opts;
struct profile;

struct format_opts {
	const char *type;       /* sample type, for formats that hold one; NULL: the default one */
	const char *root_label; /* but pprof: this label's text as the first frame; NULL: none */
	uint32_t
		threshold_ppm; /* svg, html, flame, speedscope: share of the whole below which calls are folded away */
	int level;             /* of the compression; 0: the default */
};

/* A tree as that format; of the profile its head alone is used. */
typedef int (*format_draw_fn)(const struct profile *head, const struct call_tree *t, struct buf *to);

struct format {
	const char *name;       /* "pprof" */
	const char *suffix;     /* ".pb.gz" */
	const char *media_type; /* for HTTP */
	int (*encode)(const struct profile *p, const struct format_opts *opts, struct buf *to);
	format_draw_fn draw; /* of formats that hold one tree; NULL: the others */
};

/* How the tree for `draw` is made. */
struct call_tree_opts format__tree_opts(const struct format_opts *opts);

/* NULL where there is none. */
const struct format *format__by_name(const char *name);
const struct format *format__by_path(const char *path);
/* All of them, in the order in which they should be listed; NULL past the end. */
const struct format *format__at(size_t i);

#endif
