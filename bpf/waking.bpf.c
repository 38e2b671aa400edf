// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * waking - a thread is woken: who does it, and on request: in which stack?
 *
 * Counts waits for locks of user space as well, each: a short one is sampled so seldom that nobody could tell how many there were.
 * In place only while somebody asks who ended waits, or who held locks. The first is a word beside the wait; a stack is taken of those waits alone that
 * are taken themselves (bpf/waker.bpf.h).
 * Cost: 100 ns a wake-up; 10 us one whose wait is taken, if stacks are wanted. The scheduler holds the woken thread's lock meanwhile, and interrupts are off.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/own_stack.bpf.h"
#include "bpf/wait.bpf.h"
#include "bpf/wait_clock.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} waking_walk SEC(".maps");

/* An interrupt of user space runs on the thread's own stack, which then is in no system call; so is who handles a page fault, and both count as interrupts. */
static __always_inline int waking__is_by_interrupt(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	if (own_stack__is_interrupt(ctx, task))
		return 1;
	return !(task->flags & PF_KERNEL_ONLY) && wait__syscall(task) == SYSCALL_NONE;
}

/* User space is asked for what the walk lacked. */
static __always_inline void waking__learn(struct walk *w, struct task_struct *task,
					  const struct task_key *key)
{
	struct task_sample s = {
		.task = task,
		.key = *key,
		.tag = {.event = EVENT_OFFCPU, .state = WAIT_MAX, .syscall = SYSCALL_NONE},
		.tid = task->pid,
	};

	defer__send(w, &s);
}

/* The stack of who runs, into its place. */
static __noinline int waking__take(void *ctx, struct waker_stack *k, struct task_struct *woken,
				   __u32 is_interrupt)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 zero = 0, n;
	struct walk *w = bpf_map_lookup_elem(&waking_walk, &zero);
	struct task_key key;

	if (!w)
		return 0;
	task__key(task, &key);
	current__wanted(w, &key); /* its mappings; whether it is wanted itself does not matter */
	walk__clear(w);
	own_stack__kernel(ctx, w, EVENT_OFFCPU);
	w->end = is_interrupt ? END_INTERRUPT : user_walk__entered(w, task);
	if (defer__wanted(w->end))
		waking__learn(w, task, &key);
	walk__end(w);
	n = w->n_words;
	if (n > WAKER_WORDS_MAX - 1)
		n = WAKER_WORDS_MAX - 1;
	if (bpf_probe_read_kernel(&k->words[1], n * sizeof(__u64), w->words))
		n = 0;
	if (n == WAKER_WORDS_MAX - 1)
		k->words[WAKER_WORDS_MAX - 1] = frame_of_cut(END_DEPTH);
	k->words[0] = task->tgid == woken->tgid ? FRAME_WOKEN_BY : FRAME_WOKEN_BY_AWAY;
	k->hash = walk_mix(w->hash, k->words[0]);
	k->n_words = n + 1;
	return 0;
}

/* Is the wait taken that ends now? Then it gets the waker's stack, if anybody asked for who waited. */
static __always_inline void waking__decide(void *ctx, struct task_struct *woken, struct wait_slot *slot,
					   __u64 now, __u32 is_interrupt)
{
	__u64 began = slot->since_ns, d, weight;
	struct wait_clock *clock;
	struct waker_stack *k;
	struct task_key key;
	__u32 zero = 0, at;
	int is_decided;

	clock = bpf_map_lookup_elem(&wait_clocks, &zero);
	if (!clock || !began || now <= began || slot->waker)
		return;
	d = weight = now - began;
	is_decided = slot->told && gate.wait_told;
	task__key(woken, &key);
	if ((!is_decided && clock->left_ns >= (__s64)d) || !target__wanted(&key)) {
		wait_clock__pass(clock, d);
		slot->waker = WAKER_NOT_TAKEN;
		return;
	}
	at = waker__claim(now);
	k = at ? waker__stack(at) : NULL;
	if (!k) {
		slot->waker = WAKER_NO_PLACE; /* it is decided when it runs */
		return;
	}
	if (!is_decided) {
		wait_clock__pass(clock, d);
		weight = wait_clock__take(clock, d);
	}
	if (!weight) {
		waker__put(at, now);
		slot->waker = WAKER_NOT_TAKEN;
		return;
	}
	k->began_ns = began;
	k->tid = woken->pid;
	k->d = d;
	k->weight = weight;
	waking__take(ctx, k, woken, is_interrupt);
	slot->waker = at;
}

/* The place of a thread that somebody asked for; NULL: those where it may be are others'. */
static __always_inline struct futex_count *waking__futex_count(struct task_struct *task)
{
	__u32 tid = task->pid, at = wait_place(tid, 0, FUTEX_COUNTS);
	struct futex_count *f = bpf_map_lookup_elem(&futex_counts, &at);
	struct task_key key;

	if (f && f->tid && f->tid != tid) {
		at = wait_place(tid, 1, FUTEX_COUNTS);
		f = bpf_map_lookup_elem(&futex_counts, &at);
	}
	if (!f || f->tid == tid)
		return f;
	task__key(task, &key);
	if (f->tid || !target__wanted(&key))
		return NULL;
	f->tid = tid;
	return f;
}

/* How long each is, samples tell; how many they are, nothing else does where they are short. */
static __noinline int waking__count_futex(struct task_struct *task)
{
	struct futex_count *f;

	if (!task__sleeps(task) || /* who has not left its CPU yet does not, now */
	    !(task->__state & TASK_INTERRUPTIBLE) || !IS_FUTEX(wait__syscall(task)))
		return 0;
	f = waking__futex_count(task);
	if (f)
		f->n++;
	return 0;
}

SEC("?tp_btf/sched_waking")
int BPF_PROG(waking, struct task_struct *task)
{
	__u64 now = bpf_ktime_get_ns();
	struct wait_waker *w = wait__waker(task->pid, 0);
	struct wait_slot *slot;
	__u32 is_interrupt;

	if (gate.wakers_on & WAKERS_FUTEX)
		waking__count_futex(task);
	if (!w)
		return 0;
	is_interrupt = waking__is_by_interrupt(ctx);
	w->at_us = (__u32)(now >> 10);
	w->tid = is_interrupt ? WAKER_INTERRUPT : (__u32)bpf_get_current_pid_tgid();
	slot = gate.wakers_on & WAKERS_STACKS ? wait__find(task->pid) : NULL;
	if (slot)
		waking__decide(ctx, task, slot, wait__now(now), is_interrupt);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
