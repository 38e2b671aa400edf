/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alloc_cpu - where the CPU time of a process is added up at both ends of a window on allocations. */
#ifndef EVERPROF_BPF_ALLOC_CPU_BPF_H
#define EVERPROF_BPF_ALLOC_CPU_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/alloc_cpu.h"

/* ALLOC_FOLLOWED: nowhere, it is not followed. */
static __always_inline __u32 alloc_cpu__find(__u32 tgid)
{
	for (__u32 i = 0; i < ALLOC_FOLLOWED_TRIES; i++) {
		__u32 place = alloc_cpu__place(tgid, i);

		if (alloc_cpu_table.slots[place].tgid == tgid)
			return place;
	}
	return ALLOC_FOLLOWED;
}

#endif
