// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/deadlock.h"

#include <string.h>

#define TRACK 0x80000000u /* of the walk that began at …: what has none was not met yet */

/* Steps that walk i takes over threads that nobody met before; where it ends. */
static uint32_t walk(const uint32_t *holder_of, uint32_t *marks, uint32_t i)
{
	uint32_t at = i;

	while (at != DEADLOCK_NOBODY && !marks[at]) {
		marks[at] = TRACK | i;
		at = holder_of[at];
	}
	return at;
}

uint32_t deadlock__find(const uint32_t *holder_of, uint32_t n, uint32_t *ret_circle)
{
	uint32_t circles = 0;

	memset(ret_circle, 0, n * sizeof(*ret_circle));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t met = ret_circle[i] ? DEADLOCK_NOBODY : walk(holder_of, ret_circle, i);

		if (met == DEADLOCK_NOBODY || ret_circle[met] != (TRACK | i))
			continue; /* it ends, or leads to what is known already */
		circles++;
		do {
			ret_circle[met] = circles;
			met = holder_of[met];
		} while (ret_circle[met] != circles);
	}
	for (uint32_t i = 0; i < n; i++)
		if (ret_circle[i] & TRACK)
			ret_circle[i] = 0;
	return circles;
}
