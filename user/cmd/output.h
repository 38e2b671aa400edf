/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output - a profile into the file that somebody named, in the format that its end tells.
 *
 * Owns: nothing. Thread: any. Limit: OUTPUT_BYTES_MAX. Errors: -errno with one clear line.
 */
#ifndef EVERPROF_CMD_OUTPUT_H
#define EVERPROF_CMD_OUTPUT_H

#include <stdbool.h>

#define OUTPUT_BYTES_MAX (1u << 30)

#define OUTPUT_SUFFIXES ".pb.gz, .pb.zst, .folded, .svg, .html or .json"

struct err;
struct format_opts;
struct profile;
struct window;

/* Does the path's end name a format? "-" does: pprof. */
bool output__is_known(const char *path);
/* Whole or not at all, replacing what was there; "-" is standard output. */
int output__write(const struct profile *p, const char *path, struct err *err);
int output__write_as(const struct profile *p, const char *path, const struct format_opts *opts,
		     struct err *err);
/* One line on stderr: how much was seen, how whole it is, what was lost. */
void output__print_summary(const struct profile *p, const struct window *w, const char *path);

#endif
