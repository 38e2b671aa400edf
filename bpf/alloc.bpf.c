// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * alloc - a call of malloc or one of its family, while a window is open: how much, and by which way did it come here?
 *
 * Problem: a probe costs a hundred times what the call costs, so it may be in place for a millisecond at a time only; and in that millisecond it slows down
 *   what it measures.
 * Idea: the collector opens windows at random times, all of one length, and is told what of it each thread spent in probes: so much less of the program was seen.
 *   A thread that slept since its last call may have caught up with as much of that as it slept (a program that works to a timetable starts its next burst
 *   when it would have anyway), or not (one that sleeps for so long whenever it is done): both are kept, and the collector judges.
 *   All calls are counted, by thread. Stacks are taken of some of them, by size (bpf/poisson.h); the interval doubles as samples of the CPU get many, so that a window costs no more for a busy
 *   program, and stays unbiased: each sample weighs by the interval that it was drawn with.
 * calloc may call malloc, realloc jumps to it: a call is an inner one, and not counted, where the last one of its thread has not returned, which shows in its
 *   return address being still in its place, above this one's, and in where this one was made. That no place has two probes is seen to by who puts them there (user/pipeline/probed_files).
 * Invariants: probes of a thread run one after the other, so its alloc_thread is its own. Probes may be preempted by other threads': a CPU's scratch is claimed.
 * Cost: some 0.15 us of ours in some 0.8 us of a probe; 5 to 15 us for a sample.
 */
#include "bpf/maps.bpf.h"
#include "bpf/alloc_cpu.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/user_walk.bpf.h"
#include "bpf/walk_ends.bpf.h"
#include "bpf/poisson.h"
#include "bpf/count.bpf.h"
#include "bpf/defer.bpf.h"

/*
 * A call's return address may stay where it was long after it has returned, until something else is written there. So a call within a call is known by more: what lies between both on the
 * stack, how far from the outer one's entry it was made (a library), and that there are no more of them.
 */
#define ALLOC_FRAME_MAX 512
#define ALLOC_CODE_MAX  (1u << 20)
#define ALLOC_INNER_MAX 2

/* Two per CPU: a probe may be preempted by another thread, which meets one, too. */
#define ALLOC_SCRATCH 2
struct alloc_scratch {
	__u64 busy;
	struct walk walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ALLOC_SCRATCH);
	__type(key, __u32);
	__type(value, struct alloc_scratch);
} alloc_scratch SEC(".maps");

static __always_inline struct alloc_scratch *alloc__claim_scratch(void)
{
	struct alloc_scratch *s;
	__u32 i;

	for (i = 0; i < ALLOC_SCRATCH; i++) {
		__u32 key = i;

		s = bpf_map_lookup_elem(&alloc_scratch, &key);
		if (!s)
			return NULL;
		if (!__sync_val_compare_and_swap(&s->busy, 0, 1))
			return s;
	}
	return NULL;
}

/* The thread's own in this round; NULL where others have all its places. */
static __always_inline struct alloc_thread *alloc__thread(struct task_struct *task, __u32 round)
{
	__u64 owner = (__u64)round << 32 | (__u32)task->pid;
	__u32 i;

	for (i = 0; i < ALLOC_THREAD_TRIES; i++) {
		__u32 at = alloc_thread__place(task->pid, i);
		struct alloc_thread *t = bpf_map_lookup_elem(&alloc_threads, &at);
		__u64 old;

		if (!t)
			return NULL;
		old = t->owner;
		if (old == owner)
			return t;
		if (old >> 32 == round || __sync_val_compare_and_swap(&t->owner, old, owner) != old)
			continue;
		t->last_ns = 0;
		t->debt_ns = 0;
		t->spent_ns = 0;
		t->inside_ns = 0;
		t->sp = 0;
		t->n_inner = 0;
		t->hits = 0;
		t->calls = 0;
		t->bytes = 0;
		t->n_inside = 0;
		t->n_handler = 0;
		t->handler_ns = 0;
		task__key(task, &t->process);
		t->is_wanted = alloc_gate.is_calibration || target__wanted(&t->process);
		t->place = alloc_cpu__find(task->tgid);
		t->sleeps = (__u32)task->nvcsw;
		return t;
	}
	return NULL;
}

