// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lock - a lock of the kernel is waited for: how long, in which stack, and who has it?
 *
 * Problem: the slow path of a spin lock may be taken a million times a second, by code that holds other locks, in interrupts, too.
 * Idea: the tracepoints of contention come on slow paths only. The first notes the time and the holder, in a slot that is found without a lock: a thread that
 *   sleeps has its own, by its id, and what spins has one of its CPU's, since it can not leave that. The second knows how long it took and decides as for
 *   waits (bpf/poisson.h): with one subtraction, by length. Only what is taken costs a stack, which is its own: it stands right there.
 *   Locks of user space are waits in futex, which off_cpu samples already; user space makes their rows out of those. What is missing there is who
 *   held it, and that is told by who wakes them (bpf/waking.bpf.c).
 * Invariants: a slot is matched by its lock's address and its thread, so what never ended (its end was missed because this very program was running) is
 *   overwritten by the next, and is a wait that is lost (bpf/lock_slot.bpf.h). A mutex that first spins and then sleeps begins twice: its first time stays.
 * Cost: some 100 ns a contention that is not taken, 10 us one that is.
 * What it does not do: locks that are had without waiting; contention within these programs, and of interrupts while one of them runs: a few hundred
 *   instructions, or as long as it takes a stack.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/own_stack.bpf.h"
#include "bpf/lock_slot.bpf.h"
#include "bpf/poisson.h"
#include "bpf/wait.bpf.h"

/* Flags of the tracepoints, include/trace/events/lock.h. */
#define LCB_F_SPIN   1
#define LCB_F_READ   2
#define LCB_F_WRITE  4
#define LCB_F_RT     8
#define LCB_F_PERCPU 16
#define LCB_F_MUTEX  32

#define OWNER_FLAGS      7 /* low bits of an owner's address, of both kinds */
#define OWNER_IS_READERS 1 /* of a rwsem: whoever read last, not who holds it */

#define LOCK_SLOTS 4096 /* of threads that sleep */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOCK_SLOTS);
	__type(key, __u32);
	__type(value, struct lock_slot);
} lock_slept SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lock_spins);
} lock_spun SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} lock_walk SEC(".maps");

static __always_inline __u32 lock__kind(__u32 flags)
{
	if (flags & LCB_F_MUTEX)
		return LOCK_MUTEX;
	if (flags & LCB_F_SPIN)
		return flags & LCB_F_READ    ? LOCK_RWLOCK_READ
		       : flags & LCB_F_WRITE ? LOCK_RWLOCK_WRITE
					     : LOCK_SPIN;
	if (flags & LCB_F_RT)
		return LOCK_RT;
	if (flags & LCB_F_PERCPU)
		return flags & LCB_F_READ ? LOCK_PERCPU_READ : LOCK_PERCPU_WRITE;
	return flags & LCB_F_READ ? LOCK_RWSEM_READ : flags & LCB_F_WRITE ? LOCK_RWSEM_WRITE : LOCK_OTHER;
}

/* Who has it; 0 where that is not told, as with CONFIG_PREEMPT_RT. */
static __always_inline __u32 lock__holder(const void *lock, __u32 kind)
{
	const struct mutex *mutex = lock;
	const struct rw_semaphore *sem = lock;
	unsigned long owner = 0;
	int pid = 0;

	if (kind == LOCK_MUTEX && bpf_core_field_exists(mutex->owner))
		owner = BPF_CORE_READ(mutex, owner.counter);
	else if ((kind == LOCK_RWSEM_READ || kind == LOCK_RWSEM_WRITE) && bpf_core_field_exists(sem->owner))
		owner = BPF_CORE_READ(sem, owner.counter);
	else
		return 0;
	if (kind != LOCK_MUTEX && owner & OWNER_IS_READERS)
		return 0;
	owner &= ~(unsigned long)OWNER_FLAGS;
	if (!owner)
		return 0;
	pid = BPF_CORE_READ((struct task_struct *)owner, pid);
	return pid > 0 ? (__u32)pid : 0;
}

