// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * off_cpu - a thread leaves its CPU, and comes back: how long was it away, why, and where did it wait?
 *
 * Problem: a busy machine switches a million times a second, and a stack costs as much as the switch; but one wait of a minute may be what is
 *   looked for, and nobody knows at its beginning how long it will be.
 * Idea: the hook notes the time when a thread leaves, and decides when it comes back, with one subtraction and without a look at what it noted
 *   (bpf/wait_clock.bpf.h); only where that says so it looks how long the wait was. Of one that is taken the kernel's frames are taken at once, from the thread that
 *   is about to run; its user stack is taken by itself, on its way back to user space (task work): it is still the one that it waited with, its memory is at
 *   hand, and pages that are not there may be brought in.
 *   The time between wake-up and run is known from the run queue's own account, without a hook on wake-ups; so is what a new thread, which has left no CPU yet, waits
 *   for its first one.
 *   The time is the scheduler's: it has just read it for its own account, which waits are held against later. To read it anew costs as much as the
 *   rest of the hook. Who comes through no switch (the pass, a wake-up) knows how far that clock is behind CLOCK_MONOTONIC from gate.wait_clock_ns.
 *   What has not ended yet is counted by the pass over all tasks (bpf/waiting.bpf.c), which takes `since_ns` forward; what it began it wants finished, so
 *   the rest of such a wait is always taken.
 * Invariants: each nanosecond of a wait is accounted once, by the switch or by the pass: `since_ns` is exchanged where both may, in waits that are not short.
 *   Nothing of a wait is kept for a CPU: threads come back on others. An entry of `off_cpu_pending` is one thread's until its task work has run.
 * Cost: 50 to 100 ns a switch (two slots), beside what the kernel takes to call any program; some 15 us a wait that is taken.
 * Rejected: task storage (another 100 ns a switch); a stack at each switch-out (4 us); the same chance for all waits.
 * What it does not do: run where the kernel has no task work (before 6.18); there the pass alone samples.
 */
#define USER_STACK_READ bpf_copy_from_user /* in the thread's own context, where pages may be brought in */

#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/thread.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/user_walk.bpf.h"
#include "bpf/wait.bpf.h"
#include "bpf/wait_clock.bpf.h"

#define PENDING_FREE   0
#define PENDING_TAKEN  1 /* somebody's; its thread has not come by */
#define PENDING_SEEN   2 /* its thread has read it: what is added now would be lost */
#define PENDING_THREAD 4 /* of one thread: a system call may wait a thousand times before it returns */

/* A wait that was taken, until its thread comes by. */
struct pending {
	struct bpf_task_work work;
	__u32 busy; /* PENDING_* */
	__u32 tid;
	__u32 waker, reserved;
	__u64 waker_ns; /* see struct task_sample */
	struct task_key key;
	struct sample_tag tag;
	__u64 count, value, cpu_count, cpu_value; /* see struct task_sample */
	struct walk walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pending);
} off_cpu_pending SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, THROTTLES);
	__type(key, __u32);
	__type(value, struct throttle);
} off_cpu_throttles SEC(".maps");

/* In a switch, on that run queue. */
static __always_inline __u64 off_cpu__now(const struct rq *rq)
{
	return rq ? rq->clock : bpf_ktime_get_ns();
}

static __always_inline struct throttle *throttle__at(__u32 tid)
{
	__u32 at = tid & (THROTTLES - 1);

	return bpf_map_lookup_elem(&off_cpu_throttles, &at);
}

/* It left for want of quota, and comes to a CPU again: for how much of the d between it waited for one. */
static __always_inline __u64 off_cpu__after_quota(struct task_struct *task, __u64 d)
{
	const struct throttle *t = throttle__at(task->pid);

	return t ? throttle__queued(t, task->pid, off_cpu__now(task__rq(task)), d) : 0;
}

static __always_inline void pending__put(struct pending *p)
{
	__sync_lock_test_and_set(&p->busy, PENDING_FREE);
}

