/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_sum - what a range of a store adds up to, as a command reads it.
 *
 * Owns: the sum is the caller's. Thread: one. Limit: limit_bytes. Errors: as store_reader__parts.
 */
#ifndef EVERPROF_TESTS_STORE_WINDOW_SUM_H
#define EVERPROF_TESTS_STORE_WINDOW_SUM_H

#include "tests/unit/store/fixture.h"
#include "user/store/reader.h"
#include "user/store/sum.h"

static inline int window__add(const struct profile *p, void *ctx)
{
	return store_sum__add_profile(ctx, p, NULL);
}

/* The sum of a range of the store, as a command makes it; limit_bytes 0: none to speak of. report may be NULL. */
static inline int window__sum(const struct fixture *f, const char *event, uint64_t from_ns, uint64_t to_ns,
			      size_t limit_bytes, struct profile **ret, struct store_report *report,
			      struct err *err)
{
	const struct store_range r = {f->dir, event, from_ns, to_ns, 0};
	struct store_sum sum;
	int rc = -ESTALE;

	store_sum__init(&sum, limit_bytes ? limit_bytes : (size_t)1 << 30);
	for (int look = 0; rc == -ESTALE && look < 4; look++) {
		store_sum__done(&sum);
		rc = store_reader__parts(&r, look == 3, window__add, &sum, report, err);
	}
	if (!rc)
		rc = store_sum__take(&sum, ret);
	store_sum__done(&sum);
	return rc;
}

#endif
