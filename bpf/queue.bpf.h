/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* queue - how long a thread waits for a CPU, as the kernel accounts it, and the clocks of CPUs by which it does. */
#ifndef EVERPROF_BPF_QUEUE_BPF_H
#define EVERPROF_BPF_QUEUE_BPF_H

#include "bpf/maps.bpf.h"

/* Now, on the clock of waits, where no switch is under way. */
static __always_inline __u64 wait__now(__u64 mono_ns)
{
	return mono_ns - gate.wait_clock_ns;
}

/* Where the thread's control group has it queued, or had it last; NULL: not to be had. */
static __always_inline struct cfs_rq *task__cfs(struct task_struct *task)
{
	return bpf_core_field_exists(task->se.cfs_rq) ? task->se.cfs_rq : NULL;
}

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

/* Of that, what came since it was `before`. Another CPU may move its two clocks while they are read, one after the other: less than nothing is nothing. */
static __always_inline __u64 rq__away_since(const struct rq *rq, __u64 before)
{
	__s64 now = (__s64)rq__away(rq);

	return now > 0 && (__u64)now > before ? (__u64)now - before : 0;
}

/*
 * For how long tasks have run on the CPU of the one that runs, as of the same moment; 0: not known. In a switch it is not: the account is closed, and whose the CPU is next stands there
 * already, while the one that leaves is still who runs.
 */
static __always_inline __u64 rq__run(const struct rq *rq, const struct task_struct *task)
{
	if (!bpf_core_field_exists(rq->rq_cpu_time) || rq->curr != task)
		return 0;
	return rq->rq_cpu_time + rq->clock - task->sched_info.last_arrival;
}

/*
 * How long ago it came to the CPU that it left last, and so at least how long it waited; in a switch to it. `now`, which is more than any wait, where that is not known: the kernel
 * tells it by the run queue's clock, and without that the time is of another one.
 */
static __always_inline __u64 task__stretch(struct task_struct *task, __u64 now)
{
	if (!bpf_core_field_exists(task->sched_info.last_arrival) || !bpf_core_field_exists(task->se.cfs_rq))
		return now;
	return now - task->sched_info.last_arrival;
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

/*
 * A thread that sleeps may be in a CPU's queue for a while yet (from Linux 6.12 on), and where it is moved to another one's meanwhile, the kernel begins an account of a wait for a CPU
 * that is none, and ends it when the thread comes to a CPU: all of its sleep is run_delay then. So it is told as long as it goes on. Where the clocks' distance is not known, by the
 * clock of its CPU, which stands still while that idles: then it is less.
 */
static __always_inline __u32 task__false_queue_ms(struct task_struct *task)
{
	__u64 queued, now;

	if (!bpf_core_field_exists(task->sched_info.last_queued) || task->on_cpu || !task__sleeps(task))
		return 0;
	queued = task->sched_info.last_queued;
	if (!queued)
		return 0;
	if (!gate.wait_clock_ns)
		return (__u32)(task__queued(task, ~0ull) / 1000000);
	now = wait__now(bpf_ktime_get_ns());
	return now > queued ? (__u32)((now - queued) / 1000000) : 0;
}

/*
 * How long it has waited for the CPU that it comes to; slot: of the wait that ends so, or NULL. The kernel's own account may have begun with its sleep (task__false_queue_ms).
 * Where a pass has met it asleep, it has not waited for longer than since then.
 */
static __always_inline __u64 queue__of_wait(const struct wait_slot *slot, struct task_struct *task, __u64 now)
{
	__u64 since = slot ? slot->since_ns : 0, most = ~0ull;

	if (since && slot->told == WAIT_TOLD_ASLEEP && slot->state < WAIT_RUNNABLE)
		most = now > since ? now - since : 0;
	return task__queued(task, most);
}

#endif
