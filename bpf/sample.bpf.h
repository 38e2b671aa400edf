/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sample - what an event source found, on its way into the slice: whose, of what, and how much of it. The stack goes beside it, as a struct walk. */
#ifndef EVERPROF_BPF_SAMPLE_BPF_H
#define EVERPROF_BPF_SAMPLE_BPF_H

#include "bpf/abi.h"

struct task_struct;

struct task_sample {
	struct task_struct *task; /* need not be the one that runs */
	struct task_key key;      /* of its process */
	struct sample_tag tag;
	__u32 tid;
	__u32 waker;    /* of a wait: where the stack of who ended it is (bpf/waker.bpf.h); 0: nowhere … */
	__u64 waker_ns; /* … and since when that place is its own */
	__u64 count, value;
	__u64 cpu_count, cpu_value; /* of a wait: its part that waited for a CPU, a row of its own */
};

#endif
