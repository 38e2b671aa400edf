/* SPDX-License-Identifier: Apache-2.0 */
/*
 * false_queue - sleep of a thread that the kernel takes for a wait for a CPU (bpf/queue.bpf.h): it is told as long as it lasts, and added when it is over.
 *
 * Owns: nothing. Thread: any. Limit: what was slept since the last look stays. Errors: none.
 */
#ifndef EVERPROF_PROCESS_FALSE_QUEUE_H
#define EVERPROF_PROCESS_FALSE_QUEUE_H

#include <stdint.h>

struct false_queue {
	uint64_t delay_ns; /* what the kernel told at the last look … */
	uint64_t false_ns; /* … and what of the sleep then it would add to that */
};

/* Another look: how much of what was added since the last one was sleep. */
uint64_t false_queue__take(struct false_queue *q, uint64_t delay_ns, uint32_t false_ms);

#endif
