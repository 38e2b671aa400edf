/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* trace - one thing that the scheduler did, as it stands in the ring of a CPU and in a recorded trace. */
#ifndef EVERPROF_BPF_TRACE_H
#define EVERPROF_BPF_TRACE_H

#include <linux/types.h>

#define TRACE_COMM_LEN 16

enum trace_kind {
	TRACE_SWITCH, /* tid leaves the CPU, next comes */
	TRACE_WAKE,   /* tid wakes next; 0: an interrupt while the CPU was idle */
	TRACE_KINDS,
};

struct trace_record {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 tid, tgid;
	__u32 next_tid, next_tgid;
	__s16 syscall; /* that tid leaves in, or SYSCALL_NONE */
	__u16 cpu;
	__u8 kind;  /* enum trace_kind */
	__u8 state; /* enum wait_state: why tid leaves; WAIT_MAX: it has ended */
	__u16 zero;
	char comm[TRACE_COMM_LEN]; /* of next */
};

_Static_assert(sizeof(struct trace_record) == 48, "as user space reads it");

#endif
