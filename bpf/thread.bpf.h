/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread - what the kernel accounts of a thread since its start. */
#ifndef EVERPROF_BPF_THREAD_BPF_H
#define EVERPROF_BPF_THREAD_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"

static __always_inline int thread__is_included(const struct task_key *key)
{
	__u32 tgid = key->tgid; /* Linux 6.1 takes no key out of a ring's record */
	const struct target *t = gate.filter ? bpf_map_lookup_elem(&targets, &tgid) : NULL;

	return t && t->start_ns == key->start_ns && t->verdict == TARGET_INCLUDE;
}

/* r is zeroed. */
static __always_inline void thread__record(struct thread_record *r, struct task_struct *task)
{
	task__key(task, &r->key);
	r->tid = task->pid;
	r->switches = (__u32)(task->nvcsw + task->nivcsw);
	r->start_ns = task->start_time;
	r->now_ns = bpf_ktime_get_ns();
	r->run_ns = task->se.sum_exec_runtime;
	if (bpf_core_field_exists(task->sched_info.run_delay))
		/* and what it waits now, which the kernel adds when that is over */
		r->run_delay_ns = task->sched_info.run_delay + task__queued(task, ~0ull);
	r->cgroup = task__cgroup(task);
	r->flags = (task->flags & PF_KTHREAD ? THREAD_IS_KERNEL : 0) |
		   (thread__is_included(&r->key) ? THREAD_IS_INCLUDED : 0);
	r->syscall = SYSCALL_NONE;
	task__comm(task, r->comm);
}

#endif