/* Its user stack; why that ends. */
static __always_inline __u8 off_cpu__user_stack(struct walk *w, struct task_struct *task)
{
	__u64 hash = w->hash; /* of the kernel's part */
	__u8 end = user_walk__entered(w, task);

	if (mapping__kept(w))
		return end;
	w->hash = hash;
	w->n_words = w->n_kernel;
	w->n_outer = 0;
	w->derived = 0;
	return END_NOT_TAKEN;
}

/* The thread is about to go back to user space. */
static int off_cpu__resumed(struct bpf_map *map, void *key, void *value)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u64 began = bpf_ktime_get_ns();
	struct pending *p = value;
	struct wait_clock *clock;
	struct wait_slot *slot;
	__u32 zero = 0;
	struct task_sample s = {
		.task = task,
		.key = p->key,
		.tag = p->tag,
		.tid = p->tid,
		.waker = p->waker,
		.waker_ns = p->waker_ns,
		.count = p->count,
		.value = p->value,
		.cpu_count = p->cpu_count,
		.cpu_value = p->cpu_value,
	};
	struct task_key now;

	p->busy = PENDING_SEEN;
	slot = wait__find(p->tid);
	if (slot)
		slot->n_pending = 0; /* it is on its way: all of them are done in a row */
	task__key(task, &now);
	current__wanted(&p->walk, &now); /* mappings as they are now */
	/* another program by now: the stack that it waited with is gone */
	if (now.exec_id != p->key.exec_id)
		p->walk.end = END_EXEC;
	else
		p->walk.end = off_cpu__user_stack(&p->walk, task);
	wait__count(&p->walk, &s);
	waker__put(p->waker, p->waker_ns);
	pending__put(p);
	clock = bpf_map_lookup_elem(&wait_clocks, &zero);
	if (clock)
		__sync_fetch_and_add(&clock->cost_ns, bpf_ktime_get_ns() - began);
	return 0;
}

extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *work, void *map,
					      int (*callback)(struct bpf_map *, void *, void *),
					      void *aux) __ksym __weak;

static __always_inline struct pending *pending__get(__u32 *ret_at)
{
	__u32 at = bpf_get_prandom_u32(), i;
	struct pending *p;

	for (i = 0; i < 8; i++) {
		__u32 key = (at + i) % settings.wait_pending;

		*ret_at = key;
		p = bpf_map_lookup_elem(&off_cpu_pending, &key);
		if (!p)
			return NULL;
		if (!__sync_val_compare_and_swap(&p->busy, PENDING_FREE, PENDING_TAKEN))
			return p;
	}
	return NULL;
}

/* The thread waits again where it waited last, in the same system call: more of the same. */
static __always_inline int pending__join(const struct wait_slot *slot, const struct walk *w,
					 const struct task_sample *s)
{
	__u32 at = slot->pending;
	struct pending *p;

	if (!slot->n_pending || s->waker)
		return 0;
	p = bpf_map_lookup_elem(&off_cpu_pending, &at);
	if (!p || p->busy != PENDING_TAKEN || p->tid != s->tid || p->walk.hash != w->hash ||
	    sample_tag__bits(&p->tag) != sample_tag__bits(&s->tag))
		return 0;
	p->count += s->count;
	p->value += s->value;
	p->cpu_count += s->cpu_count;
	p->cpu_value += s->cpu_value;
	return 1;
}

/* Has it never run? Then it comes to its first CPU. */
static __always_inline int off_cpu__is_new(struct task_struct *task)
{
	return bpf_core_field_exists(task->sched_info.last_arrival) && !task->sched_info.last_arrival;
}

/*
 * Why there is no user stack to wait for; 0: there is one. Nobody who exits comes by any more: what is scheduled then is dropped without a word. A new thread has a
 * stack of its own with nothing on it, but a new process a copy of its parent's.
 */
static __always_inline __u8 off_cpu__no_stack(struct task_struct *task)
{
	if (task->flags & PF_KERNEL_ONLY)
		return END_KERNEL_THREAD;
	if (task->flags & PF_EXITING)
		return END_EXITING;
	if (off_cpu__is_new(task) &&
	    (task->pid != task->tgid || task->mm == BPF_CORE_READ(task, real_parent, mm)))
		return END_NEW_THREAD;
	return 0;
}

