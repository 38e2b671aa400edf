/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saturate - sums of values that stay at the end of the range, where wrapping round would turn the largest into the smallest.
 *
 * Owns: nothing. Thread: any. Limit: 64 bits. Errors: none.
 */
#ifndef EVERPROF_PROFILE_SATURATE_H
#define EVERPROF_PROFILE_SATURATE_H

#include <stdint.h>

static inline int64_t saturated_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static inline int64_t saturated_negate(int64_t v)
{
	return v == INT64_MIN ? INT64_MAX : -v;
}

#endif
