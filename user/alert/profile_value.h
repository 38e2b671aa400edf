/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_value - what a window's samples say of a target, and how far chance may have moved it.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_ALERT_PROFILE_VALUE_H
#define EVERPROF_ALERT_PROFILE_VALUE_H

#include <math.h>
#include <stdint.h>

#define PROFILE_VALUE_Z 1.96 /* 95 % of what chance does lies between the bounds */

struct profile_value {
	double value, low, high; /* per cent */
	uint64_t n;              /* samples */
};

/* Wilson's interval: right also where a share is near 0 or 1, or samples are few. */
static inline struct profile_value profile_value__of_share(double share, uint64_t n)
{
	const double z2 = PROFILE_VALUE_Z * PROFILE_VALUE_Z, m = (double)n;
	double middle, width;

	if (!n)
		return (struct profile_value){0};
	middle = (share + z2 / (2 * m)) / (1 + z2 / m);
	width = PROFILE_VALUE_Z * sqrt(share * (1 - share) / m + z2 / (4 * m * m)) / (1 + z2 / m);
	return (struct profile_value){.value = share * 100,
				      .low = fmax(middle - width, 0) * 100,
				      .high = fmin(middle + width, 1) * 100,
				      .n = n};
}

#endif