/* Who ended the wait of d that is over now: its tid, WAKER_INTERRUPT, or 0. */
static __always_inline __u32 off_cpu__waker(__u32 tid, __u64 d)
{
	__u32 now_us = (__u32)(bpf_ktime_get_ns() >> 10);
	const struct wait_waker *w;

	w = wait__waker(tid, 1);
	/* of an earlier wait? */
	return w && now_us - w->at_us <= (__u32)(d >> 10) + 1 ? w->tid : 0;
}

/* For how much of the wait of d it waited for a CPU. All of it is another kind of wait, where it left for want of quota. */
static __always_inline __u64 off_cpu__for_cpu(struct task_struct *task, const struct wait_slot *slot, __u64 d,
					      struct sample_tag *tag)
{
	__u64 for_cpu = 0;

	if (slot->state == WAIT_THROTTLED) {
		for_cpu = off_cpu__after_quota(task, d);
		if (for_cpu == d) {
			tag->state = WAIT_PREEMPTED;
			for_cpu = 0;
		}
	} else if (slot->state < WAIT_RUNNABLE) {
		for_cpu = wait__queued(slot, task, d);
	}
	return for_cpu;
}

/* A wait of `d` that is taken; it stands for `weight`. */
struct taken_wait {
	__u64 d, weight;
	__u32 waker, reserved;
	__u64 waker_ns; /* see struct task_sample */
};

/* If anybody asked for its thread. The kernel's frames now; a user stack can be had only when the thread goes on. */
static __noinline int off_cpu__take(struct task_struct *task, struct wait_slot *slot,
				    const struct taken_wait *wait)
{
	struct task_sample s = {
		.task = task,
		.tag = {.event = EVENT_OFFCPU, .state = slot->state, .syscall = wait__syscall(task)},
		.tid = task->pid,
		.waker = wait->waker,
		.waker_ns = wait->waker_ns,
	};
	__u64 d = wait->d;
	__u64 for_cpu;
	__u32 at = 0;
	struct pending *p;

	task__key(task, &s.key);
	if (!target__wanted(&s.key)) {
		waker__put(s.waker, s.waker_ns);
		return 0;
	}
	p = pending__get(&at);
	if (!p) {
		lose(EVENT_OFFCPU, LOSS_WAIT_PENDING, 1);
		waker__put(s.waker, s.waker_ns);
		return 1;
	}
	for_cpu = off_cpu__for_cpu(task, slot, d, &s.tag);
	if (slot->state == WAIT_BLOCKED && wait__is_frozen(task)) /* until it runs */
		s.tag.state = WAIT_STOPPED;
	wait__split(&s, d, for_cpu, wait->weight);
	if (gate.wakers_on && slot->state < WAIT_RUNNABLE)
		s.tag.arg = off_cpu__waker(task->pid, d);
	wait__kernel_stack(&p->walk, task, EVENT_OFFCPU, off_cpu__is_new(task));
	if (pending__join(slot, &p->walk, &s)) {
		pending__put(p);
		return 1;
	}
	p->key = s.key;
	p->tag = s.tag;
	p->tid = s.tid;
	p->waker = s.waker;
	p->waker_ns = s.waker_ns;
	p->count = s.count;
	p->value = s.value;
	p->cpu_count = s.cpu_count;
	p->cpu_value = s.cpu_value;
	p->walk.end = off_cpu__no_stack(task);
	if (!p->walk.end && slot->n_pending < PENDING_THREAD &&
	    !bpf_task_work_schedule_resume_impl(task, &p->work, &off_cpu_pending, off_cpu__resumed, NULL)) {
		slot->n_pending++;
		slot->pending = (__u16)at;
		return 1;
	}
	p->walk.end = p->walk.end ?: END_NOT_TAKEN;
	wait__count(&p->walk, &s);
	waker__put(s.waker, s.waker_ns);
	pending__put(p);
	return 1;
}

