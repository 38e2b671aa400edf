/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * defer - hands a stack to user space where the walk met a process, a mapping or a table that is not known yet.
 *
 * The record takes the walk's state and the stack's bytes from SP up to where the thread's stack begins, or if that is not known the first page that cannot be read, or
 * STACK_COPY_MAX; user space learns what was missing and takes the walk up there with the same code. So the first samples of a program are whole although nothing is built before it
 * is needed. What is deeper is mostly so by one frame with a large array (rustc has one of half a megabyte, 50 KiB from the root), so of such a stack the piece where it begins is
 * taken, too. It is bounded twice: by tokens that the collector refills, and by the ring.
 */
#ifndef EVERPROF_BPF_DEFER_BPF_H
#define EVERPROF_BPF_DEFER_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/unfinished.h"
#include "bpf/walk.h"

#define COPY_PAGE  4096u
#define COPY_PAGES (STACK_COPY_MAX / COPY_PAGE)
#define ROOT_PAGES (STACK_ROOT_MAX / COPY_PAGE)

#define DEFER_START_UNKNOWN (~0ull)

/* What is said to begin further up is another stack: this one is of a signal handler, or a coroutine's. */
#define DEPTH_MAX (8u << 20)
/* Deep stacks leave half of the ring to others: of those it holds ten times as many. */
#define DEEP_RING_SHARE 2

/* What is further up than any stack is not where this one begins. */
static __always_inline __u64 defer__stack_start(const struct walk *w, const struct task_sample *s)
{
	__u64 start = task__stack_start(s->task, w->sp);

	return start - w->sp > DEPTH_MAX ? DEFER_START_UNKNOWN : start;
}

/*
 * A page that cannot be read is taken for the end of the stack, but for one below SP. Where it is known how far the stack goes it is one that nobody wrote to, as in the middle of
 * an array, or with SP at the lower end of one that is about to be filled: zeros, which is what a read that fails leaves.
 */
static __always_inline int defer__ends_at(__u64 start, __u32 done, __u32 len)
{
	return start == DEFER_START_UNKNOWN && done + len > STACK_COPY_BELOW;
}

struct defer_copy {
	struct unfinished_record *to;
	__u64 from, end;
	__u32 done;
};

static long defer__copy_page(__u32 i, struct defer_copy *c)
{
	__u32 len = COPY_PAGE - ((__u32)(c->from + c->done) & (COPY_PAGE - 1));
	__u32 done = c->done;

	if (done > STACK_COPY_MAX - COPY_PAGE || c->from + done >= c->end)
		return 1;
	len &= COPY_PAGE * 2 - 1;
	if (len > COPY_PAGE || len == 0)
		return 1;
	if (bpf_probe_read_user(&c->to->stack[done], len, (const void *)(c->from + done)) &&
	    defer__ends_at(c->end, done, len))
		return 1;
	c->done = done + len;
	return 0;
}

static long defer__copy_root_page(__u32 i, struct defer_copy *c)
{
	__u32 done = c->done;

	if (done > STACK_ROOT_MAX - COPY_PAGE)
		return 1;
	bpf_probe_read_user(&c->to->root[done], COPY_PAGE, (const void *)(c->from + done));
	c->done = done + COPY_PAGE;
	return 0;
}

/* For a record of STACK_COPY_SMALL: to the end of the page of SP, and two more. */
static __always_inline __u32 defer__copy_small(struct unfinished_record *r, __u64 start)
{
	const __u8 *from = (const __u8 *)r->stack_at;
	__u32 first = COPY_PAGE - ((__u32)r->stack_at & (COPY_PAGE - 1));

	first &= COPY_PAGE * 2 - 1;
	if (first == 0 || first > COPY_PAGE)
		return 0;
	if (bpf_probe_read_user(r->stack, first, from) && defer__ends_at(start, 0, first))
		return 0;
	if (bpf_probe_read_user(r->stack + first, COPY_PAGE, from + first) &&
	    defer__ends_at(start, first, COPY_PAGE))
		return first;
	if (bpf_probe_read_user(r->stack + first + COPY_PAGE, COPY_PAGE, from + first + COPY_PAGE) &&
	    start == DEFER_START_UNKNOWN)
		return first + COPY_PAGE;
	return first + 2 * COPY_PAGE;
}

static __always_inline void defer__copy_large(struct unfinished_record *r, __u64 start)
{
	struct defer_copy copy = {.to = r, .from = r->stack_at, .end = start};

	bpf_loop(COPY_PAGES + 1, defer__copy_page, &copy, 0);
	r->stack_bytes = copy.done;
}

