/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * defer - hands a stack to user space where the walk met a process, a mapping or a table that is not known yet.
 *
 * The record takes the walk's state and the stack's bytes from SP up to the first page that cannot be read or STACK_COPY_MAX; user space learns
 * what was missing and takes the walk up there with the same code. So the first samples of a program are whole although nothing is built before it
 * is needed. It is bounded twice: by tokens that the collector refills, and by the ring.
 */
#ifndef EVERPROF_BPF_DEFER_BPF_H
#define EVERPROF_BPF_DEFER_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

#define COPY_PAGE  4096u
#define COPY_PAGES (STACK_COPY_MAX / COPY_PAGE)

struct defer_copy {
	struct unfinished_record *to;
	__u64 from;
	__u32 done;
};

static long defer__copy_page(__u32 i, struct defer_copy *c)
{
	__u32 len = COPY_PAGE - ((__u32)(c->from + c->done) & (COPY_PAGE - 1));
	__u32 done = c->done;

	if (done > STACK_COPY_MAX - COPY_PAGE)
		return 1;
	len &= COPY_PAGE * 2 - 1;
	if (len > COPY_PAGE || len == 0)
		return 1;
	if (bpf_probe_read_user(&c->to->stack[done], len, (const void *)(c->from + done)))
		return 1;
	c->done = done + len;
	return 0;
}

/* Is a walk that ended so worth finishing in user space? */
static __always_inline int defer__wanted(__u8 end)
{
	return end == END_NO_PROCESS || end == END_NO_MAPPING || end == END_NO_ROWS;
}

/* 0: user space has it now; else it has to be counted as it is. */
static __always_inline int defer__send(struct walk *w, const struct task_key *key, __u32 tid, __u64 count,
				       __u64 value)
{
	struct unfinished_record *r;
	struct defer_copy copy;

	if (__sync_fetch_and_add(&gate.defer_tokens, -1) <= 0) {
		lose(LOSS_DEFER_RATE, 1);
		return -1;
	}
	r = bpf_ringbuf_reserve(&unfinished, sizeof(*r), 0);
	if (!r) {
		lose(LOSS_DEFER_RING, 1);
		return -1;
	}
	r->type = RECORD_UNFINISHED;
	r->time_ns = bpf_ktime_get_ns();
	r->key = *key;
	r->tid = tid;
	r->n_kernel = w->n_kernel;
	r->n_user = w->n_words - w->n_kernel;
	r->count = count;
	r->value = value;
	r->cgroup = bpf_get_current_cgroup_id();
	r->pc = w->pc;
	r->sp = w->sp;
	r->fp = w->fp;
	r->stack_at = w->sp - STACK_COPY_BELOW;
	r->end = w->end;
	r->leaf = w->leaf;
	r->fp_unknown = w->fp_unknown;
	__builtin_memset(r->reserved, 0, sizeof(r->reserved));
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	bpf_probe_read_kernel(r->regs, sizeof(r->regs), w->regs);
	bpf_probe_read_kernel(r->words, sizeof(r->words), w->words);
	copy.to = r;
	copy.from = r->stack_at;
	copy.done = 0;
	bpf_loop(COPY_PAGES + 1, defer__copy_page, &copy, 0);
	r->stack_bytes = copy.done;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

#endif
