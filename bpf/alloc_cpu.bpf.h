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

		if (alloc_cpu_table.slots[place].key.tgid == tgid)
			return place;
	}
	return ALLOC_FOLLOWED;
}

/* A place of one's own, or a free one, or one that nobody needs; ALLOC_FOLLOWED: there is none. */
static __always_inline __u32 alloc_cpu__claim(const struct task_key *key)
{
	__u32 own = alloc_cpu__find(key->tgid), free = ALLOC_FOLLOWED, gone = ALLOC_FOLLOWED;

	for (__u32 i = 0; own >= ALLOC_FOLLOWED && i < ALLOC_FOLLOWED_TRIES; i++) {
		__u32 place = alloc_cpu__place(key->tgid, i);

		if (!alloc_cpu_table.slots[place].key.tgid)
			free = place;
		else if (alloc_cpu_table.slots[place].is_gone)
			gone = place;
	}
	return own < ALLOC_FOLLOWED ? own : free < ALLOC_FOLLOWED ? free : gone;
}

#endif
