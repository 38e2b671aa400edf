/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * defer - hands a stack to user space where the walk met a process, a mapping or a table that is not known yet.
 *
 * The record takes the walk's state and the stack's pages from SP up to where the thread's stack begins, or if that is not known to the first page that cannot be read; user space
 * learns what was missing and takes the walk up there with the same code. So the first samples of a program are whole although nothing is built before it is needed. A record is as
 * long as its stack, up to STACK_WHOLE_MAX. What is deeper is mostly so by one frame with a large array (rustc has one of half a megabyte, 50 KiB from the root), so of such a stack the
 * piece where it begins is taken, too; as is that of a thread's own stack where a signal's handler runs on another one. It is bounded twice: by tokens that the collector refills, and by
 * the ring.
 *
 * The pages are copied into a part of the ring whose size is known only now (a dynptr, Linux 5.19), which the verifier follows by page.
 */
#ifndef EVERPROF_BPF_DEFER_BPF_H
#define EVERPROF_BPF_DEFER_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/unfinished.h"
#include "bpf/walk.h"

#define COPY_PAGE  4096u
#define PAGE_OF(x) ((x) & ~(__u64)(COPY_PAGE - 1))

#define WHOLE_PAGES (STACK_WHOLE_MAX / COPY_PAGE)
#define COPY_PAGES  (STACK_COPY_MAX / COPY_PAGE + 1) /* SP is somewhere in the first one */
#define SMALL_PAGES (STACK_COPY_SMALL / COPY_PAGE)
#define ROOT_PAGES  (STACK_ROOT_MAX / COPY_PAGE)

/* What is said to begin further up is another stack: this one is of a coroutine. */
#define DEPTH_MAX (8u << 20)
/* Deep stacks leave half of the ring to others: of those it holds ten times as many. */
#define DEEP_RING_SHARE 2

/* Two pieces of a stack, in whole pages; n of the other one may be 0. */
struct defer_pieces {
	__u64 at, root_at;
	__u32 n, n_root;
};

/* How many pages can be read, one after the other, up or down from `at`. */
struct defer_look {
	__u64 at, sp;
	__s64 step;
	__u32 n;
};

static long defer__look_at_page(__u32 i, struct defer_look *look)
{
	__u64 at = look->at + i * look->step;
	__u8 byte;

	/* one below SP may be one that nobody wrote to */
	if (bpf_probe_read_user(&byte, sizeof(byte), (const void *)at) && at + COPY_PAGE - 1 >= look->sp)
		return 1;
	look->n = i + 1;
	return 0;
}

static __always_inline __u32 defer__readable(__u64 at, __u64 sp, __u32 max, __s64 step)
{
	struct defer_look look = {.at = at, .sp = sp, .step = step};

	bpf_loop(max, defer__look_at_page, &look, 0);
	return look.n;
}

/* Upwards, to `end`, at most `max`. */
static __always_inline __u32 defer__pages_to(__u64 at, __u64 end, __u32 max)
{
	__u64 n = (end - at + COPY_PAGE - 1) / COPY_PAGE;

	return n < max ? (__u32)n : max;
}

/* Which pages, where there is room for all that may be wanted. */
static __always_inline void defer__plan(const struct walk *w, struct task_struct *task,
					struct defer_pieces *p)
{
	__u64 other = task__other_stack_end(task, w->sp);
	__u64 start = other ? task__own_stack_start(task) : task__stack_start(task, w->sp);
	__u64 root_end = PAGE_OF(start + COPY_PAGE - 1);

	p->at = PAGE_OF(w->sp - STACK_COPY_BELOW);
	p->n_root = 0;
	if (other) {
		p->n = defer__pages_to(p->at, other, COPY_PAGES);
		/* how deep its own stack was when it was left nobody says: as far down as it was written to */
		p->n_root = defer__readable(root_end - COPY_PAGE, 0, ROOT_PAGES, -(__s64)COPY_PAGE);
	} else if (start - w->sp > DEPTH_MAX) {
		p->n = defer__readable(p->at, w->sp, COPY_PAGES, COPY_PAGE);
	} else if (start - p->at <= STACK_WHOLE_MAX) {
		p->n = defer__pages_to(p->at, start, WHOLE_PAGES);
	} else {
		p->n = COPY_PAGES;
		p->n_root = ROOT_PAGES;
	}
	p->root_at = root_end - (__u64)p->n_root * COPY_PAGE;
}

struct defer_copy {
	struct bpf_dynptr *to;
	__u64 from;
	__u32 at; /* in the record */
};

