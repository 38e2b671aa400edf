/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * usage - what the pass over all threads tells of what each uses: sums since its start, and once a process what is the process's.
 *
 * A thread that ends adds its sums to its process's, so a process's are those of its threads that are there plus those of `ended`. The two are read at
 * different moments: `sequence` counts how many threads ended meanwhile, and records of one process that do not agree in it are not of one moment.
 */
#ifndef EVERPROF_BPF_USAGE_H
#define EVERPROF_BPF_USAGE_H

#include <linux/types.h>

#define USAGE_COMM_LEN 16

enum usage_flags {
	USAGE_KERNEL_THREAD = 0x01,
	USAGE_ON_DISK = 0x02,  /* in uninterruptible sleep */
	USAGE_PROCESS = 0x04,  /* the part of the process follows */
	USAGE_MEMORY = 0x08,   /* rss_pages is known */
	USAGE_FDS = 0x10,      /* n_fds is known */
	USAGE_ESTIMATED = 0x20 /* rss_pages is off by what each CPU holds back: some hundred KiB a CPU */
};

/* enum of the kernel, include/linux/mm_types_task.h */
enum usage_memory { USAGE_FILE, USAGE_ANON, USAGE_SWAP, USAGE_SHMEM, USAGE_MEMORY_N };

struct usage_sums {
	__u64 run_ns;
	__u64 voluntary, involuntary; /* switches */
	__u64 minor, major;           /* page faults */
	__u64 read_bytes, written_bytes;
};

struct usage_record {
	__u64 start_ns; /* of the process, CLOCK_BOOTTIME */
	__u32 tgid, tid;
	__u32 exec_id;
	__u32 flags;
	__u32 sequence;
	__u32 n_threads; /* of the process, now */
	__u64 run_delay_ns;
	__u32 false_queue_ms; /* it sleeps, and for so long the kernel has counted that as a wait for a CPU */
	__u32 reserved;
	struct usage_sums sums; /* the thread's */
	/* -- the process's, where USAGE_PROCESS */
	struct usage_sums ended;
	__s64 rss_pages[USAGE_MEMORY_N];
	__u64 cgroup;
	__u64 fds_limit;
	__u32 n_fds;
	__u32 ppid;
	char comm[USAGE_COMM_LEN];
};

#define USAGE_THREAD_BYTES __builtin_offsetof(struct usage_record, ended)

/* Written by the collector. */
struct usage_gate {
	__u32 with_fds;
	__u32 reserved;
};

/* Most descriptors that are counted one by one; a process with a larger table is not told of. */
#define USAGE_FDS_MAX (1u << 20)

_Static_assert(sizeof(struct usage_sums) == 56, "no padding");
_Static_assert(sizeof(struct usage_record) == 232, "no padding");

#endif
