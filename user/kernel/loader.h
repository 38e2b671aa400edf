/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader - puts the programs into the kernel and hands out their maps. The only user of the skeleton.
 *
 * Owns: the skeleton, the memory mappings of maps, the links of process tracepoints. Thread: opened and closed by the collector's; the maps
 * themselves may be used by any. Limit: the sizes below. Errors: -errno with one clear line (no BTF, no permission, verifier, memory).
 */
#ifndef EVERPROF_KERNEL_LOADER_H
#define EVERPROF_KERNEL_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "bpf/alloc.h"
#include "bpf/kmem.h"
#include "bpf/usage.h"

struct err;
struct loader;

/*
 * Programs that are put in place when they are needed, and taken away again: name, event, and what the kernel must have for it: a kernel function, or a
 * tracepoint. Where that is not there, the program is not loaded. Event N: of no event, for a run in which more may be asked for.
 */
#define LOADER_HOOKS(X)                                                    \
	X(off_cpu, OFFCPU, FUNCTION, "bpf_task_work_schedule_resume_impl") \
	X(call_cost, OFFCPU, TRACEPOINT, "sched_process_wait")             \
	X(memory, MEMORY, FUNCTION, "handle_mm_fault")                     \
	X(page_layout, MEMORY, FUNCTION, "handle_mm_fault")                \
	X(waking, OFFCPU, TRACEPOINT, "sched_waking")                      \
	X(lock_begin, LOCK, TRACEPOINT, "contention_begin")                \
	X(lock_end, LOCK, TRACEPOINT, "contention_begin")                  \
	X(kmem_kmalloc, KMEM, TRACEPOINT, "kmalloc")                       \
	X(kmem_cache, KMEM, TRACEPOINT, "kmem_cache_alloc")                \
	X(kmem_pages, KMEM, TRACEPOINT, "mm_page_alloc")                   \
	X(thread_create, THREADCREATE, TRACEPOINT, "sched_process_fork")   \
	X(alloc, ALLOC, FUNCTION, "bpf_uprobe_multi_link_attach")          \
	X(code_reader, ALLOC, FUNCTION, "bpf_uprobe_multi_link_attach")    \
	X(alloc_cpu, ALLOC, FUNCTION, "bpf_uprobe_multi_link_attach")      \
	X(trace_switch, N, TRACEPOINT, "sched_switch") X(trace_waking, N, TRACEPOINT, "sched_waking")

/* clang-format off */
enum hook {
#define HOOK_ID(name, event, kind, needs) HOOK_##name,
	LOADER_HOOKS(HOOK_ID)
#undef HOOK_ID
	HOOK_N,
};
/* clang-format on */

struct loader_opts {
	uint64_t period_ns; /* of the clock */
	uint64_t slice_ns;  /* how often a half is drained */
	uint32_t n_cpus;    /* that are sampled */
	uint32_t events;    /* bits 1 << enum event: may be recorded; of others nothing is loaded */
	size_t count_bytes; /* most for the words of stacks of a slice, both halves; 0: 64 MiB */
	bool kernel_stacks;
	const char *btf_path; /* of another kernel, to go by; NULL: this one's */
};

/* What the other files of this folder work with; valid until loader__close. */
struct kernel_maps {
	int processes_fd, targets_fd, losses_fd, cpu_ticks_fd, row_pages_fd, row_segments_fd, alloc_clocks_fd;
	int trace_rings_fd, fault_clocks_fd, fault_alarms_fd, kmem_clocks_fd;
	int process_events_fd, unfinished_fd, thread_ends_fd, wait_clocks_fd, lock_clocks_fd, run_queues_fd;
	struct mapping_entry *mappings;     /* [MAPPINGS_MAX] */
	struct count_slot *count_slots;     /* [COUNT_HALVES * n_count_slots] */
	uint64_t *count_words;              /* [COUNT_HALVES * n_frame_chunks * FRAME_CHUNK_WORDS] */
	struct wait_slot *waits;            /* [n_wait_slots] */
	struct futex_count *futex_counts;   /* [n_futex_counts] */
	struct alloc_thread *alloc_threads; /* [ALLOC_THREADS]; NULL where the event is not loaded */
	struct alloc_gate *alloc_gate;
	struct alloc_cpu_table *alloc_cpu;
	uint32_t n_count_slots, n_frame_chunks, n_wait_slots, n_futex_counts;
	struct gate *gate;
	struct fault_gate *faults;
	struct kmem_gate *kmem;
	struct count_half *halves; /* [COUNT_HALVES] */
	uint32_t *has_lost;
	struct usage_gate *usage_gate;
};

/* After each change to an entry of `processes` or `targets`: what programs remember of a process does not hold any more. */
static inline void kernel_maps__changed(const struct kernel_maps *m)
{
	__atomic_fetch_add(&m->gate->n_changes, 1, __ATOMIC_SEQ_CST);
}

struct program_stats {
	const char *name;
	uint64_t run_ns, run_count; /* while the kernel measures them: loader__enable_stats */
	uint32_t verified_insns;
	bool is_own; /* runs in our own system calls: its time is in that of our threads */
};

int loader__open(const struct loader_opts *opts, struct loader **ret_loader, struct err *err);
void loader__close(struct loader *l);
const struct kernel_maps *loader__maps(const struct loader *l);
int loader__on_cpu_fd(const struct loader *l); /* of the program that perf events run */
/* The links of the task iterators, for task_list. */
int loader__list_processes_link(const struct loader *l);
int loader__list_threads_link(const struct loader *l);
int loader__list_usage_link(const struct loader *l);
/* Does this kernel have a place for it? Can a program be run by a thread on its way back to user space? */
bool loader__has_hook(const struct loader *l, enum hook hook);
bool loader__has_task_work(const struct loader *l);
/* Puts a program in place where its section says, or takes it away. -EOPNOTSUPP: there is no place. */
int loader__hook(struct loader *l, enum hook hook, bool on);
int loader__hook_fd(const struct loader *l, enum hook hook); /* for who opens the event; -EOPNOTSUPP */
/* Kernel memory of all maps and programs, in bytes, as the kernel accounts it (fdinfo memlock). */
uint64_t loader__map_bytes(struct loader *l);
/* Run time of each program; fills at most max and returns how many there are. */
uint32_t loader__program_stats(const struct loader *l, struct program_stats *out, uint32_t max);
/* Lets the kernel measure the runs of BPF programs, at some 50 ns each, until it is turned off or this process ends. */
int loader__enable_stats(struct loader *l);
void loader__disable_stats(struct loader *l);

#endif
