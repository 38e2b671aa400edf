/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* task - which task is this, and is it wanted? */
#ifndef EVERPROF_BPF_TASK_BPF_H
#define EVERPROF_BPF_TASK_BPF_H

#include "bpf/maps.bpf.h"

static __always_inline void task__key(struct task_struct *task, struct task_key *ret_key)
{
	ret_key->start_ns = task->group_leader->start_boottime;
	ret_key->tgid = task->tgid;
	ret_key->exec_id = (__u32)task->self_exec_id;
}

/* What a row says of its thread. Not only of the running one: a wait is counted when somebody else runs. */
static __always_inline void task__comm(struct task_struct *task, char ret_comm[COMM_LEN])
{
	bpf_probe_read_kernel(ret_comm, COMM_LEN, task->comm);
}

/*
 * Read, not loaded: at each pointer that is loaded out of one that the verifier trusts it goes through all types of the kernel, four times, a millisecond of every start; and
 * this is asked for where many ways meet, each of which it looks at. The 50 ns are those of rows that are new. Called, so that what lies on the stack meanwhile is
 * not another way for all that follows.
 */
static __noinline __attribute__((unused)) __u64 task__cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/*
 * Where the thread's stack begins, if it is the one that holds sp: nothing of its frames lies above. The main thread's begins below its arguments, another's below what
 * its FS points to, which C libraries put at the upper end of each stack that they make. ~0: not known, as of a coroutine's.
 */
static __noinline __attribute__((unused)) __u64 task__stack_start(struct task_struct *task, __u64 sp)
{
	__u64 main = BPF_CORE_READ(task, mm, start_stack), other = BPF_CORE_READ(task, thread.fsbase);

	if (main < sp)
		main = ~0ull;
	if (other < sp)
		other = ~0ull;
	return main < other ? main : other;
}

/* Of the thread's own stack, whichever it is on now; as above. */
static __noinline __attribute__((unused)) __u64 task__own_stack_start(struct task_struct *task)
{
	return BPF_CORE_READ(task, pid) == BPF_CORE_READ(task, tgid) ? BPF_CORE_READ(task, mm, start_stack)
								     : BPF_CORE_READ(task, thread.fsbase);
}

/* The upper end of the stack that the thread has set aside for handlers of signals, if sp is on it; 0: it is not. */
static __noinline __attribute__((unused)) __u64 task__other_stack_end(struct task_struct *task, __u64 sp)
{
	__u64 at = BPF_CORE_READ(task, sas_ss_sp), size = BPF_CORE_READ(task, sas_ss_size);

	return sp - at < size ? at + size : 0;
}

#endif
