/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alloc_cpu - the table of processes whose CPU time is read at both ends of a window on allocations: what the kernel's pass and the collector tell each other. */
#ifndef EVERPROF_BPF_ALLOC_CPU_H
#define EVERPROF_BPF_ALLOC_CPU_H

#include <linux/types.h>

/* Processes whose CPU time is read at both ends of a window: a table by tgid, a power of two, and how far from its place one may be. */
#define ALLOC_FOLLOWED       512
#define ALLOC_FOLLOWED_TRIES 8

/* The collector writes tgid, and 0 to the rest before a window; bpf/alloc_cpu.bpf.c adds up. */
struct alloc_cpu_slot {
	__u32 tgid; /* 0: none */
	__u32 reserved;
	__u64 at_ns[2], cpu_ns[2];
	__u64 sleeps[2]; /* times that its threads went to sleep, and times that they woke up */
};

struct alloc_cpu_table {
	__u32 end; /* which of a window's: 0, 1 */
	__u32 reserved;
	__s64 ahead_ns; /* of CLOCK_MONOTONIC: the scheduler's clock */
	struct alloc_cpu_slot slots[ALLOC_FOLLOWED];
};

static inline __u32 alloc_cpu__place(__u32 tgid, __u32 i)
{
	return ((tgid * 0x9e3779b1u >> 16) + i) & (ALLOC_FOLLOWED - 1);
}

_Static_assert(sizeof(struct alloc_cpu_slot) == 56, "no hidden padding");

#endif
