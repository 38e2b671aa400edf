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

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct profile;

#define IDLE_LABEL     "idle"
#define IDLE_NAMES_MAX 32
#define IDLE_NAME_MAX  48

/* Of one sample type. */
struct idle_hidden {
	int64_t total; /* 0: nothing was hidden */
	char unit[24];
	uint32_t n; /* the largest first; what there was no room for is in the total only */
	struct {
		char name[IDLE_NAME_MAX]; /* cut where it is longer */
		int64_t value;
	} by_name[IDLE_NAMES_MAX];
};

/* Adds the idle waits of another profile, if it has any. type as below. */
int idle_hidden__add(struct idle_hidden *h, const struct profile *p, const char *type, bool *ret_has);
/* A sealed profile without idle waits; NULL where p has none. type: sample type of the amounts; NULL or unknown: the default one. */
int idle__hide(const struct profile *p, const char *type, struct profile **ret_shown,
	       struct idle_hidden *ret_hidden);
/* "12.34s of idle waits (event loop 10.00s, timer 2.34s)" */
void idle_hidden__print(const struct idle_hidden *h, struct buf *to);

#endif