/*
 * What the wait of d stands for that was decided at its wake-up, where that was not long ago or the place is another's since; 0: it is not taken. How long the first part was is
 * told by the queue then.
 */
static __always_inline __u64 off_cpu__decided(struct task_struct *task, const struct wait_slot *slot,
					      const struct wait_clock *clock, __u64 since, __u64 d)
{
	const struct waker_stack *k = waker__find(slot->waker, task->pid);
	__u64 first;

	if (k)
		return waker__weight(k, slot, since, d);
	if (slot->told && gate.wait_told)
		return d;
	if (slot->waker == WAKER_NOT_TAKEN)
		return 0;
	first = d - wait__queued(slot, task, d);
	return first ? waker__scale(poisson__weight(first, clock->interval_ns), first, d) : 0;
}

/* Is it taken? Then what for; is_hit: see off_cpu__ended. */
static __always_inline __u64 off_cpu__weight(struct task_struct *task, const struct wait_slot *slot,
					     struct wait_clock *clock, __u64 since, __u64 d, int is_hit)
{
	if (slot->waker && slot->waker != WAKER_NO_PLACE)
		return off_cpu__decided(task, slot, clock, since, d);
	if (slot->told && gate.wait_told && wait_clock__has_room(clock))
		return d;
	if (!is_hit)
		wait_clock__pass(clock, d);
	return wait_clock__take(clock, d);
}

/*
 * A wait is over, and may be one that is taken; true: it was. is_hit: a point fell into the stretch that it is the end of; else nobody has counted that down
 * yet.
 */
static __noinline int off_cpu__ended(struct task_struct *task, __u64 now, __u64 stretch,
				     struct wait_clock *clock, int is_hit)
{
	struct wait_slot *slot = wait__find(task->pid);
	const struct waker_stack *k;
	struct taken_wait wait = {};
	__u64 since, began_ns;
	int is_taken;

	if (!slot)
		return 0;
	since = __sync_lock_test_and_set(&slot->since_ns, 0);
	k = waker__find(slot->waker, task->pid);
	if (k) {
		wait.waker = slot->waker;
		wait.waker_ns = k->busy_ns;
	}
	if (since && now > since) {
		wait.d = now - since < stretch ? now - since : stretch;
		wait.weight = off_cpu__weight(task, slot, clock, since, wait.d, is_hit);
	}
	if (!wait.weight) {
		waker__put(wait.waker, wait.waker_ns);
		return 0;
	}
	if (!wait.waker && slot->waker) /* there was no place for it, or another has it by now */
		lose(EVENT_OFFCPU, LOSS_WAKER_STACK, 1);
	began_ns = bpf_ktime_get_ns();
	is_taken = off_cpu__take(task, slot, &wait);
	clock->cost_ns += bpf_ktime_get_ns() - began_ns;
	return is_taken;
}

/* A place for the waits of a thread that has none; NULL: there is none. */
static __noinline struct wait_slot *off_cpu__place(__u32 tid)
{
	struct wait_slot *slot = wait__claim(tid);

	if (!slot) {
		lose(EVENT_OFFCPU, LOSS_WAIT_SLOTS, 1);
		return NULL;
	}
	if (slot->tid != tid) {
		slot->tid = tid;
		slot->away = 0;
	}
	return slot;
}

/* A new thread has left no CPU yet: it has waited for its first one since it was put into the queue. For how long. */
static __noinline __u64 off_cpu__first(struct task_struct *task, __u64 now)
{
	__u64 d = task__queued(task, now);
	struct wait_slot *slot = d ? off_cpu__place(task->pid) : NULL;

	if (!slot)
		return 0;
	slot->told = 0;
	slot->waker = WAKER_UNDECIDED;
	slot->state = WAIT_RUNNABLE;
	slot->since_ns = now - d;
	return d;
}

