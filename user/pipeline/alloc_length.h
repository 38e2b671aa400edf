/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_length - how what was met in windows is brought to the length of a profile.
 *
 * The stretches of its windows add up to about the profile's length: what they were more or less is put right. Where a stretch is longer than the profile or nearly so, some profiles have no window and
 * say nothing: the others say as much more, so that many together are right.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_LENGTH_H
#define EVERPROF_PIPELINE_ALLOC_LENGTH_H

#include <stdbool.h>
#include <stdint.h>

/* By what is multiplied what is told by windows, and what is told by aids, which are of the profile's time alone. */
struct alloc_length {
	double windows, aids;
};

/* covered_ns: the stretches of all n windows. is_first: windows began with the profile, and the first one comes at once: none of its kind is without. */
struct alloc_length alloc_length__of(double length_ns, double covered_ns, uint32_t n_windows, bool is_first);

#endif
