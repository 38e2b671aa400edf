// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * alloc_cpu - how much CPU time have these processes used, to the microsecond, now; and how often have they slept?
 *
 * Problem: what a process allocates in a window is held against the CPU time that it had of it. But a window is a quarter of a tick, and the kernel moves the clock of a
 *   thread that runs with ticks and switches only; what system calls tell of another process is that.
 * Idea: a pass over all threads. One that runs has also used what went by since its clock was last moved, by the clock of its CPU. That one is not moved all the time either:
 *   how far it would be by now is told by how far the scheduler's clock is ahead of ours, which is asked of our own CPU, whose clock the caller has just moved (by asking for its
 *   own CPU time).
 *   Sleeps are counted by half: of a round of work that a window saw the end of, or the beginning, it saw a half on average.
 * Invariants: nothing is written but the table. A clock that moves while it is read is read again.
 * Cost: some 0.05 us a thread on the host, twice a window.
 * Rejected: a hook in each switch (static code is patched for it, twice a window); perf events that count a task's time (each switch of the task is slower for as long as it is
 *   followed).
 * What it does not do: know time that a hypervisor or interrupts took from a CPU since its clock was moved.
 */
#include "bpf/alloc_cpu.bpf.h"
#include "bpf/wait.bpf.h"

#define READ_TRIES 3

/* NULL: the kernel does not tell. */
static __always_inline struct rq *alloc_cpu__queue(struct task_struct *task)
{
	struct cfs_rq *cfs;

	if (!bpf_core_field_exists(task->se.cfs_rq))
		return NULL;
	cfs = task->se.cfs_rq;
	return cfs ? cfs->rq : NULL;
}

static __always_inline __u64 alloc_cpu__of(struct task_struct *task, __u64 now)
{
	__u64 ran = 0, since = 0, clock;
	struct rq *rq = alloc_cpu__queue(task);

	for (int i = 0; i < READ_TRIES; i++) {
		since = *(volatile __u64 *)&task->se.exec_start;
		ran = *(volatile __u64 *)&task->se.sum_exec_runtime;
		if (*(volatile __u64 *)&task->se.exec_start == since)
			break;
	}
	if (!rq || !task->on_cpu)
		return ran;
	now += alloc_cpu_table.ahead_ns;
	clock = rq->clock_task;
	if (now > rq->clock)
		clock += now - rq->clock;
	return clock > since ? ran + clock - since : ran;
}

/*
 * One that was woken and has not run since is asleep, too: its round is still to come. What opens a window keeps programs from a CPU for a moment, and those that are woken meanwhile would
 * begin their rounds in the window, all of them, and have half of each counted. Who waits for a CPU within a system call has slept in it, with few exceptions; who was preempted was mostly
 * in code of its own.
 */
static __always_inline int alloc_cpu__is_asleep(struct task_struct *task)
{
	return task->__state || (!task->on_cpu && wait__syscall(task) != SYSCALL_NONE);
}

SEC("?iter/task")
int alloc_cpu(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u32 end = alloc_cpu_table.end & 1;
	__u64 now = bpf_ktime_get_ns();
	struct alloc_cpu_slot *s;
	__u32 place;

	if (!ctx->meta->seq_num) {
		struct rq *own = alloc_cpu__queue(bpf_get_current_task_btf());

		alloc_cpu_table.ahead_ns = own ? own->clock - now : 0;
	}
	if (!task)
		return 0;
	place = alloc_cpu__find(task->tgid);
	if (place >= ALLOC_FOLLOWED)
		return 0;
	s = &alloc_cpu_table.slots[place];
	if (!s->at_ns[end])
		s->at_ns[end] = now;
	s->cpu_ns[end] += alloc_cpu__of(task, now);
	s->sleeps[end] += 2 * task->nvcsw - alloc_cpu__is_asleep(task);
	if (task->pid == task->tgid) { /* of threads that ended */
		s->cpu_ns[end] += task->signal->sum_sched_runtime;
		s->sleeps[end] += 2 * task->signal->nvcsw;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
