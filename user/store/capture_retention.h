/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_retention - which captures go when there are too many, too much, or too old ones. Pure.
 *
 * Never: a pinned one. First: what is older than the age. Then, until numbers and bytes are kept, the oldest that are neither the first nor the highest of their
 * episode, and only when there are none of these any more, the oldest of the others; never the newest of all. So what a long episode leaves is how it began
 * and how bad it got.
 *
 * Owns: nothing. Thread: any. Limit: the array's. Errors: -ENOMEM.
 */
#ifndef EVERPROF_STORE_CAPTURE_RETENTION_H
#define EVERPROF_STORE_CAPTURE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

struct capture_limits {
	uint64_t age_ms;       /* 0: for ever */
	uint64_t max_bytes;    /* 0: no limit; pinned ones count */
	uint32_t max_per_rule; /* 0: no limit; pinned ones do not count */
};

/* One capture; the array is ordered by time, the oldest first. */
struct capture_standing {
	uint64_t time_ms, bytes;
	uint32_t rule;    /* a number for each rule, from 0 on */
	uint64_t episode; /* captures of the same rule and episode belong together */
	double severity;  /* more is worse */
	bool is_pinned;
	bool goes; /* out */
};

int capture_retention__choose(struct capture_standing *c, uint32_t n, uint64_t now_ms,
			      const struct capture_limits *limits, uint32_t *ret_n_going);

#endif
