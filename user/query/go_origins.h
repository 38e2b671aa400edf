/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_origins - which go statements made the goroutines of a profile, how many each, and what those wait for: of a leak the first line.
 *
 * Owns: nothing. Thread: any. Limit: GO_ORIGINS_MAX of them, the rest is told as one; GO_ORIGINS_SHOWN are printed. Errors: none; without memory nothing is said.
 */
#ifndef EVERPROF_QUERY_GO_ORIGINS_H
#define EVERPROF_QUERY_GO_ORIGINS_H

#include <stdbool.h>
#include <stdint.h>

#define GO_ORIGINS_MAX   4096
#define GO_ORIGINS_SHOWN 10

struct buf;
struct profile;

/* "  8671  99.66%  main.leaker goroutines.go:71: main.forgotten, chan receive"; false, and nothing, where the profile is not one of goroutines. p is sealed. */
bool go_origins__print(const struct profile *p, struct buf *to);
/* The one line of the largest. */
bool go_origins__print_first(const struct profile *p, struct buf *to);

#endif
