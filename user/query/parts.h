/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts - profiles that together are what was recorded in a stretch of time, or what somebody named: one after the other, so that nobody has to hold them all.
 *
 * Whoever has such profiles (the files of a store behind a wire, those of a folder, files by name) says how to walk over them; whoever answers a question (query/gather)
 * need not know where they are.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: of each, and of the function that is called.
 */
#ifndef EVERPROF_QUERY_PARTS_H
#define EVERPROF_QUERY_PARTS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct profile;

/* Takes one, sealed, which is borrowed for the call. -EINVAL: its sample types are not those of the ones before, it was left out; other errors end the walk. */
typedef int (*part_fn)(const struct profile *part, void *ctx);

/* How they are walked over. */
struct parts_walk {
	bool may_miss; /* what went away meanwhile is left out */
	/* Branches below a share of 1/2^fold_shift of a part may come as [small branches] (profile/fold), where that saves time; 0: none. */
	uint32_t fold_shift;
};

struct parts {
	/*
	 * Calls fn for each. Of a state (event__is_state) that is the newest alone. Having none is no error. -ESTALE: something went away meanwhile, what was taken is
	 * to be forgotten and all asked again; not with may_miss.
	 */
	int (*each)(const struct parts *p, const struct parts_walk *walk, part_fn fn, void *ctx,
		    struct err *err);
};

#endif