static __always_inline struct lock_slot *lock__slept(__u32 tid, int n)
{
	__u32 at = wait_place(tid, n, LOCK_SLOTS);

	return bpf_map_lookup_elem(&lock_slept, &at);
}

static __always_inline struct lock_spins *lock__spun(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lock_spun, &zero);
}

/* NULL: the kernel has not the maps that it was given. */
static __always_inline struct lock_slot *lock__claim(__u64 lock, __u32 kind, __u32 tid)
{
	struct lock_spins *spins = lock__spun();
	struct lock_slot *a = lock__slept(tid, 0), *b = lock__slept(tid, 1);

	if (!spins || !a || !b)
		return NULL;
	return LOCK_SPINS(kind) ? lock_spins__claim(spins, lock) : lock_slept__claim(a, b, tid);
}

/* NULL: it was not noted. */
static __always_inline struct lock_slot *lock__find(__u64 lock, __u32 tid)
{
	struct lock_spins *spins = lock__spun();
	struct lock_slot *a = lock__slept(tid, 0), *b = lock__slept(tid, 1), *s;

	if (!spins || !a || !b)
		return NULL;
	s = lock_spins__find(spins, lock, tid);
	return s ? s : lock_slept__find(a, b, lock, tid);
}

SEC("?tp_btf/contention_begin")
int BPF_PROG(lock_begin, void *lock, unsigned int flags)
{
	__u32 kind = lock__kind(flags), tid = (__u32)bpf_get_current_pid_tgid();
	struct lock_slot *s;

	if (!gate.locks_on)
		return 0;
	s = lock__claim((__u64)lock, kind, tid);
	if (s && lock_slot__begin(s, (__u64)lock, tid, kind, bpf_ktime_get_ns()))
		s->holder = lock__holder(lock, kind);
	return 0;
}

/* A wait that is taken; it stands for `weight`. */
static __noinline int lock__take(void *ctx, const struct lock_slot *slot, __u64 d, __u64 weight)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct task_sample s = {
		.task = task,
		.tag = {.event = EVENT_LOCK,
			.state = slot->kind,
			.syscall = SYSCALL_NONE,
			.arg = slot->holder},
		.tid = task->pid,
	};
	__u32 zero = 0;
	struct walk *w = bpf_map_lookup_elem(&lock_walk, &zero);

	if (!w)
		return 0;
	if (s.tid) /* of the idle task, there is no system call */
		s.tag.syscall = wait__syscall(task);
	task__key(task, &s.key);
	if (!current__wanted(w, &s.key))
		return 0;
	wait__split(&s, d, 0, weight);
	own_stack__take(ctx, w, task, EVENT_LOCK);
	wait__count(w, &s);
	return 0;
}

SEC("?tp_btf/contention_end")
int BPF_PROG(lock_end, void *lock, int ret)
{
	__u64 now = bpf_ktime_get_ns(), d, weight;
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), zero = 0;
	struct wait_clock *clock = bpf_map_lookup_elem(&lock_clocks, &zero);
	struct lock_slot *s = lock__find((__u64)lock, tid);
	struct lock_slot taken;

	if (!clock || !s)
		return 0;
	taken = *s;
	s->lock = 0;
	clock->n_switches++;
	if (now <= taken.since_ns)
		return 0;
	d = now - taken.since_ns;
	clock->left_ns -= d;
	if (clock->left_ns >= 0)
		return 0;
	weight = poisson__weight(d, clock->interval_ns);
	clock->interval_ns = gate.lock_interval_ns;
	clock->left_ns = poisson__distance((__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32(),
					   clock->interval_ns);
	clock->n_taken++;
	lock__take(ctx, &taken, d, weight);
	clock->cost_ns += bpf_ktime_get_ns() - now;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
