/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel - the few fields of the kernel's own structs that we read.
 *
 * Written out by hand instead of a generated vmlinux.h of three megabytes: this is the whole list of what we depend on. CO-RE finds the
 * offsets on the running kernel; a field that moved is found, a field that is gone fails the load by name.
 */
#ifndef EVERPROF_BPF_KERNEL_BPF_H
#define EVERPROF_BPF_KERNEL_BPF_H

#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

struct mutex {
	atomic_long_t owner; /* the task, and flags */
};

struct rw_semaphore {
	atomic_long_t count; /* not where it is built of a mutex (PREEMPT_RT) */
	atomic_long_t owner;
};

typedef struct {
	long long counter;
} atomic64_t;

/* Counters of all CPUs, with what each CPU holds back. */
struct percpu_counter {
	__s64 count;
	__s32 *counters; /* per CPU: an offset, not an address */
};

struct task_struct;

/* Since 6.2; before, struct mm_struct___counts. */
struct mm_struct {
	__u64 *pgd;
	struct rw_semaphore mmap_lock; /* since 5.8 */
	struct task_struct *owner;     /* CONFIG_MEMCG */
	struct file *exe_file;
	unsigned long start_stack; /* of the main thread, below its arguments */
	struct percpu_counter rss_stat[4];
};

struct mm_rss_stat {
	atomic64_t count[4];
};

struct mm_struct___counts {
	struct mm_rss_stat rss_stat;
};

struct fdtable {
	unsigned int max_fds;
	unsigned long *open_fds;
};

struct files_struct {
	struct fdtable *fdt;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
};

struct rb_node {
	struct rb_node *rb_right, *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct rb_root_cached {
	struct rb_root rb_root;
};

struct address_space {
	struct rb_root_cached i_mmap; /* of vm_area_struct.shared */
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
	struct address_space *f_mapping;
};

struct kmem_cache {
	unsigned int size; /* that an object takes */
};

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_flags, vm_pgoff;
	struct mm_struct *vm_mm;
	struct file *vm_file;
	struct {
		struct rb_node rb;
		unsigned long rb_subtree_last; /* the last page of the file that this node's branch has */
	} shared;
};

struct rq {
	struct task_struct *curr, *idle;
	__u64 clock; /* all time */
	int cpu;
	__u64 clock_task; /* less what hypervisors and (CONFIG_IRQ_TIME_ACCOUNTING) interrupts took: what tasks are charged by */
	unsigned long long
		rq_cpu_time; /* CONFIG_SCHEDSTATS: how long tasks ran, by rq.clock; of the one that runs, until it came */
};

struct cfs_rq {
	struct rq *rq;
	int throttle_count;                                    /* CONFIG_CFS_BANDWIDTH */
	__u64 throttled_clock_self, throttled_clock_self_time; /* since 6.6; by rq.clock */
};

struct sched_entity {
	__u64 exec_start; /* by rq.clock_task: until then it is charged */
	__u64 sum_exec_runtime;
	struct cfs_rq *cfs_rq; /* CONFIG_FAIR_GROUP_SCHED */
	unsigned char
		sched_delayed; /* from Linux 6.12 on: it waits for something, and is in the queue of a CPU for a while yet */
};

struct sched_info { /* CONFIG_SCHED_INFO */
	unsigned long long run_delay;
	unsigned long long
		last_arrival; /* by rq.clock: when it came to a CPU; in a switch to it, the time before this one */
	unsigned long long last_queued; /* by rq.clock; 0: not waiting for a CPU */
};

struct rlimit {
	unsigned long rlim_cur;
};

struct task_io_accounting { /* CONFIG_TASK_IO_ACCOUNTING */
	__u64 read_bytes, write_bytes;
};

typedef struct {
	unsigned int sequence;
} seqcount_t;

typedef struct {
	seqcount_t seqcount;
} seqcount_spinlock_t;

typedef struct {
	seqcount_spinlock_t seqcount;
} seqlock_t;

struct signal_struct {
	atomic_t live; /* threads that have not exited */
	int nr_threads;
	/* of threads that have: */
	seqlock_t stats_lock;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt;
	struct task_io_accounting ioac;
	unsigned long long sum_sched_runtime;
	struct rlimit rlim[8];
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct thread_struct {
	unsigned long fsbase; /* the thread pointer, x86-64 */
};

struct task_struct {
	struct thread_struct thread;
	void *stack; /* its lowest address */
	unsigned int flags;
	unsigned int in_execve : 1;
	unsigned int
		frozen : 1; /* CONFIG_CGROUPS: stopped, by the freezer of the unified hierarchy among others */
	int pid;
	int tgid;
	struct mm_struct *mm;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	__u64 start_boottime;
	__u64 self_exec_id;
	struct css_set *cgroups;
	char comm[16];
	unsigned long sas_ss_sp, sas_ss_size; /* sigaltstack(2) */
	unsigned int __state;
	int exit_code;
	int on_cpu, on_rq;
	unsigned long nvcsw, nivcsw;
	unsigned long min_flt, maj_flt;
	struct task_io_accounting ioac;
	struct files_struct *files;
	__u64 start_time;
	struct sched_entity se;
	struct sched_info sched_info;
};

struct vm_unmapped_area_info {
	unsigned long length;
};

struct page;
struct seq_file;

struct bpf_map { /* complete, because a kfunc's callback takes one */
	__u32 id;
};

struct bpf_array {      /* a map of one */
	void *pptrs[1]; /* per CPU */
};

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id, seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* The kernel knows it by this name in the values of maps. */
struct bpf_task_work {
	__u64 opaque;
} __attribute__((aligned(8)));

#define BPF_F_CURRENT_CPU 0xffffffffULL /* include/uapi/linux/bpf.h */

/* include/linux/sched.h */
#define PF_EXITING     0x00000004
#define PF_IO_WORKER   0x00000010
#define PF_USER_WORKER 0x00004000 /* since 6.4, and then io_uring's are such, too */
#define PF_KTHREAD     0x00200000
/* Threads that never are in user space, a program's own workers among them: what lies where others have their registers is of whoever made them. */
#define PF_KERNEL_ONLY (PF_KTHREAD | PF_USER_WORKER | PF_IO_WORKER)

/* Bits of task_struct.__state, include/linux/sched.h. */
#define TASK_RUNNING         0x0000
#define TASK_INTERRUPTIBLE   0x0001
#define TASK_UNINTERRUPTIBLE 0x0002
#define TASK_STOPPED         0x0004
#define TASK_TRACED          0x0008
#define TASK_EXITED          0x00b0 /* EXIT_DEAD, EXIT_ZOMBIE, TASK_DEAD */
#define TASK_NOLOAD          0x0400 /* with UNINTERRUPTIBLE: a kernel thread with nothing to do */
#define TASK_FROZEN          0x8000

#endif
