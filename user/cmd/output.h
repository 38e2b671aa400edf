/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output - a profile into the file that somebody named, in the format that its end tells.
 *
 * Owns: nothing. Thread: any. Limit: OUTPUT_BYTES_MAX. Errors: -errno with one clear line.
 */
#ifndef EVERPROF_CMD_OUTPUT_H
#define EVERPROF_CMD_OUTPUT_H

#include <stdbool.h>

#include "exporters/format/format.h"

#define OUTPUT_BYTES_MAX (1u << 30)

#define OUTPUT_UNKNOWN "cannot tell the format of '%s': use .pb.gz, .pb.zst, .folded, .svg, .html or .json"

struct err;
struct profile;
struct window;

struct output_opts {
	struct format_opts format;
	bool keep_idle, quiet;
};

/* Does the path's end name a format? "-" does: pprof. */
bool output__is_known(const char *path);
/*
 * Whole or not at all, replacing what was there; "-" is standard output. What is made to be looked at (all but pprof) leaves idle waits out, unless they are to be kept, and a line on stderr says
 * how much that is.
 */
int output__write_as(const struct profile *p, const char *path, const struct output_opts *opts,
		     struct err *err);
/* One line on stderr: how much was seen, how whole it is, what was lost. */
void output__print_summary(const struct profile *p, const struct window *w, const char *path);

#endif