/* What cannot be read is a page that nobody wrote to, as in the middle of an array, or with SP at the lower end of one that is about to be filled: zeros, which is what a read that fails leaves. */
static long defer__copy_page(__u32 i, struct defer_copy *c)
{
	void *to = bpf_dynptr_data(c->to, c->at + i * COPY_PAGE, COPY_PAGE);

	if (!to)
		return 1;
	bpf_probe_read_user(to, COPY_PAGE, (const void *)(c->from + i * COPY_PAGE));
	return 0;
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
	r->end = w->end;
	r->leaf = w->leaf;
	r->fp_unknown = w->fp_unknown;
	r->rbx_known = w->rbx_known;
	r->near_leaf = w->near_leaf;
	r->unchecked = w->unchecked;
	r->derived = w->derived;
	r->n_outer = w->n_outer;
	task__comm(s->task, r->comm);
	bpf_probe_read_kernel(r->outer, sizeof(r->outer), w->outer);
	bpf_probe_read_kernel(r->regs, sizeof(r->regs), w->regs);
	bpf_probe_read_kernel(r->words, sizeof(r->words), w->words);
}

/* Is a walk that ended so worth finishing in user space? */
static __always_inline int defer__wanted(__u8 end)
{
	return end == END_NO_PROCESS || end == END_NO_MAPPING || end == END_NO_ROWS;
}

/*
 * May one more stack go to user space? What comes in bursts (page faults of new processes) leaves to samples of CPU time what is kept for them. The work is in the frames, so a deep one
 * is as many as it is longer than others.
 */
static __always_inline int defer__take_token(enum event event, __u32 n_pages)
{
	if (event != EVENT_CPU && gate.defer_tokens <= (__s64)gate.defer_kept)
		return 0;
	return __sync_fetch_and_add(&gate.defer_tokens, -1 - (__s64)(n_pages / COPY_PAGES)) > 0;
}

/* Room for so many pages of stack. It is to be given back in any case. */
static __always_inline int defer__reserve(struct bpf_dynptr *to, __u32 n_pages)
{
	return bpf_ringbuf_reserve_dynptr(
		&unfinished, offsetof(struct unfinished_record, stack) + n_pages * COPY_PAGE, 0, to);
}

/* What finds no room is tried as less: its inner end is better than nothing. */
static __always_inline int defer__find_room(struct bpf_dynptr *to, struct defer_pieces *p)
{
	if (p->n + p->n_root <= COPY_PAGES ||
	    bpf_ringbuf_query(&unfinished, BPF_RB_AVAIL_DATA) <= UNFINISHED_BYTES / DEEP_RING_SHARE) {
		if (!defer__reserve(to, p->n + p->n_root))
			return 0;
		bpf_ringbuf_discard_dynptr(to, 0);
	}
	p->n_root = 0;
	p->n = p->n < COPY_PAGES ? p->n : COPY_PAGES;
	if (!defer__reserve(to, p->n))
		return 0;
	bpf_ringbuf_discard_dynptr(to, 0);
	p->n = p->n < SMALL_PAGES ? p->n : SMALL_PAGES;
	return defer__reserve(to, p->n);
}

static __always_inline void defer__copy(struct bpf_dynptr *to, const struct defer_pieces *p)
{
	struct defer_copy copy = {.to = to, .from = p->at, .at = offsetof(struct unfinished_record, stack)};

	bpf_loop(p->n, defer__copy_page, &copy, 0);
	copy.at += p->n * COPY_PAGE;
	copy.from = p->root_at;
	bpf_loop(p->n_root, defer__copy_page, &copy, 0);
}

/* 0: user space has it now; else it has to be counted as it is. Global: the verifier looks at it once, and not for each way by which a walk may have ended. */
__attribute__((weak, noinline)) int defer__send(struct walk *w, struct task_sample *s)
{
	struct unfinished_record *r;
	struct defer_pieces pieces;
	struct bpf_dynptr to;

	if (!w || !s)
		return -1;
	defer__plan(w, s->task, &pieces);
	if (!defer__take_token(s->tag.event, pieces.n + pieces.n_root)) {
		lose(s->tag.event, LOSS_DEFER_RATE, 1);
		return -1;
	}
	if (defer__find_room(&to, &pieces) ||
	    !(r = bpf_dynptr_data(&to, 0, offsetof(struct unfinished_record, stack)))) {
		bpf_ringbuf_discard_dynptr(&to, 0);
		lose(s->tag.event, LOSS_DEFER_RING, 1);
		return -1;
	}
	defer__fill(r, w, s);
	r->stack_at = pieces.at;
	r->stack_bytes = pieces.n * COPY_PAGE;
	r->root_at = pieces.root_at;
	r->root_bytes = pieces.n_root * COPY_PAGE;
	defer__copy(&to, &pieces);
	bpf_ringbuf_submit_dynptr(&to, 0);
	return 0;
}

#endif
