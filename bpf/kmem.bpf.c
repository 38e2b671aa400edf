// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kmem - which way led to memory that the kernel took for itself?
 *
 * Problem: a busy kernel allocates a million times a second, and a stack costs as much as twenty allocations.
 * Idea: points lie on the line of all bytes that are allocated on a CPU (bpf/poisson.h); an allocation is taken if a point falls into it, and stands for its size by
 *   the chance that it had. All others cost one subtraction.
 *   What slab caches take in pages is not counted as pages as well: the namer leaves out pages that were taken in the allocator of slabs.
 * Invariants: a program does not interrupt itself on a CPU (the kernel leaves out the inner run), but one the other: so each has a walk of its own, and the
 *   countdown is atomic.
 * Cost: some 50 ns an allocation, 15 us one that is taken. In place only while somebody wants the event.
 * What it does not do: frees; vmalloc other than by its pages; per-CPU memory.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/own_stack.bpf.h"
#include "bpf/poisson.h"
#include "bpf/count.bpf.h"
#include "bpf/defer.bpf.h"

/*
 * Pages that may be moved: for user memory and the page cache; the same bit in all kernels since 5.10, include/linux/gfp_types.h. __GFP_HARDWALL would be theirs, too,
 * but all pages get it as soon as there is a group of cpusets.
 */
#define GFP_MOVABLE 0x08u

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KMEM_KIND_MAX);
	__type(key, __u32);
	__type(value, struct walk);
} kmem_walks SEC(".maps");

/* Where the allocation is, the second argument; 0: it failed. Linux 6.1 lets no program look at a pointer to const void itself. */
static __always_inline __u64 kmem__got(__u64 *ctx)
{
	__u64 at = 0;

	bpf_probe_read_kernel(&at, sizeof(at), ctx + 1);
	return at;
}

/* Counts are whole: what is left over is one more by chance. */
static __always_inline __u64 kmem__objects(__u64 weight, __u64 bytes)
{
	__u64 n = weight / bytes, rest = weight - n * bytes;

	return n + ((bpf_get_prandom_u32() & 0xffff) < (rest << 16) / bytes);
}

static __always_inline void kmem__take(void *ctx, __u32 kind, __u64 bytes, __u64 weight)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct task_sample s = {
		.task = task,
		.tag = {.event = EVENT_KMEM, .state = kind, .syscall = SYSCALL_NONE},
		.tid = task->pid,
		.count = kmem__objects(weight, bytes),
		.value = weight,
	};
	struct walk *w = bpf_map_lookup_elem(&kmem_walks, &kind);

	if (!w)
		return;
	task__key(task, &s.key);
	if (!current__wanted(w, &s.key))
		return;
	walk__clear(w);
	own_stack__kernel(ctx, w, EVENT_KMEM);
	w->end = own_stack__is_interrupt(ctx, task) ? END_INTERRUPT : user_walk__entered(w, task);
	if (defer__wanted(w->end) && !defer__send(w, &s))
		return;
	if (w->derived)
		lose(EVENT_KMEM, LOSS_DERIVED_RULES, 1);
	walk__end(w);
	count__add(w, &s);
}

/* What the allocation stands for; 0: it is not taken. */
static __always_inline __u64 kmem__weight(struct kmem_clock *clock, __u64 bytes)
{
	__u64 interval = clock->interval_bytes, weight;

	if (interval && __sync_fetch_and_add(&clock->left_bytes, -bytes) >= (__s64)bytes)
		return 0;
	weight = interval ? poisson__weight(bytes, interval) : 0;
	clock->interval_bytes = kmem_gate.interval_bytes;
	clock->left_bytes = poisson__distance((__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32(),
					      clock->interval_bytes);
	return weight;
}

static __always_inline int kmem__allocated(void *ctx, __u32 kind, __u64 bytes)
{
	__u64 began, weight;
	__u32 zero = 0;
	struct kmem_clock *clock = bpf_map_lookup_elem(&kmem_clocks, &zero);

	if (!clock || !bytes)
		return 0;
	weight = kmem__weight(clock, bytes);
	if (!weight)
		return 0;
	began = bpf_ktime_get_ns();
	clock->n_taken++;
	kmem__take(ctx, kind, bytes, weight);
	clock->cost_ns += bpf_ktime_get_ns() - began;
	return 0;
}

SEC("?tp_btf/kmalloc")
int BPF_PROG(kmem_kmalloc, unsigned long call_site, const void *unused, unsigned long wanted,
	     unsigned long bytes)
{
	return kmem__got(ctx) ? kmem__allocated(ctx, KMEM_KMALLOC, bytes) : 0;
}

SEC("?tp_btf/kmem_cache_alloc")
int BPF_PROG(kmem_cache, unsigned long call_site, const void *unused, struct kmem_cache *cache)
{
	return kmem__got(ctx) ? kmem__allocated(ctx, KMEM_CACHE, cache->size) : 0;
}

SEC("?tp_btf/mm_page_alloc")
int BPF_PROG(kmem_pages, struct page *page, unsigned int order, unsigned int flags)
{
	return page && !(flags & GFP_MOVABLE) ? kmem__allocated(ctx, KMEM_PAGES, 4096ull << (order & 31)) : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
