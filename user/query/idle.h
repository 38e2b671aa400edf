/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle - what is left of a profile of waits when those of threads that only wait for work are hidden, and how much that was.
 *
 * A wait is idle where its sample has the label `idle` (user/config/idle_pattern.h says which get it). Nothing is dropped from files: this is for
 * whoever shows them.
 *
 * Owns: nothing. Thread: any. Limit: the profile's; IDLE_NAMES_MAX names are told apart. Errors: of the profile, -ENOMEM.
 */
#ifndef EVERPROF_QUERY_IDLE_H
#define EVERPROF_QUERY_IDLE_H

#include <stdint.h>

struct buf;
struct profile;

#define IDLE_LABEL     "idle"
#define IDLE_NAMES_MAX 32

/* Of one sample type; texts are borrowed from the profile that has them. */
struct idle_hidden {
	int64_t total; /* 0: nothing was hidden */
	const char *unit;
	uint32_t n; /* the largest first; what there was no room for is in the total only */
	struct {
		const char *name;
		int64_t value;
	} by_name[IDLE_NAMES_MAX];
};

/* A sealed profile without idle waits; NULL where p has none. type: sample type of the amounts; NULL or unknown: the default one. */
int idle__hide(const struct profile *p, const char *type, struct profile **ret_shown,
	       struct idle_hidden *ret_hidden);
/* "12.34s of idle waits (event loop 10.00s, timer 2.34s)" */
void idle_hidden__print(const struct idle_hidden *h, struct buf *to);

#endif
