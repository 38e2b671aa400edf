/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread - what the kernel accounts of a thread since its start. */
#ifndef EVERPROF_BPF_THREAD_BPF_H
#define EVERPROF_BPF_THREAD_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/queue.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/wait.bpf.h"

static __always_inline int thread__is_included(const struct task_key *key)
{
	__u32 tgid = key->tgid; /* Linux 6.1 takes no key out of a ring's record */
	const struct target *t = gate.filter ? bpf_map_lookup_elem(&targets, &tgid) : NULL;

	return t && t->start_ns == key->start_ns && t->verdict == TARGET_INCLUDE;
}

/* What was taken of its CPUs while it ran: of stretches that ended, and of the one that goes on. */
static __always_inline __u64 thread__away(struct task_struct *task)
{
	const struct wait_slot *slot = wait__find(task->pid);
	__u64 away_ns = slot ? (__u64)slot->away << AWAY_SHIFT : 0;
	const struct rq *rq = task__rq(task);
	const struct wait_clock *clock;
	__u32 zero = 0;

	if (!rq || !task->on_cpu || !gate.waits_on || gate.waits_by_pass ||
	    !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_map_lookup_percpu_elem))
		return away_ns;
	clock = bpf_map_lookup_percpu_elem(&wait_clocks, &zero, rq->cpu);
	return clock ? away_ns + rq__away_since(rq, clock->away_ns) : away_ns;
}

/*
 * All as of one moment: the account of a thread that runs is as old as its CPU's last look at the clock, a tick of the scheduler or as long as a hypervisor had the CPU. So
 * that is when it was read. Only of the thread that reads it is known what it did since. The clocks' distance is known where the hook on switches is in place.
 */
static __always_inline void thread__running(struct thread_record *r, struct task_struct *task)
{
	struct rq *rq;
	__u64 since, looked_ns;

	if (!bpf_core_field_exists(task->se.cfs_rq) || !gate.wait_clock_ns)
		return;
	rq = task->se.cfs_rq->rq;
	looked_ns = rq->clock + gate.wait_clock_ns;
	since = task->se.exec_start;
	if (rq->clock_task > since)
		r->run_ns += rq->clock_task - since;
	if (looked_ns >= r->now_ns)
		return;
	if (task == bpf_get_current_task_btf())
		r->run_ns += r->now_ns - looked_ns;
	else
		r->now_ns = looked_ns;
}

/* How long it waits for a CPU now. */
static __always_inline __u64 thread__queued(struct task_struct *task, __u64 now_ns)
{
	__u64 queued;

	if (task__sleeps(task))
		return 0;
	if (!bpf_core_field_exists(task->sched_info.last_queued) || !gate.wait_clock_ns)
		return task__queued(task, ~0ull);
	queued = task->sched_info.last_queued;
	now_ns = wait__now(now_ns);
	return queued && now_ns > queued ? now_ns - queued : 0;
}

/* r is zeroed. */
static __always_inline void thread__record(struct thread_record *r, struct task_struct *task)
{
	task__key(task, &r->key);
	r->tid = task->pid;
	r->blocked = (__u32)task->nvcsw;
	r->switches = r->blocked + (__u32)task->nivcsw;
	r->start_ns = task->start_time;
	r->now_ns = bpf_ktime_get_ns();
	r->run_ns = task->se.sum_exec_runtime;
	if (bpf_core_field_exists(task->sched_info.run_delay))
		/* and what it waits now, which the kernel adds when that is over */
		r->run_delay_ns = task->sched_info.run_delay + thread__queued(task, r->now_ns);
	r->false_queue_ms = task__false_queue_ms(task);
	if (task->on_cpu)
		thread__running(r, task);
	r->away_ns = thread__away(task);
	r->cgroup = task__cgroup(task);
	r->flags = (task->flags & PF_KTHREAD ? THREAD_IS_KERNEL : 0) |
		   (task->flags & PF_KERNEL_ONLY ? THREAD_IS_KERNEL_ONLY : 0) |
		   (thread__is_included(&r->key) ? THREAD_IS_INCLUDED : 0);
	r->syscall = SYSCALL_NONE;
	task__comm(task, r->comm);
}

/* `told`: THREAD_EXITS or THREAD_GONE. Whose first telling found room has an account all the same, so who has none is counted by that. */
static __noinline __attribute__((unused)) int thread__tell(struct task_struct *task, __u8 told)
{
	struct thread_record *r = bpf_ringbuf_reserve(&thread_ends, offsetof(struct thread_record, pc), 0);
	__u64 wakeup = BPF_RB_NO_WAKEUP;

	if (!r) {
		if (told == THREAD_EXITS)
			lose(EVENT_OFFCPU, LOSS_THREAD_ACCOUNTS, 1);
		return 0;
	}
	__builtin_memset(r, 0, offsetof(struct thread_record, pc));
	thread__record(r, task);
	r->ended = told;
	if (bpf_ringbuf_query(&thread_ends, BPF_RB_AVAIL_DATA) > THREAD_ENDS_BYTES / 2)
		wakeup = BPF_RB_FORCE_WAKEUP; /* so many would not wait for the next slice */
	bpf_ringbuf_submit(r, wakeup);
	return 0;
}

/* Its times, to the end: the pass over all threads will not meet it again. Told twice, where switches are looked at: as it begins to exit … */
static __always_inline void thread__exits(struct task_struct *task)
{
	thread__tell(task, THREAD_EXITS);
}

/* … and as it leaves its last CPU. */
static __always_inline void thread__end(struct task_struct *task)
{
	thread__tell(task, THREAD_GONE);
}

#endif
