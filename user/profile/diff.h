/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff - what changed between two profiles, as one profile that any reader of pprof understands.
 *
 * Samples of `other` as they are, those of `base` negated and marked with the label pprof::base, which is what
 * `go tool pprof -diff_base` makes of two files: sums are the change, and the marked part is what percentages are taken of.
 *
 * Owns: the result is the caller's, sealed. Thread: any; both are only read. Limit: opts->profile's. Errors: as merge.h.
 */
#ifndef EVERPROF_PROFILE_DIFF_H
#define EVERPROF_PROFILE_DIFF_H

#include <stdbool.h>

#define DIFF_BASE_LABEL "pprof::base"

struct profile;
struct profile_opts;

struct diff_opts {
	/* The base as if it had lasted as long as the other, so that a rate that did not change is no difference; where both say how long they lasted. */
	bool by_time;
	const struct profile_opts *profile; /* of the result; NULL: as they are without */
};

/* opts NULL: sums against sums. */
int profile__diff(const struct profile *base, const struct profile *other, const struct diff_opts *opts,
		  struct profile **ret_diff);

#endif
