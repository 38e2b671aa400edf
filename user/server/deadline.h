/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadline - until when a whole request must have come, and the end of connections where it has not.
 *
 * A limit on silence alone is met by a byte now and then, for ever; this one counts from the connection's first second, or from its last answer, to the last byte of
 * a request. Whoever closes his side before that will not send the rest: his time is over at once.
 *
 * Owns: one thread; the entries are the connections'. Thread: any may set and clear. Limit: one length for all, given at new. Errors: -ENOMEM, -errno.
 */
#ifndef EVERPROF_SERVER_DEADLINE_H
#define EVERPROF_SERVER_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadlines;

/* Of one connection; zeros: none is set. */
struct deadline {
	struct deadline *before, *after; /* in order of time */
	uint64_t at_ns;                  /* CLOCK_MONOTONIC; 0: none */
	bool is_half_closed;             /* at the last look */
	int fd;                          /* stays open while it is set */
};

int deadlines__new(uint64_t length_ns, struct deadlines **ret);
/* None may be set any more. */
void deadlines__free(struct deadlines *all);
/* From now; one that is set already starts anew. When it is over both directions of the socket are shut, once. */
void deadline__set(struct deadlines *all, struct deadline *d, int fd);
void deadline__clear(struct deadlines *all, struct deadline *d);

#endif
