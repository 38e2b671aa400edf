/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim_task - a task of the kernel as far as our .bpf.h files ask for it, and helpers that know no map. Of shim.h.
 */
#ifndef EVERPROF_TESTS_BPF_SHIM_TASK_H
#define EVERPROF_TESTS_BPF_SHIM_TASK_H

#include <string.h>

#include "bpf/abi.h"

/* Of the scheduler, as in bpf/kernel.bpf.h. */
struct task_struct;

struct rq {
	struct task_struct *curr;
	__u64 clock, clock_task, rq_cpu_time;
	int cpu;
};

struct cfs_rq {
	struct rq *rq;
	int throttle_count;
	__u64 throttled_clock_self, throttled_clock_self_time;
};

struct task_struct {
	int pid, on_cpu, on_rq;
	struct {
		struct cfs_rq *cfs_rq;
		unsigned char sched_delayed;
	} se;
	struct {
		unsigned long long last_arrival, last_queued;
	} sched_info;
	char comm[COMM_LEN];
	__u64 cgroup;
	__u64 own_start, stack_start, other_end; /* of its stacks, whatever SP is */
};

SHIM __u64 task__stack_start(struct task_struct *task, __u64 sp)
{
	return task->stack_start;
}

SHIM __u64 task__own_stack_start(struct task_struct *task)
{
	return task->own_start;
}

SHIM __u64 task__other_stack_end(struct task_struct *task, __u64 sp)
{
	return task->other_end;
}

__u64 shim_now = 1;
SHIM __u64 bpf_ktime_get_ns(void)
{
	return shim_now;
}

/* Through up to two pointers. */
#define SHIM_READ1(at, a)            ((at)->a)
#define SHIM_READ2(at, a, b)         ((at)->a->b)
#define SHIM_READ_OF(_1, _2, n, ...) n
#define BPF_CORE_READ(at, ...)       SHIM_READ_OF(__VA_ARGS__, SHIM_READ2, SHIM_READ1)(at, __VA_ARGS__)

/* What this kernel does not have, as a part of the text by which it is asked for. */
const char *shim_lacks;
#define bpf_core_field_exists(field) (!shim_lacks || !strstr(#field, shim_lacks))

SHIM long bpf_loop(__u32 n, void *step, void *ctx, __u64 flags)
{
	__u32 i;

	for (i = 0; i < n; i++)
		if (((long (*)(__u32 i, void *ctx))step)(i, ctx))
			return i + 1;
	return n;
}

SHIM void task__comm(struct task_struct *task, char ret_comm[COMM_LEN])
{
	memcpy(ret_comm, task->comm, COMM_LEN);
}

SHIM __u64 task__cgroup(struct task_struct *task)
{
	return task->cgroup;
}

#endif
