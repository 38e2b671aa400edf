/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* throttle - threads whose control group has used up its CPU quota: for how long that keeps them from a CPU, and for how long others do. */
#ifndef EVERPROF_BPF_THROTTLE_BPF_H
#define EVERPROF_BPF_THROTTLE_BPF_H

#include "bpf/queue.bpf.h"

/* A thread that left for want of quota: what it had waited for quota before. Few are so at a time; where two share a place, the queue of one counts in. */
#define THROTTLES 1024

struct throttle {
	__u32 tid, reserved;
	__u64 left_ns, before_ns;
};

/* Does the quota of its control group keep the thread from a CPU? */
static __always_inline int throttle__is_on(struct task_struct *task)
{
	struct cfs_rq *cfs = task->se.cfs_rq;

	return bpf_core_field_exists(cfs->throttle_count) && cfs && cfs->throttle_count > 0;
}

/* For how long the quota has kept threads of its control group from this CPU, in all; 0: the kernel keeps no account. */
static __always_inline __u64 throttle__account(struct task_struct *task)
{
	struct cfs_rq *cfs = task->se.cfs_rq;
	__u64 since, now;

	if (!bpf_core_field_exists(cfs->throttled_clock_self_time) || !cfs || !cfs->rq)
		return 0;
	since = cfs->throttled_clock_self;
	now = cfs->rq->clock;
	return cfs->throttled_clock_self_time + (since && now > since ? now - since : 0);
}

/* It leaves for want of quota, and t is where that is noted. */
static __always_inline void throttle__left(struct throttle *t, struct task_struct *task, __u64 now)
{
	t->tid = task->pid;
	t->left_ns = now;
	t->before_ns = throttle__account(task);
}

/* The group has its quota again: since when does it wait for a CPU like others? As a length until now, at most d. */
static __always_inline __u64 throttle__queued(const struct throttle *t, struct task_struct *task, __u64 now,
					      __u64 d)
{
	__u64 throttled = throttle__account(task), all;

	if (t->tid != (__u32)task->pid || !throttled)
		return 0;
	/* nothing more: it was taken off its CPU before the quota could */
	throttled = throttled > t->before_ns ? throttled - t->before_ns : 0;
	all = now - t->left_ns;
	if (all <= throttled)
		return 0;
	return all - throttled < d ? all - throttled : d;
}

#endif
