/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * abi - the contract between the programs in the kernel and the collector: limits, map keys and values, records.
 *
 * Everything is fixed-width with explicit padding; sizes and limits that depend on each other are asserted. Both sides include this very file.
 */
#ifndef EVERPROF_BPF_ABI_H
#define EVERPROF_BPF_ABI_H

#include <linux/types.h>

#include "bpf/fault.h"
#include "bpf/frame.h"
#include "bpf/lock.h"
#include "bpf/loss.h"
#include "bpf/row.h"
#include "bpf/row_page.h"
#include "bpf/tag.h"
#include "bpf/tick.h"
#include "bpf/wait.h"
#include "bpf/wait_slot.h"

/* ---- a stack ----------------------------------------------------------------------------------------------------- */
#define COMM_LEN 16
#define REGS_N   16 /* registers of a frame, by DWARF number */

/* ---- processes and their mappings -------------------------------------------------------------------------------- */
/* A process incarnation, as the kernel itself tells them apart: pids are reused, an exec makes a new program of an old process. */
struct task_key {
	__u64 start_ns; /* the leader's start, CLOCK_BOOTTIME */
	__u32 tgid;
	__u32 exec_id; /* low half of task_struct.self_exec_id */
};

#define PROCESSES_MAX 16384

/* What the header of a set's run carries once it was given back, until the run is another set's. Ids are counted from 1. */
#define MAPPING_SET_GIVEN_BACK(set_id) (~(__u64)(set_id))

/* Value of map `processes`, by tgid. Holds only while `key` is the running incarnation and the set's header carries `set_id`. */
struct process_entry {
	struct task_key key;
	__u64 set_id;
	__u32 set_first; /* index of the set's header in `mappings`; its elements follow */
	__u32 set_count;
};

/* An executable mapping, sorted by start within its set. Element 0 of each set is a header whose `start` is the set's id. */
struct mapping_entry {
	__u64 start;
	__u64 bias; /* pc - bias = virtual address in the object; of anonymous code its one struct unwind_row, 0: none */
	__u32 pages;  /* length / 4096 */
	__u32 object; /* 0: anonymous code, kept as a raw address */
};

#define MAPPINGS_MAX         65536
#define MAPPING_SEARCH_STEPS 17 /* bisection over MAPPINGS_MAX elements */
#define MAPPING_PAGE_SHIFT   12

/* ---- unwind tables ----------------------------------------------------------------------------------------------- */
#define ROW_SEGMENTS_MAX 256
#define ROW_PAGES_MAX    8192
#define ROW_MEMO_SLOTS   16384

/* Key of map `row_pages`: which 64 KiB page of which object. */
static inline __u64 row_page_key(__u32 object, __u64 vaddr)
{
	return ((__u64)object << (FRAME_OBJECT_SHIFT - ROW_PAGE_BITS)) |
	       ((vaddr & FRAME_VADDR_MASK) >> ROW_PAGE_BITS);
}

struct row_page {
	__u32 segment;
	__u32 first; /* cell of the segment; row_page.h has what lies there */
	__u32 count; /* 0: known to have no rows */
	__u32 reserved;
};

/*
 * What the last walks found, by frame word, direct-mapped. Two CPUs may write one slot at a time, so `check` is word ^ row: a slot torn
 * between two writers matches neither. Object ids are never used twice, and what was read of a page that was overwritten meanwhile does not come here
 * (unwind_table.bpf.h), so a slot can be stale but never wrong.
 */
struct row_memo {
	__u64 check;
	__u64 row;
};

/*
 * Where the last walks found the rows of a page, by row_page_key(), direct-mapped: one cache line in place of a hash table's. `check` is key ^ place, as in
 * row_memo. Places are used again, so each carries gate.n_emptied of its time and holds while that is the same.
 */
struct row_page_memo {
	__u64 check;
	__u64 place; /* n_emptied (22 bits) | segment (8) | first (17) | count (17) */
};

#define ROW_PAGE_MEMO_SLOTS 1024
#define ROW_PLACE_BITS      17 /* cells of a segment */
#define ROW_SEGMENT_BITS    8
#define ROW_EMPTIED_SHIFT   (2 * ROW_PLACE_BITS + ROW_SEGMENT_BITS)

/* The slots of row_memo that the last stack of a process went through (bpf/trail.bpf.h), at the low bits of its tgid: two cache lines. */
#define ROW_TRAILS    64
#define ROW_TRAIL_MAX 61
struct row_trail {
	__u32 tgid;
	__u16 n;
	__u16 slots[ROW_TRAIL_MAX];
};

/* ---- counting ---------------------------------------------------------------------------------------------------- */
#define COUNT_HALVES      2
#define COUNT_PROBES      32
#define FRAME_CHUNK_WORDS 8192 /* a chunk of the frame store, 64 KiB; a stack never straddles two */
#define FRAMES_NONE       0xffffffffu

