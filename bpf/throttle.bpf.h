/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * throttle - threads whose control group has used up its CPU quota: for how long that keeps them from a CPU, and for how long others do.
 *
 * The kernel accounts quota by control group and CPU. A thread may be kept from one CPU, and come to another when that is over, so what it waited for is told by the account of the
 * first. That may be gone with its control group meanwhile: it is read, not loaded.
 */
#ifndef EVERPROF_BPF_THROTTLE_BPF_H
#define EVERPROF_BPF_THROTTLE_BPF_H

#include "bpf/queue.bpf.h"

/* A thread that left for want of quota: what it had waited for quota before. Few are so at a time; where two share a place, the queue of one counts in. */
#define THROTTLES 1024

struct throttle {
	__u32 tid, reserved;
	__u64 cfs; /* of its group, on the CPU that it left */
	__u64 left_ns, before_ns;
};

/* Does the quota of its control group keep the thread from a CPU? */
static __always_inline int throttle__is_on(struct task_struct *task)
{
	struct cfs_rq *cfs = task__cfs(task);

	return bpf_core_field_exists(cfs->throttle_count) && cfs && cfs->throttle_count > 0;
}

/* For how long the quota has kept threads of its control group from this CPU, in all; 0: the kernel keeps no account. */
static __always_inline __u64 throttle__account(const struct cfs_rq *cfs)
{
	__u64 since, now;

	if (!bpf_core_field_exists(cfs->throttled_clock_self_time) || !cfs)
		return 0;
	since = BPF_CORE_READ(cfs, throttled_clock_self);
	now = BPF_CORE_READ(cfs, rq, clock);
	return BPF_CORE_READ(cfs, throttled_clock_self_time) + (since && now > since ? now - since : 0);
}

/* It leaves for want of quota, and t is where that is noted. */
static __always_inline void throttle__left(struct throttle *t, struct task_struct *task, __u64 now)
{
	t->tid = task->pid;
	t->left_ns = now;
	t->cfs = (__u64)task__cfs(task);
	t->before_ns = throttle__account(task__cfs(task));
}

/* The group has its quota again: since when does it wait for a CPU like others? As a length until now, at most d. */
static __always_inline __u64 throttle__queued(const struct throttle *t, __u32 tid, __u64 now, __u64 d)
{
	__u64 throttled = throttle__account((const struct cfs_rq *)t->cfs), all;

	if (t->tid != tid || !throttled)
		return 0;
	/* nothing more: it was taken off its CPU before the quota could */
	throttled = throttled > t->before_ns ? throttled - t->before_ns : 0;
	all = now - t->left_ns;
	if (all <= throttled)
		return 0;
	return all - throttled < d ? all - throttled : d;
}

#endif
