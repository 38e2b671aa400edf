/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* queue - how long a thread waits for a CPU, as the kernel accounts it, and the clocks of CPUs by which it does. */
#ifndef EVERPROF_BPF_QUEUE_BPF_H
#define EVERPROF_BPF_QUEUE_BPF_H

#include "bpf/maps.bpf.h"

/*
 * The run queue of the CPU that a thread runs on, or ran on last; NULL: not to be had. Its clocks are as of when its scheduler last looked: in a switch that is when
 * the switch began. Three loads; to read the time anew costs as much as all else that a hook on switches does.
 */
static __always_inline struct rq *task__rq(struct task_struct *task)
{
	return bpf_core_field_exists(task->se.cfs_rq) ? task->se.cfs_rq->rq : NULL;
}

/*
 * What hypervisors and, where the kernel accounts them apart, interrupts took of that CPU since it is on, as of the same moment. Nobody is charged for it: it is in
 * no thread's run time, nor in any wait.
 */
static __always_inline __u64 rq__away(const struct rq *rq)
{
	return rq ? rq->clock - rq->clock_task : 0;
}

/* Since when it waits for a CPU, as a length until now, at most `most`; 0: it does not, or the kernel keeps no account. */
static __always_inline __u64 task__queued(struct task_struct *task, __u64 most)
{
	struct cfs_rq *cfs;
	__u64 queued, now;

	if (!bpf_core_field_exists(task->sched_info.last_queued) || !bpf_core_field_exists(task->se.cfs_rq))
		return 0;
	queued = task->sched_info.last_queued;
	cfs = task->se.cfs_rq;
	if (!queued || !cfs || !cfs->rq)
		return 0;
	now = cfs->rq->clock;
	if (now <= queued)
		return 0;
	return now - queued < most ? now - queued : most;
}

/* It runs neither nor waits for a CPU. From Linux 6.12 on it may be in a CPU's queue for a while yet. */
static __always_inline int task__sleeps(const struct task_struct *task)
{
	return !task->on_rq || (bpf_core_field_exists(task->se.sched_delayed) && task->se.sched_delayed);
}

#endif
