// SPDX-License-Identifier: Apache-2.0
#include "user/process/false_queue.h"

#include "user/base/clock.h"

uint64_t false_queue__take(struct false_queue *q, uint64_t delay_ns, uint32_t false_ms)
{
	uint64_t false_ns = false_ms * NS_PER_MS, added = delay_ns > q->delay_ns ? delay_ns - q->delay_ns : 0;
	uint64_t excess = 0;

	/* that account is over; where the kernel gave it up meanwhile, it did not add it */
	if (false_ns < q->false_ns && added >= q->false_ns)
		excess = q->false_ns;
	*q = (struct false_queue){.delay_ns = delay_ns, .false_ns = false_ns};
	return excess;
}
