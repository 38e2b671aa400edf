/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff - what changed between two profiles, as one profile that any reader of pprof understands.
 *
 * Samples of `other` as they are, those of `base` negated and marked with the label pprof::base, which is what
 * `go tool pprof -diff_base` makes of two files: sums are the change, and the marked part is what percentages are taken of.
 *
 * Owns: the result is the caller's, sealed. Thread: any; both are only read. Limit: opts->limit_bytes. Errors: as merge.h.
 */
#ifndef EVERPROF_PROFILE_DIFF_H
#define EVERPROF_PROFILE_DIFF_H

#define DIFF_BASE_LABEL "pprof::base"

struct profile;
struct profile_opts;

int profile__diff(const struct profile *base, const struct profile *other, const struct profile_opts *opts,
		  struct profile **ret_diff);

#endif