/* All are read, and one is taken: a choice of the place to read from would be arithmetic with the context, which the verifier refuses. */
#define ALLOC_TAKE(number, field)                      \
	do {                                           \
		__u64 v = regs->field;                 \
                                                       \
		asm volatile("" : "+r"(v));            \
		taken = which == (number) ? v : taken; \
	} while (0)

/* A register by its number plus 1; 1 for none. */
static __noinline __u64 alloc__register(const struct pt_regs *regs, __u32 which)
{
	__u64 taken = 1;

	ALLOC_TAKE(ALLOC_REG_AX, rax);
	ALLOC_TAKE(ALLOC_REG_CX, rcx);
	ALLOC_TAKE(ALLOC_REG_DX, rdx);
	ALLOC_TAKE(ALLOC_REG_SI, rsi);
	ALLOC_TAKE(ALLOC_REG_DI, rdi);
	ALLOC_TAKE(ALLOC_REG_8, r8);
	return taken;
}

/* False: no allocation, or none that can be. */
static __always_inline int alloc__size(const struct pt_regs *regs, __u32 where, __u64 *ret_size)
{
	__u64 a = alloc__register(regs, where & 0xf), b = alloc__register(regs, where >> 4 & 0xf);

	if (where >> 8 && !a && alloc__register(regs, where >> 8))
		return 0;
	if (a > ALLOC_SIZE_MAX || b > ALLOC_SIZE_MAX)
		return 0;
	if (a > 0xffff &&
	    b > 0xffff) /* the product may not fit: where it does, it is large, and the quotient is exact enough to tell */
		if (b > ALLOC_SIZE_MAX / a)
			return 0;
	*ret_size = a * b;
	return *ret_size <= ALLOC_SIZE_MAX;
}

/* Is the thread's last call still under way, and this one within it? */
static __always_inline int alloc__is_inner(const struct alloc_thread *t, __u64 sp, __u64 ret, __u32 site)
{
	__u64 word;

	if (!t->sp || t->site == site || sp > t->sp || t->sp - sp > ALLOC_FRAME_MAX)
		return 0;
	if (sp == t->sp) /* by a jump */
		return ret == t->ret;
	if (ret - t->ip + ALLOC_CODE_MAX > 2 * ALLOC_CODE_MAX)
		return 0;
	return !bpf_probe_read_user(&word, sizeof(word), (const void *)t->sp) && word == t->ret;
}

/* A sample of a call of `size` whose weight was drawn; n: objects that it stands for, 16 bits after the point. */
static __noinline int alloc__take(struct pt_regs *ctx, __u64 size, __u64 n, __u32 round)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct task_sample s = {
		.task = task,
		.tag = {.event = EVENT_ALLOC, .syscall = SYSCALL_NONE, .arg = round},
		.tid = task->pid,
		/* objects are whole: rounded up as often as what is cut off says */
		.count = (n + (bpf_get_prandom_u32() & 0xffff)) >> 16,
		.value = size * (n >> 16) + (size * (n & 0xffff) >> 16),
	};
	struct alloc_scratch *scratch = alloc__claim_scratch();
	struct walk *w;
	int end;

	if (!scratch) {
		lose(EVENT_ALLOC, LOSS_ALLOC_BUSY, 1);
		return 0;
	}
	w = &scratch->walk;
	task__key(task, &s.key);
	if (current__wanted(w, &s.key)) {
		walk__clear(w);
		end = regs__begin(w, ctx);
		w->end = end ? end : user_walk__on(w);
		if (!defer__wanted(w->end) || defer__send(w, &s)) {
			if (w->derived)
				lose(EVENT_ALLOC, LOSS_DERIVED_RULES, 1);
			walk__end(w);
			count__add(w, &s);
		}
	}
	__sync_lock_test_and_set(&scratch->busy, 0);
	return 0;
}

