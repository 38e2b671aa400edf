/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rollup - makes one file of an hour's windows, and one of a day's hours, in small steps.
 *
 * An hour is rolled up once, when it has been over for the grace; hours that were missed are found at the next start. What came later
 * stays a window (named late). Only flows are added up: a level (heap in use, threads, goroutines) summed over an hour would be sixty
 * times what it was, so those events keep their windows.
 *
 * Owns: the sum in progress and, while the disk refuses it, the encoded file. Thread: one owner, beside those of the store. Limit: limit_bytes for
 * the sum, twice as much again while a file is added (its bytes, its profile); an hour that does not fit is left as windows and counted.
 * Errors: -errno of the step; nothing is lost by any of them, the next step goes on.
 */
#ifndef EVERPROF_STORE_ROLLUP_H
#define EVERPROF_STORE_ROLLUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rollup;
struct store;

#define ROLLUP_GRACE_NS    300000000000ull
#define ROLLUP_LIMIT_BYTES ((size_t)32 << 20)
#define ROLLUP_SKIPS_MAX   256 /* hours and days that are known not to work, this run */

struct rollup_opts {
	struct store *store; /* borrowed */
	uint64_t
		grace_ns; /* 0: ROLLUP_GRACE_NS; more than the longest window, whose last one ends after the hour */
	size_t limit_bytes;             /* 0: ROLLUP_LIMIT_BYTES */
	int level;                      /* of zstd; 0: the encoder's */
	uint64_t (*mono_ns)(void *ctx); /* NULL: clock__mono_ns */
	void *clock_ctx;
};

struct rollup_stats {
	uint64_t n_hours, n_days;
	uint64_t n_added;   /* files that went into them */
	uint64_t n_damaged; /* files that could not be read: left where they are, in no roll-up */
	uint64_t n_gone;    /* files that retention deleted first */
	uint64_t
		n_refused; /* hours and days that do not fit, or whose files do not agree: left as they are */
	uint64_t n_write_failures;
};

int rollup__new(const struct rollup_opts *opts, struct rollup **ret_rollup);
void rollup__free(struct rollup *r);
/* Adds at most max_files files, or writes one roll-up. *ret_more: there is work left now. Call it again at once, or, where there is none,
 * in a minute. */
int rollup__step(struct rollup *r, uint32_t max_files, bool *ret_more);
void rollup__stats(const struct rollup *r, struct rollup_stats *ret);

#endif
