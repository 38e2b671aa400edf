/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * maps - every map: who writes it, who reads it, how it is sized.
 *
 * Weak, because each event source is a translation unit of its own and they are linked into one object. Sizes that say 1 are set by
 * the loader from the number of CPUs, the frequency and the length of a slice.
 */
#ifndef EVERPROF_BPF_MAPS_BPF_H
#define EVERPROF_BPF_MAPS_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/abi.h"
#include "bpf/alloc.h"
#include "bpf/alloc_cpu.h"
#include "bpf/kmem.h"

/* Switches. The loader writes `settings` before the load, `gate` while running. */
const volatile struct settings settings __weak SEC(".rodata.settings") = {};
struct gate gate __weak SEC(".data.gate") = {};
struct fault_gate fault_gate __weak SEC(".data.faults") = {};
struct kmem_gate kmem_gate __weak SEC(".data.kmem") = {};
/* Written by samples, read and reset by the drain between two uses of a half. */
struct count_half halves[COUNT_HALVES] __weak SEC(".data.halves") = {};
/* Something was counted in `losses` since the drain took this back. */
__u32 has_lost __weak SEC(".data.halves") = 0;

/* The clock of each CPU. Written by ticks; the collector adds up how many there were. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_ticks);
} cpu_ticks __weak SEC(".maps");

/*
 * Losses by event and reason, per CPU so that counting one costs nothing; the collector adds them up. Past the last event: what every event
 * suffers from.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSS_KEYS);
	__type(key, __u32);
	__type(value, __u64);
} losses __weak SEC(".maps");

/* Processes that the collector knows. Written by the collector; copied at fork and removed at exec and exit by process.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct process_entry);
} processes __weak SEC(".maps");

/* Mapping sets, one after the other. Written by the collector through its memory mapping, a set before the entries that name it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAPPINGS_MAX);
	__type(key, __u32);
	__type(value, struct mapping_entry);
} mappings __weak SEC(".maps");

/* Where the rows of a page of an object are. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ROW_PAGES_MAX);
	__type(key, __u64);
	__type(value, struct row_page);
} row_pages __weak SEC(".maps");

struct row_segment {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32)); /* sizes: of types, clang leaves out here what the struct is */
	__uint(value_size, sizeof(struct row_cells));
};

/* Unwind rows by page, in segments of one size, so that lookups stay inlined and memory comes and goes by segment. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROW_SEGMENTS_MAX);
	__type(key, __u32);
	__array(values, struct row_segment);
} row_segments __weak SEC(".maps");

/* Written and read by walks only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROW_MEMO_SLOTS);
	__type(key, __u32);
	__type(value, struct row_memo);
} row_memo __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROW_PAGE_MEMO_SLOTS);
	__type(key, __u32);
	__type(value, struct row_page_memo);
} row_page_memo __weak SEC(".maps");

/* Hints, written and read by ticks only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROW_TRAILS);
	__type(key, __u32);
	__type(value, struct row_trail);
} row_trails __weak SEC(".maps");

/* The slice's counts and the words of their stacks, two halves each. Written by samples, read by the drain. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct count_slot);
} count_slots __weak SEC(".maps");

struct frame_chunk {
	__u64 words[FRAME_CHUNK_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame_chunk);
} count_frames __weak SEC(".maps");

/* Threads that do not run. Written by switches, and by the collector through its memory mapping: it accounts the time of those that stay. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wait_slot);
} waits __weak SEC(".maps");

/* Written by switches on their CPU; the collector reads what was taken. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wait_clock);
} wait_clocks __weak SEC(".maps");

/* The kernel's allocations of each CPU, while they are looked at. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kmem_clock);
} kmem_clocks __weak SEC(".maps");

/* Page faults of each CPU. Written by those that are sampled; the collector reads what they cost. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fault_clock);
} fault_clocks __weak SEC(".maps");

/* As wait_clocks, of waits for locks of the kernel. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wait_clock);
} lock_clocks __weak SEC(".maps");

/* Who woke a thread last, beside its place in `waits`. Written by wake-ups, read by switches. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wait_waker);
} wakers __weak SEC(".maps");

/* Those of waits that are taken. Written by wake-ups, read and given back by switches. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WAKER_STACKS);
	__type(key, __u32);
	__type(value, struct waker_stack);
} waker_stacks __weak SEC(".maps");

/* Written by wake-ups as long as locks are recorded; read and emptied by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct futex_count);
} futex_counts __weak SEC(".maps");

/* Waits for a CPU by control group. Written by one switch in so many (gate.run_queue_every); read and emptied of dead groups by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RUN_QUEUE_GROUPS);
	__type(key, __u64);
	__type(value, struct run_queue);
} run_queues __weak SEC(".maps");

/* The window on allocations. The collector writes it. */
struct alloc_gate alloc_gate __weak SEC(".data.alloc_gate") = {};

/* Whose CPU time is read when it begins and ends. Written by the collector and bpf/alloc_cpu.bpf.c. */
struct alloc_cpu_table alloc_cpu_table __weak SEC(".data.alloc_cpu") = {};

/* Threads in it. Written by probes; the collector reads what the window cost and what it missed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ALLOC_THREADS);
	__type(key, __u32);
	__type(value, struct alloc_thread);
} alloc_threads __weak SEC(".maps");

/* Written by probes on their CPU; the collector adds up samples. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct alloc_clock);
} alloc_clocks __weak SEC(".maps");

/* Which processes to count, by tgid. Written by the collector; inherited at fork, removed by process.bpf.c when it was waited for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct target);
} targets __weak SEC(".maps");

/* What the kernel accounted of threads that ended: read with each slice, or when half of it is full. */
#define THREAD_ENDS_BYTES (128 * 1024)
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, THREAD_ENDS_BYTES);
} thread_ends __weak SEC(".maps");

#define UNFINISHED_BYTES (2 * 1024 * 1024)

/* Process events (no wake-up: the collector looks before it needs them) and unfinished stacks (wake it at once). */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} process_events __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, UNFINISHED_BYTES);
} unfinished __weak SEC(".maps");

/* event: one of enum event, or EVENT_N for all of them. */
static __always_inline void lose(__u32 event, enum loss reason, __u64 n)
{
	__u32 key = event * LOSS_MAX + reason;
	__u64 *counter = bpf_map_lookup_elem(&losses, &key);

	if (counter)
		*counter += n;
	*(volatile __u32 *)&has_lost = 1; /* after the counter */
}

#endif
