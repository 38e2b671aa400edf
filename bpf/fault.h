/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fault - what the collector and the program of page faults (bpf/memory.bpf.c) tell each other, beside samples. */
#ifndef EVERPROF_BPF_FAULT_H
#define EVERPROF_BPF_FAULT_H

#include <linux/types.h>

#include "bpf/page_layout.h"

/* Of page faults, changed while running. */
struct fault_gate {
	struct page_layout layout;
	__u32 on;
	__u32 round; /* of changes of the period: the next fault on each CPU fires at once, and is no stride */
	__u32 first;      /* half of the first stride, which what is left of the last one makes up for */
	__u32 slice_bits; /* after 1 << so many of a slice on a CPU only every second is taken, … */
};

/* Page faults on a CPU. */
struct fault_clock {
	__u64 seen;     /* faults that the event had counted when it fired last */
	__u64 n_faults; /* all */
	__u64 n_fired, n_taken;
	__u64 n_nothing; /* of those that were taken: made nothing resident */
	__u64 n_left_out; /* of those that were taken: others with a stack for user space to finish stand for them */
	__u64 n_unfollowed; /* of those that were taken: settled at once, since too many others were not handled yet */
	__u64 cost_ns; /* of those that fired */
	__u32 round;   /* of the gate, as of the last */
	__u32 half;    /* that is counted in */
	__u32 n_slice; /* taken in that half */
	__u32 n_defer; /* of these, stacks for user space to finish */
	__u32 pending; /* where the last that was taken is kept */
	__u32 reserved;
};

_Static_assert(sizeof(struct fault_gate) == 40, "struct fault_gate");
_Static_assert(sizeof(struct fault_clock) == 88, "struct fault_clock");

#endif
