/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass_queues - how long threads waited for a CPU, where passes over all threads are all that tells of it.
 *
 * The hook on switches looks at single waits. A pass has, of each thread, for how long it waited since the pass before and how often it left a CPU: that many waits of their
 * mean length. One that goes on counts in each pass, with what it had by then.
 *
 * Owns: its groups. Thread: one owner. Limit: RUN_QUEUE_GROUPS control groups a pass; what is beyond is counted for the machine only. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_PASS_QUEUES_H
#define EVERPROF_PIPELINE_PASS_QUEUES_H

#include <stdint.h>

#include "bpf/abi.h"
#include "user/base/hashmap.h"

struct pass_queue {
	uint64_t cgroup;
	struct run_queue queue;
};

struct pass_queues {
	struct run_queue all;      /* since the start */
	struct pass_queue *groups; /* of this pass; NULL: there was none yet */
	uint32_t n;
	struct hashmap by_id;
};

void pass_queues__init(struct pass_queues *q);
void pass_queues__done(struct pass_queues *q);
/* A thread of the control group: waited for waited_ns in all, and left a CPU n times. */
void pass_queues__note(struct pass_queues *q, uint64_t cgroup, uint64_t waited_ns, uint64_t n);
/* The pass is over: what it noted is added to the kernel's map of control groups. */
void pass_queues__flush(struct pass_queues *q, int map_fd);

#endif
