/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alloc_cpu - the table of processes whose CPU time is read at both ends of a window on allocations: what the kernel's pass and the collector tell each other. */
#ifndef EVERPROF_BPF_ALLOC_CPU_H
#define EVERPROF_BPF_ALLOC_CPU_H

#include <linux/types.h>

#include "bpf/abi.h"

/* Processes whose CPU time is read at both ends of a window: a table by tgid, a power of two, and how far from its place one may be. */
#define ALLOC_FOLLOWED       2048
#define ALLOC_FOLLOWED_TRIES 8

/* bpf/alloc_cpu.bpf.c takes it for a process and adds up; the collector writes is_gone, and 0 to the rest before a window. */
struct alloc_cpu_slot {
	struct task_key key; /* tgid 0: none */
	__u32 is_gone;       /* somebody else may take it */
	__u32 is_alive;
	__u64 at_ns[2], cpu_ns[2];
	__u64 sleeps[2]; /* times that its threads went to sleep, and times that they woke up */
};

/* What a pass over all threads is for. */
enum alloc_cpu_pass { ALLOC_CPU_BEGIN, ALLOC_CPU_END, ALLOC_CPU_CLAIM };

struct alloc_cpu_table {
	__u32 pass;
	__u32 reserved;
	__s64 ahead_ns; /* of CLOCK_MONOTONIC: the scheduler's clock */
	struct alloc_cpu_slot slots[ALLOC_FOLLOWED];
};

static inline __u32 alloc_cpu__place(__u32 tgid, __u32 i)
{
	return ((tgid * 0x9e3779b1u >> 16) + i) & (ALLOC_FOLLOWED - 1);
}

_Static_assert(sizeof(struct alloc_cpu_slot) == 72, "no hidden padding");
_Static_assert((ALLOC_FOLLOWED & (ALLOC_FOLLOWED - 1)) == 0, "a power of two");

#endif
