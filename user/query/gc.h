/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc - how much of a profile is garbage collection, by runtime: what has the label `gc` (config/gc_pattern.h).
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: -ENOMEM.
 */
#ifndef EVERPROF_QUERY_GC_H
#define EVERPROF_QUERY_GC_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/gc_pattern.h"

struct buf;
struct profile;

struct gc_share {
	int64_t total, all; /* garbage collection; the whole profile */
	int64_t by_runtime[GC_N];
	const char *unit; /* borrowed from the profile */
};

/* Adds another profile's; the unit is that of the last. type: NULL or unknown: the default one. */
int gc_share__add(struct gc_share *s, const struct profile *p, const char *type);
/* "1.23s, 12.30% of the total (go 1.00s, v8 0.23s)"; false, and nothing, where there is none. */
bool gc_share__print(const struct gc_share *s, struct buf *to);

#endif