/* Counts the call down; where it is hit, takes it. */
static __always_inline int alloc__sample(struct pt_regs *ctx, __u64 size, __u32 round)
{
	__u64 k = size + ALLOC_SIZE_BASE, interval, n;
	__u32 zero = 0;
	struct alloc_clock *clock = bpf_map_lookup_elem(&alloc_clocks, &zero);

	if (!clock)
		return 0;
	if (clock->round != round) {
		clock->round = round;
		clock->n_round = 0;
		clock->interval = alloc_gate.interval;
		clock->left = poisson__distance((__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32(),
						clock->interval);
	}
	interval = clock->interval;
	if ((__s64)__sync_fetch_and_add(&clock->left, -k) - (__s64)k >= 0)
		return 0;
	n = (poisson__weight(k, interval) << 16) / k;
	clock->n_samples++;
	if (++clock->n_round % ALLOC_SAMPLES_STEP == 0 && interval < POISSON_INTERVAL_MAX / 2)
		interval *= 2;
	clock->interval = interval;
	clock->left = poisson__distance((__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32(), interval);
	alloc__take(ctx, size, n, round);
	return 1;
}

enum alloc_call { ALLOC_CALL_NONE, ALLOC_CALL_COUNTED, ALLOC_CALL_SAMPLED };

static __always_inline enum alloc_call alloc__call(struct pt_regs *ctx, struct task_struct *task,
						   struct alloc_thread *t, __u64 now)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), sp = ctx->rsp, ret = 0, size;
	__u32 site = (__u32)(cookie >> ALLOC_COOKIE_SITE_SHIFT), slept;

	now -= alloc_gate.begin_ns;
	if (t->sleeps != (__u32)task->nvcsw) {
		t->sleeps = (__u32)task->nvcsw;
		slept = (__u32)now - t->last_ns;
		t->debt_ns = t->debt_ns > slept ? t->debt_ns - slept : 0;
	}
	t->last_ns = (__u32)now;
	bpf_probe_read_user(&ret, sizeof(ret), (const void *)sp);
	if (t->n_inner < ALLOC_INNER_MAX && alloc__is_inner(t, sp, ret, site)) {
		t->n_inner++;
		return ALLOC_CALL_NONE;
	}
	t->n_inner = 0;
	t->sp = sp;
	t->ret = ret;
	t->ip = ctx->rip;
	t->site = site;
	if (!alloc__size(ctx, cookie & ALLOC_COOKIE_SIZE_MASK, &size))
		return ALLOC_CALL_NONE;
	t->calls++;
	t->bytes += size;
	return alloc__sample(ctx, size, alloc_gate.round) ? ALLOC_CALL_SAMPLED : ALLOC_CALL_COUNTED;
}

/* Where CPU time is read, the window is what lies between the two readings, so that calls and CPU time are of the same time. */
static __always_inline int alloc__is_in(const struct alloc_thread *t, __u64 now)
{
	const volatile struct alloc_cpu_slot *s;

	if (now < alloc_gate.begin_ns)
		return 0;
	if (t->place >= ALLOC_FOLLOWED || alloc_gate.is_calibration)
		return now < alloc_gate.end_ns;
	s = &alloc_cpu_table.slots[t->place];
	return s->at_ns[0] && !s->at_ns[1];
}

/* What our program took in a call of the window; what of it was a sample comes on top of what a probe costs. */
static __always_inline __u64 alloc__took(struct alloc_thread *t, enum alloc_call call, __u64 took)
{
	if (call == ALLOC_CALL_SAMPLED)
		return took;
	t->n_handler++;
	t->handler_ns += took < ALLOC_HANDLER_MAX_NS ? took : ALLOC_HANDLER_MAX_NS;
	return 0;
}

SEC("?uprobe")
int alloc(struct pt_regs *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u64 now = bpf_ktime_get_ns(), cost = alloc_gate.cost_ns, switches = task->nvcsw + task->nivcsw;
	struct alloc_thread *t = alloc__thread(task, alloc_gate.round);
	enum alloc_call call = ALLOC_CALL_NONE;
	int is_in;

	if (!t) {
		lose(EVENT_ALLOC, LOSS_ALLOC_THREADS, 1);
		return 0;
	}
	is_in = alloc__is_in(t, now);
	if (is_in && t->is_wanted)
		call = alloc__call(ctx, task, t, now);
	if (call != ALLOC_CALL_NONE && task->nvcsw + task->nivcsw == switches)
		cost += alloc__took(t, call, bpf_ktime_get_ns() - now);
	t->hits++;
	t->spent_ns += (__u32)cost;
	if (is_in) {
		t->n_inside++;
		t->inside_ns += (__u32)cost;
		t->debt_ns += (__u32)cost;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