/* Whole pages, the last of which has the stack's first word. */
static __always_inline void defer__copy_root(struct unfinished_record *r, __u64 start)
{
	__u64 end = (start + COPY_PAGE - 1) & ~(__u64)(COPY_PAGE - 1);
	struct defer_copy copy = {.to = r, .from = end - STACK_ROOT_MAX};

	r->root_at = copy.from;
	bpf_loop(ROOT_PAGES, defer__copy_root_page, &copy, 0);
	r->root_bytes = copy.done;
}

/* Everything but the stack. */
static __always_inline void defer__fill(struct unfinished_record *r, struct walk *w,
					const struct task_sample *s)
{
	r->type = RECORD_UNFINISHED;
	r->time_ns = bpf_ktime_get_ns();
	r->key = s->key;
	r->tag = s->tag;
	r->tid = s->tid;
	r->n_kernel = w->n_kernel;
	r->n_user = w->n_words - w->n_kernel;
	r->count = s->count;
	r->value = s->value;
	r->cpu_count = s->cpu_count;
	r->cpu_value = s->cpu_value;
	r->cgroup = task__cgroup(s->task);
	r->pc = w->pc;
	r->sp = w->sp;
	r->fp = w->fp;
	r->stack_at = w->sp - STACK_COPY_BELOW;
	r->end = w->end;
	r->leaf = w->leaf;
	r->fp_unknown = w->fp_unknown;
	r->rbx_known = w->rbx_known;
	r->unchecked = w->unchecked;
	r->root_bytes = 0;
	r->derived = w->derived;
	r->n_outer = w->n_outer;
	task__comm(s->task, r->comm);
	bpf_probe_read_kernel(r->outer, sizeof(r->outer), w->outer);
	bpf_probe_read_kernel(r->regs, sizeof(r->regs), w->regs);
	bpf_probe_read_kernel(r->words, sizeof(r->words), w->words);
}

/* Does the stack end within a small record? */
static __always_inline int defer__is_small(const struct walk *w, __u64 start)
{
	__u64 end = ((w->sp - STACK_COPY_BELOW) & ~(__u64)(COPY_PAGE - 1)) + STACK_COPY_SMALL;
	__u8 byte;

	if (start != DEFER_START_UNKNOWN)
		return start <= end;
	return bpf_probe_read_user(&byte, sizeof(byte), (const void *)end) != 0;
}

/* Is a walk that ended so worth finishing in user space? */
static __always_inline int defer__wanted(__u8 end)
{
	return end == END_NO_PROCESS || end == END_NO_MAPPING || end == END_NO_ROWS;
}

/* May one more stack go to user space? What comes in bursts (page faults of new processes) leaves to samples of CPU time what is kept for them. */
static __always_inline int defer__take_token(enum event event)
{
	if (event != EVENT_CPU && gate.defer_tokens <= (__s64)gate.defer_kept)
		return 0;
	return __sync_fetch_and_add(&gate.defer_tokens, -1) > 0;
}

static __always_inline struct unfinished_record *defer__reserve_deep(const struct walk *w, __u64 start)
{
	/* of the first page only a part counts */
	if (start == DEFER_START_UNKNOWN || start - w->sp <= STACK_COPY_MAX - COPY_PAGE - STACK_COPY_BELOW ||
	    bpf_ringbuf_query(&unfinished, BPF_RB_AVAIL_DATA) > UNFINISHED_BYTES / DEEP_RING_SHARE)
		return NULL;
	return bpf_ringbuf_reserve(&unfinished, sizeof(struct unfinished_record), 0);
}

/* 0: user space has it now; else it has to be counted as it is. What finds no room is tried as less: its upper end is better than nothing. */
static __noinline int defer__send(struct walk *w, const struct task_sample *s)
{
	__u64 start = defer__stack_start(w, s);
	struct unfinished_record *r;

	if (!defer__take_token(s->tag.event)) {
		lose(s->tag.event, LOSS_DEFER_RATE, 1);
		return -1;
	}
	r = defer__reserve_deep(w, start);
	if (r) {
		defer__fill(r, w, s);
		defer__copy_large(r, start);
		defer__copy_root(r, start);
		bpf_ringbuf_submit(r, 0);
		return 0;
	}
	if (!defer__is_small(w, start))
		r = bpf_ringbuf_reserve(&unfinished, offsetof(struct unfinished_record, root), 0);
	if (r) {
		defer__fill(r, w, s);
		defer__copy_large(r, start);
		bpf_ringbuf_submit(r, 0);
		return 0;
	}
	r = bpf_ringbuf_reserve(&unfinished, offsetof(struct unfinished_record, stack) + STACK_COPY_SMALL, 0);
	if (!r) {
		lose(s->tag.event, LOSS_DEFER_RING, 1);
		return -1;
	}
	defer__fill(r, w, s);
	r->stack_bytes = defer__copy_small(r, start);
	bpf_ringbuf_submit(r, 0);
	return 0;
}

#endif