/* One row of the slice: how much, of which stack, of which thread. Claimed by a compare-and-swap on `hash`; 0 is free. */
struct count_slot {
	__u64 hash;
	__u64 count;
	__u64 value;  /* nanoseconds, bytes: see bpf/event.h */
	__u64 cgroup; /* id in the unified hierarchy */
	struct task_key key;
	struct sample_tag tag;
	__u32 tid;
	__u32 frames;   /* index of the first word in the half's frame store, or FRAMES_NONE */
	__u16 n_kernel; /* words of the kernel, first (leaf) */
	__u16 n_user;   /* words of user space, the cut mark included */
	__u8 end;       /* enum end_reason */
	__u8 reserved[3];
	char comm[COMM_LEN]; /* the thread's */
};

/* What is written by every sample of a half; one cache line each. */
struct count_half {
	__u64 writers;    /* programs that are in it now */
	__u64 words_used; /* of the frame store */
	__u64 slots_used;
	__u64 reserved[5];
};

/* ---- records to user space --------------------------------------------------------------------------------------- */
enum record_type { RECORD_FORK = 1, RECORD_EXEC, RECORD_EXIT, RECORD_UNFINISHED, RECORD_GONE, RECORD_OOM };

struct process_record {
	__u32 type;
	__u32 reserved;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	struct task_key key;
	union {
		struct task_key parent; /* fork */
		__u64 gone[2];          /* nothing was mapped here any more: from, to */
		__u64 signal;           /* exit: that ended it, or 0 */
		__u64 rss_pages;        /* OOM: what it had resident; the kernel chose it to make room */
	};
	__u64 cgroup;
	char comm[COMM_LEN];
};

/* A process that was there already, as the task iterator tells it. */
struct task_record {
	struct task_key key;
	__u32 ppid;
	__u32 is_kernel_thread;
	char comm[COMM_LEN];
};

/* ---- waits ------------------------------------------------------------------------------------------------------- */
/* Flags of a thread: what the kernel is to count of it (`targets`) is told as it is now, because after an exit nobody knows any more. */
#define THREAD_IS_KERNEL      1
#define THREAD_IS_INCLUDED    2
#define THREAD_IS_KERNEL_ONLY 4 /* of the kernel, or a worker of a process that never is in user space */

/* What it is told as. An end is told twice, where switches are looked at: as it begins, and when it is over. */
enum thread_told { THREAD_LIVES, THREAD_EXITS, THREAD_GONE };

/* What the pass over all threads tells of one, and what is told when it exits. Without a stack it ends before pc, else after n_kernel words. */
struct thread_record {
	struct task_key key; /* of its process */
	__u32 tid;
	__u32 switches;       /* low half of how often it left the CPU … */
	__u32 blocked;        /* … and of how often of these to wait for something else than a CPU */
	__u32 false_queue_ms; /* it sleeps, and for so long the kernel has counted that as a wait for a CPU */
	__u64 start_ns;       /* CLOCK_MONOTONIC */
	__u64 now_ns;         /* CLOCK_MONOTONIC: when this was read */
	__u64 run_ns;         /* on a CPU, since its start */
	__u64 run_delay_ns;   /* waited for a CPU, since its start, and up to now */
	__u64 away_ns; /* taken of its CPU while it ran, since the hook on switches knows it (bpf/wait_slot.h); goes round at AWAY_ROUND */
	__u64 cgroup;
	char comm[COMM_LEN];
	__u8 flags; /* THREAD_IS_* */
	__u8 ended; /* enum thread_told */
	__u8 state; /* enum wait_state, as it is now, or THREAD_* */
	__u8 has_stack;
	__s16 syscall;
	__u16 n_kernel;
	__u64 pc, cs;
	__u64 regs[REGS_N];
	__u64 words[KERNEL_FRAMES_MAX + 1]; /* kernel frames as the kernel gives them: return addresses */
};

/* ---- switches ---------------------------------------------------------------------------------------------------- */
/* Fixed at load; the verifier drops what is off. */
struct settings {
	__u32 count_slots;  /* of one half, a power of two */
	__u32 frame_chunks; /* of one half */
	__u32 wait_slots;   /* a power of two */
	__u32 wait_pending; /* entries of that map */
	__u32 fault_pending;
	__u16 fault_spare; /* entries behind those, for the time of one program on a CPU */
	__u8 kernel_stacks;
	__u8 reserved;
};

