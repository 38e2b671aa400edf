/* SPDX-License-Identifier: Apache-2.0 */
/* switch_trace - what the kernel's side of that tracer tells its user's side. */
#ifndef EVERPROF_TESTS_VALIDATE_SWITCH_TRACE_H
#define EVERPROF_TESTS_VALIDATE_SWITCH_TRACE_H

#include <linux/types.h>

enum switch_kind { SWITCH_LEFT, SWITCH_WOKEN, SWITCH_NEW };

struct switch_record {
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u32 kind, cpu;
	__u32 tid; /* who left, was woken, or is new */
	/* of a switch: */
	__u32 next_tid;
	__u32 state; /* task_struct.__state of who left */
	__u32 is_preempted;
	char comm[16]; /* of tid */
};

#endif
