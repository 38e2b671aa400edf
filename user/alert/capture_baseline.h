/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_baseline - what normal looked like: the same target in the store's files of the hour before, or of the same hour the day before, scaled to the length of
 * what it is compared with. A process that is too young for that is compared with one of its program.
 *
 * Owns: the profile is the caller's. Thread: one that may wait for a disk. Limit: BASELINE_FILES_MAX files, taken evenly. Errors: -ENODATA there is no such time,
 * or the target was not there; -errno.
 */
#ifndef EVERPROF_ALERT_CAPTURE_BASELINE_H
#define EVERPROF_ALERT_CAPTURE_BASELINE_H

#include <stdint.h>

#include "user/config/event.h"

#define BASELINE_FILES_MAX 60
#define BASELINE_LEAST_NS  (60ull * 1000000000) /* less than that says nothing */

struct capture_case;
struct profile;
struct store;

struct capture_baseline {
	const char *kind; /* "hour before", "same hour the day before", "…, its program"; a literal */
	uint64_t from_ns, to_ns; /* CLOCK_REALTIME: of the files that were taken */
	uint64_t observed_ns;    /* in them; of a program: of each of its processes */
	uint32_t n_files, n_damaged;
	struct profile *profile; /* sealed, and of length_ns */
};

/* length_ns: of the profile that it is for. */
int capture_baseline__load(const struct capture_case *c, struct store *store, enum event ev,
			   uint64_t length_ns, struct capture_baseline *ret);

#endif