/* It comes to a CPU. Hardly any wait is more than this. */
static __always_inline int off_cpu__came(struct task_struct *task, __u64 now, struct wait_clock *clock)
{
	__u64 stretch = task__stretch(task, now);
	int is_short;

	is_short = stretch < WAIT_SHORT_NS && !(gate.wakers_on & WAKERS_STACKS);
	if (is_short && wait_clock__pass(clock, stretch))
		return 0;
	if (off_cpu__is_new(task))
		stretch = off_cpu__first(task, now);
	return off_cpu__ended(task, now, stretch, clock, is_short);
}

static __always_inline void off_cpu__left(struct task_struct *task, __u64 now, __u32 away, unsigned int state,
					  int is_preempted)
{
	struct wait_slot *slot = wait__place(task->pid, 0);
	struct throttle *throttle;

	if (!slot || slot->tid != (__u32)task->pid)
		slot = off_cpu__place(task->pid);
	if (!slot)
		return;
	slot->told = 0;
	slot->waker = WAKER_UNDECIDED;
	slot->state = wait__state(task, state, is_preempted);
	slot->delay = wait__delay(task);
	throttle = slot->state == WAIT_THROTTLED ? throttle__at(task->pid) : NULL;
	if (throttle)
		throttle__left(throttle, task, now);
	if (away)
		slot->away += away;
	if (state & TASK_EXITED) {
		slot->away = 0;
		now = 0;
	}
	slot->since_ns = now;
}

/*
 * Its last switch. Since it began to exit it has given back its memory, perhaps for long, and has waited for CPUs as others do. Whose process went before it may have
 * lost what says which process that was; then what was told at first is all.
 */
static __always_inline void off_cpu__exited(struct task_struct *task)
{
	const struct task_struct *leader = task->group_leader;

	if (gate.waits_on && leader->pid == task->tgid)
		thread__end(task);
}

/* What was taken of this CPU since the switch before, while the thread ran that leaves now: in units of 1 << AWAY_SHIFT ns, the rest is left for the next. */
static __noinline __u32 off_cpu__away(struct wait_clock *clock, __u64 away_ns)
{
	__u64 units = (away_ns - clock->away_ns) >> AWAY_SHIFT;

	if (away_ns < clock->away_ns) { /* the hook is new */
		clock->away_ns = away_ns;
		return 0;
	}
	clock->away_ns += units << AWAY_SHIFT;
	return units;
}

/* Is this a switch whose cost is measured? The first ones are, too: they tell those who come through none what the clock of waits is. */
static __always_inline int off_cpu__is_measured(const struct wait_clock *clock)
{
	return clock->n_switches % WAIT_COST_EVERY == 0 ||
	       (bpf_core_field_exists(((struct task_struct *)0)->se.cfs_rq) && !gate.wait_clock_ns);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(off_cpu, _Bool is_preempted, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	const struct rq *rq = task__rq(next);
	__u64 now = off_cpu__now(rq), away_ns = rq__away(rq), began_ns = 0, read_ns = 0;
	__u32 zero = 0, away = 0;
	struct wait_clock *clock = bpf_map_lookup_elem(&wait_clocks, &zero);

	if (!clock)
		return 0;
	clock->n_switches++;
	if (off_cpu__is_measured(clock)) {
		began_ns = bpf_ktime_get_ns();
		gate.wait_clock_ns = began_ns - now;
		read_ns = bpf_ktime_get_ns() - began_ns;
	}
	if ((away_ns - clock->away_ns) >> AWAY_SHIFT)
		away = off_cpu__away(clock, away_ns);
	if (prev->pid) {
		if (prev_state & TASK_EXITED)
			off_cpu__exited(prev);
		off_cpu__left(prev, now, away, prev_state, is_preempted);
	}
	if (next->pid) {
		if (clock->run_queue_skip)
			clock->run_queue_skip--;
		else
			wait__run_queue(clock, next, now);
		if (off_cpu__came(next, now, clock)) {
			clock->n_taken++;
			return 0;
		}
	}
	if (began_ns)
		clock->cost_ns += wait_clock__cost(bpf_ktime_get_ns() - began_ns, read_ns) * WAIT_COST_EVERY;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
