/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof_text - profiles as the text that Go's net/http/pprof prints for debug=1 and debug=2, for eyes and for tools that read such dumps.
 *
 * Owns: nothing. Thread: any, the profile is only read. Limit: 20,000 stacks, 100,000 of a dump; what is left out is said in a last line. Errors: -errno.
 */
#ifndef EVERPROF_SERVER_PPROF_TEXT_H
#define EVERPROF_SERVER_PPROF_TEXT_H

#include <stdbool.h>

struct buf;
struct profile;

/* "NAME profile: total N", then "count @ addresses" and a line a frame of each stack, the largest first. */
int pprof_text__print(const struct profile *p, const char *name, bool with_labels, struct buf *b);
/* A stack for each goroutine or thread, as a Go program that panics prints them. */
int pprof_text__dump(const struct profile *p, struct buf *b);

#endif
