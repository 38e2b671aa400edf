/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread - what the kernel accounts of a thread since its start. */
#ifndef EVERPROF_BPF_THREAD_BPF_H
#define EVERPROF_BPF_THREAD_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"

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
		r->run_delay_ns = task->sched_info.run_delay;
	r->cgroup = task__cgroup(task);
	r->is_kernel_thread = !!(task->flags & PF_KTHREAD);
	r->syscall = SYSCALL_NONE;
	task__comm(task, r->comm);
}

#endif
