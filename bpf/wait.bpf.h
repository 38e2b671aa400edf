/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* wait - where a thread's wait is kept, why it waits, and for how much of it it waited for a CPU. */
#ifndef EVERPROF_BPF_WAIT_BPF_H
#define EVERPROF_BPF_WAIT_BPF_H

#include "bpf/count.bpf.h"
#include "bpf/walk_ends.bpf.h"
#include "bpf/defer.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/queue.bpf.h"
#include "bpf/regs.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/throttle.bpf.h"
#include "bpf/wait.h"
#include "bpf/waker.bpf.h"

/* The n-th place (0, 1) where the wait of this thread may be. Where pid_max is not above the number of slots, the first is its alone. */
static __always_inline struct wait_slot *wait__place(__u32 tid, int n)
{
	__u32 at = wait_place(tid, n, settings.wait_slots);

	return bpf_map_lookup_elem(&waits, &at);
}

static __always_inline struct wait_slot *wait__find(__u32 tid)
{
	struct wait_slot *s = wait__place(tid, 0);

	if (s && s->tid != tid)
		s = wait__place(tid, 1);
	return s && s->tid == tid ? s : NULL;
}

/* What is noted of who wakes a thread; NULL: it does not wait, or (is_over) never did. */
static __always_inline struct wait_waker *wait__waker(__u32 tid, int is_over)
{
	__u32 at = wait_place(tid, 0, settings.wait_slots);
	struct wait_slot *s = bpf_map_lookup_elem(&waits, &at);

	if (s && s->tid != tid) {
		at = wait_place(tid, 1, settings.wait_slots);
		s = bpf_map_lookup_elem(&waits, &at);
	}
	return s && s->tid == tid && (is_over || s->since_ns) ? bpf_map_lookup_elem(&wakers, &at) : NULL;
}

/* The thread's place, or one where nobody waits. */
static __always_inline struct wait_slot *wait__claim(__u32 tid)
{
	struct wait_slot *s = wait__find(tid);

	if (s)
		return s;
	s = wait__place(tid, 0);
	if (s && !s->since_ns)
		return s;
	s = wait__place(tid, 1);
	return s && !s->since_ns ? s : NULL;
}

/* What the kernel has accounted as waiting for a CPU, as it stands in a slot. A wait in the queue that goes on is not in it. */
static __always_inline __u32 wait__delay(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->sched_info.run_delay))
		return 0;
	return (__u32)(task->sched_info.run_delay >> DELAY_SHIFT);
}

/*
 * For how much of the wait that goes on it has waited for a CPU, at most `most`. Who is moved to another CPU leaves one queue and joins the other, and what it waited in
 * the first is in its account already.
 */
static __always_inline __u64 wait__queued(const struct wait_slot *slot, struct task_struct *task, __u64 most)
{
	__u64 before = (__u64)(wait__delay(task) - slot->delay) << DELAY_SHIFT;
	__u64 all = task__queued(task, ~0ull) + before;

	return all < most ? all : most;
}

/* Why it leaves the CPU. state: as sched_switch tells it, bits of task_struct.__state. */
static __always_inline __u8 wait__state(struct task_struct *task, unsigned int state, int is_preempted)
{
	if (is_preempted || state == TASK_RUNNING)
		return throttle__is_on(task) ? WAIT_THROTTLED : WAIT_PREEMPTED;
	if (state & (TASK_STOPPED | TASK_TRACED | TASK_FROZEN))
		return WAIT_STOPPED;
	if (state & TASK_UNINTERRUPTIBLE && !(state & TASK_NOLOAD))
		return WAIT_DISK;
	return WAIT_BLOCKED;
}

/* Is it stopped by the freezer of the unified hierarchy of control groups? That has its threads sleep as all do who wait for a signal, and only notes it. */
static __always_inline int wait__is_frozen(struct task_struct *task)
{
	return bpf_core_field_exists(task->frozen) && BPF_CORE_READ_BITFIELD_PROBED(task, frozen);
}

/* Number of the system call that it waits in. */
static __always_inline __s16 wait__syscall(struct task_struct *task)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	unsigned long nr = ~0ul, cs = 0;

	if (!(task->flags & PF_KERNEL_ONLY))
		bpf_probe_read_kernel(&nr, sizeof(nr), &regs->orig_rax);
	bpf_probe_read_kernel(&cs, sizeof(cs), &regs->cs);
	if (cs == USER_CS_32) /* another table of numbers */
		return SYSCALL_NONE;
	return nr < 0x7fff ? (__s16)nr : SYSCALL_NONE;
}