/* Changed while running. */
struct gate {
	__u32 half; /* the one that is written now */
	__u32 enabled;
	__u32 filter; /* 0: count what `targets` does not exclude; 1: count only what it includes */
	__u32 kernel_stacks;
	__s64 defer_tokens; /* stacks that may still go to user space before the next refill */
	__u64 period_ns;    /* of the clock */
	__u64 resumed_ns;   /* when the clocks were last turned on: ticks stand for what passed since */
	__u32 is_timer;     /* the clock ticks by time, not by cycles (bpf/tick.h) */
	__u32 defer_kept;   /* of defer_tokens, for samples of CPU time alone */
	__u64 n_gone;       /* written by process.bpf.c: RECORD_GONE so far */
	__u64 n_changes; /* written by the collector: to entries of `processes` and `targets`, each before it is relied upon */
	__u64 wait_interval_ns; /* one wait is taken in so much waited time, on average */
	__u64 wait_min_ns;      /* a pass counts waits that have lasted at least this long */
	__u32 wait_round;       /* of passes; a new one for each window: stacks are told anew */
	__s32 wait_tokens;      /* stacks that the pass may still take */
	__u32 wait_left;        /* threads that the pass left for the next one, for want of tokens */
	__u8 waits_on;
	__u8 waits_by_pass;       /* no hook: the pass alone samples */
	__u8 wait_told;           /* the rest of a wait of which a part was counted is always taken */
	__u8 dump;                /* a pass tells the stack of every thread that does not run */
	__u64 lock_interval_ns;   /* as wait_interval_ns, of locks of the kernel */
	__u8 locks_on, wakers_on; /* wakers: WAKERS_*, waits say who ended them */
	__u8 unfollowed;          /* forks, execs and ends are not told, but of processes with an entry */
	__u8 reserved2;
	__u32 run_queue_every; /* one wait for a CPU in so many is looked at */
	/* written by the collector: how often a segment of rows was emptied, before it waits for walks that may be in it */
	__u64 n_emptied;
	__u64 n_life; /* forks, execs and ends of processes, told or not */
	__u64 n_trace_lost; /* written by trace.bpf.c: records for which its rings had no room, or which they did not take */
	__u64 wait_clock_ns; /* written by switches: CLOCK_MONOTONIC less the clock of waits, which is the scheduler's; 0: not known yet, or the same */
	__u64 look_ns;       /* CLOCK_MONOTONIC: as of when a pass tells of threads that wait all along */
	__u32 switch_call_ns; /* what the kernel takes to call the hook on switches */
	__u32 wait_slice;     /* a new one whenever it was judged how many are taken */
	__u32 lock_round;     /* a new one whenever locks begin to be recorded */
	__u32 reserved3;
};

/* Value of map `targets`, by tgid; inherited at fork, kept over exec. */
#define TARGET_INCLUDE 1
#define TARGET_EXCLUDE 2
struct target {
	__u64 start_ns;
	__u32 verdict;
	__u32 reserved;
};

/* Keys of map `losses`: event * LOSS_MAX + reason. */
#define LOSS_KEYS ((EVENT_N + 1) * LOSS_MAX)

#define ABI_ASSERT(x) _Static_assert(x, #x)
ABI_ASSERT(sizeof(struct task_key) == 16);
ABI_ASSERT(sizeof(struct process_entry) == 32);
ABI_ASSERT(sizeof(struct mapping_entry) == 24);
ABI_ASSERT(sizeof(struct row_page) == 16);
ABI_ASSERT(sizeof(struct row_memo) == 16);
ABI_ASSERT(sizeof(struct count_slot) == 88);
ABI_ASSERT(sizeof(struct count_half) == 64);
ABI_ASSERT(sizeof(struct process_record) == 72);
ABI_ASSERT(sizeof(struct task_record) == 40);
ABI_ASSERT(sizeof(struct wait_slot) == 32);
ABI_ASSERT(sizeof(struct thread_record) == 1272);
ABI_ASSERT(sizeof(struct settings) == 24);
ABI_ASSERT(sizeof(struct gate) == 168);
ABI_ASSERT(1u << MAPPING_SEARCH_STEPS > MAPPINGS_MAX);
ABI_ASSERT(STACK_WORDS_MAX < FRAME_CHUNK_WORDS);
ABI_ASSERT((ROW_MEMO_SLOTS & (ROW_MEMO_SLOTS - 1)) == 0);
ABI_ASSERT(sizeof(struct row_page_memo) == 16);
ABI_ASSERT(sizeof(struct row_trail) == 128);
ABI_ASSERT((ROW_TRAILS & (ROW_TRAILS - 1)) == 0 && ROW_MEMO_SLOTS <= 1 << 16);
ABI_ASSERT((ROW_PAGE_MEMO_SLOTS & (ROW_PAGE_MEMO_SLOTS - 1)) == 0);
ABI_ASSERT(ROW_SEGMENT_CELLS <= 1u << ROW_PLACE_BITS && ROW_SEGMENTS_MAX <= 1u << ROW_SEGMENT_BITS);

#endif
