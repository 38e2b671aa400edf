/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_drift - does a program spend its time elsewhere since it has a new build: how far its profile is from that of the build before.
 *
 *      exe ─> builds, by when each was first seen ─> time by function              drift(build) = distance to the one before it
 *
 * Owns: what it remembers of builds. Thread: one owner. Limit: DRIFT_BUILDS_MAX builds, the one that was not seen for longest goes; DRIFT_FUNCTIONS functions of
 * each, the rest is one. Errors: -ENOMEM.
 */
#ifndef EVERPROF_ALERT_BUILD_DRIFT_H
#define EVERPROF_ALERT_BUILD_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "user/alert/profile_value.h"

#define DRIFT_BUILDS_MAX 128
#define DRIFT_FUNCTIONS  384
#define DRIFT_SLOTS      512
#define DRIFT_FOR_NS     (3600ull * 1000000000) /* after a new build's first window; later it is the usual one */
#define DRIFT_FILES_MAX  120                    /* that a start reads */

struct profile;

struct drift_weights {
	struct {
		uint64_t function; /* hash; 0: free */
		double ns;
	} slots[DRIFT_SLOTS];
	uint32_t n_functions;
	double other_ns, total_ns;
	double n; /* samples; halved when they are many, so that a year ago does not count */
};

struct drift_build {
	uint64_t program, build;    /* hashes: of its path, of its build-id */
	uint64_t first_ns, last_ns; /* ends of windows, CLOCK_REALTIME */
	struct drift_weights *weights;
};

struct build_drift {
	struct drift_build builds[DRIFT_BUILDS_MAX];
	uint32_t n;
};

void build_drift__done(struct build_drift *d);
/*
 * What a store holds of the DRIFT_FOR_NS before the window p, or of its last such time where it ends earlier: windows that another agent saw. For a start, before the first
 * window is taken in. How many profiles there were; what cannot be read is left out.
 */
uint32_t build_drift__recall(struct build_drift *d, const char *store_dir, const struct profile *p);
/* Takes in a sealed profile of a window, and calls fn for each process in it whose program has a new build. */
int build_drift__take(struct build_drift *d, const struct profile *p,
		      int (*fn)(void *ctx, uint32_t pid, const struct profile_value *v), void *ctx);
/* The function that a name is of, whatever the compiler made of it: a hash. */
uint64_t drift__function(const char *name);

#endif
