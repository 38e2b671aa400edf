/* SPDX-License-Identifier: Apache-2.0 */
/* Built twice, as liblate_a.so and liblate_b.so, of one size and layout: LATE_ENTRY < LATE_LEAF under names of their own. */
#include "tests/workloads/work.h"

void LATE_ENTRY(uint64_t scale);

static WORK_FN void LATE_LEAF(uint64_t scale)
{
	work__spin(100 * scale);
}

void LATE_ENTRY(uint64_t scale)
{
	LATE_LEAF(scale);
	__asm__ volatile("" ::: "memory");
}