/* Begins the walk with the kernel's frames of a thread that does not run; is_new: it never has, and is where it is to begin. */
static __always_inline void wait__kernel_stack(struct walk *w, struct task_struct *task, __u32 event,
					       int is_new)
{
	long bytes;
	__u32 n;

	walk__clear(w);
	if (!settings.kernel_stacks || !gate.kernel_stacks)
		return;
	bytes = bpf_get_task_stack(task, w->words, KERNEL_FRAMES_MAX * sizeof(__u64), 0);
	n = bytes > 0 ? (__u32)bytes / sizeof(__u64) : 0;
	if (!n)
		lose(event, LOSS_KERNEL_STACK, 1);
	walk__take_kernel(w, n, is_new);
}

/*
 * A wait of d stands for `weight` (poisson.h), and so in proportion does its part that waited for a CPU. Counts are whole: what is left over is one more
 * by chance.
 */
static __always_inline void wait__split(struct task_sample *s, __u64 d, __u64 for_cpu, __u64 weight)
{
	__u64 count = weight / d, rest = weight - count * d;

	if ((bpf_get_prandom_u32() & 0xffff) < (rest << 16) / d)
		count++;
	if (weight == d)
		s->cpu_value = for_cpu;
	else
		s->cpu_value = ((for_cpu << 20) / d * (weight >> 10)) >> 10;
	s->value = weight - s->cpu_value;
	s->count = s->value ? count : 0;
	s->cpu_count = s->cpu_value ? count : 0;
}

/* Both parts, with the stack that was walked; 0 where that was handed to user space, else the hash of the row of the first part. */
static __always_inline __u64 wait__count(struct walk *w, struct task_sample *s)
{
	__u64 row = 0;

	if (defer__wanted(w->end) && !defer__send(w, s)) {
		if (s->waker)
			lose(s->tag.event, LOSS_WAKER_STACK, 1);
		return 0;
	}
	if (w->derived)
		lose(s->tag.event, LOSS_DERIVED_RULES, 1);
	walk__end(w);
	if (s->waker)
		waker__join(w, s->waker, s->waker_ns, s->tag.event);
	if (s->value)
		row = count__add(w, s);
	if (s->cpu_value) {
		s->tag.state = WAIT_RUNNABLE;
		s->count = s->cpu_count;
		s->value = s->cpu_value;
		count__add(w, s);
	}
	return row;
}

/* The power of two that a time is of. Global, so that the verifier does not take each of its 32 answers for another way into what follows. */
__attribute__((weak, noinline)) __u32 wait__bucket(__u64 time)
{
	__u32 bucket = 0, i;

	for (i = 16; i; i >>= 1) {
		if (time >> i) {
			time >>= i;
			bucket += i;
		}
	}
	return (bucket + time) & (RUN_QUEUE_BUCKETS - 1); /* time is 0 or 1 */
}

/*
 * How long it waited for the CPU that it comes to: for this CPU, and for its control group. Of one wait in gate.run_queue_every, chosen at random: two that take turns come
 * to the CPU at every other switch, and one of them would never be at a sixteenth.
 */
static __noinline __attribute__((unused)) int wait__run_queue(struct wait_clock *clock,
							      struct task_struct *task, __u64 now)
{
	__u64 queued = queue__of_wait(wait__find(task->pid), task, now);
	__u32 bucket = wait__bucket(queued >> 10) & (RUN_QUEUE_BUCKETS - 1);
	__u32 every = clock->run_queue_every;
	struct run_queue none = {}, *q;
	__u64 group;

	clock->run_queue_every = gate.run_queue_every;
	clock->run_queue_skip = bpf_get_prandom_u32() % (2 * clock->run_queue_every - 1);
	clock->run_queue.n[bucket] += every;
	group = task__cgroup(task);
	q = bpf_map_lookup_elem(&run_queues, &group);
	if (!q) {
		bpf_map_update_elem(&run_queues, &group, &none, BPF_NOEXIST);
		q = bpf_map_lookup_elem(&run_queues, &group);
	}
	if (q)
		__sync_fetch_and_add(&q->n[bucket], every);
	return 0;
}

#endif
