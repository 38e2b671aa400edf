/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kmem - which of the kernel's allocators an allocation went to, as data, and what the collector and bpf/kmem.bpf.c tell each other. */
#ifndef EVERPROF_BPF_KMEM_H
#define EVERPROF_BPF_KMEM_H

#include <linux/types.h>

/*        enum    name       what it is */
#define KMEM_KINDS(X)                                                             \
	X(KMALLOC, "kmalloc", "kmalloc and its family, by the size that it took") \
	X(CACHE, "cache", "an object of a cache of its own (kmem_cache_alloc)")   \
	X(PAGES, "pages", "whole pages, but for those of user memory, of files and of the other two")

enum kmem_kind {
#define X(id, name, text) KMEM_##id,
	KMEM_KINDS(X)
#undef X
		KMEM_KIND_MAX
};

struct kmem_gate {
	__u64 interval_bytes; /* one point in so many allocated bytes, on average (bpf/poisson.h) */
	__u64 reserved;
};

/* Allocations on a CPU. */
struct kmem_clock {
	__s64 left_bytes;     /* to the next point */
	__u64 interval_bytes; /* by which it was drawn; 0: not yet */
	__u64 n_taken;
	__u64 cost_ns; /* of these */
};

#endif
