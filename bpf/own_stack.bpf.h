/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * own_stack - both stacks of the thread that runs, where it came by a tracepoint within a system call of its own.
 *
 * Nothing may be brought into memory here, so stacks are read as they are.
 */
#ifndef EVERPROF_BPF_OWN_STACK_BPF_H
#define EVERPROF_BPF_OWN_STACK_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/user_walk.bpf.h"
#include "bpf/walk_ends.bpf.h"

/*
 * On top of the kernel's part lie this program and what the kernel runs programs with. Where more than one listens to the tracepoint there is one more,
 * which the namer knows by its name (user/pipeline/naming).
 */
#define OWN_STACK_SKIP 2

#define KERNEL_STACK_MAX 32768 /* 16 KiB, twice that where the kernel watches its own accesses */

/*
 * Interrupts run on a stack of their own, and what a tracepoint hands over lies on the stack that runs. The count of preemption would say it too, but
 * not every kernel shows where that is.
 */
static __always_inline int own_stack__is_interrupt(void *ctx, struct task_struct *task)
{
	__u64 at = (__u64)ctx - (__u64)task; /* of two pointers this is a number, on all kernels */

	barrier_var(at);
	return at + bpf_get_current_task() - (__u64)task->stack >= KERNEL_STACK_MAX;
}

static __always_inline void own_stack__kernel(void *ctx, struct walk *w, __u32 event)
{
	long bytes;

	if (!settings.kernel_stacks || !gate.kernel_stacks)
		return;
	bytes = bpf_get_stack(ctx, w->words, KERNEL_FRAMES_MAX * sizeof(__u64), OWN_STACK_SKIP);
	if (bytes <= 0) {
		lose(event, LOSS_KERNEL_STACK, 1);
		return;
	}
	walk__take_kernel(w, (__u32)bytes / sizeof(__u64), 0);
}

/* ctx: the tracepoint's. Into w, and in w->end why it ends. */
static __always_inline void own_stack__take(void *ctx, struct walk *w, struct task_struct *task, __u32 event)
{
	walk__clear(w);
	own_stack__kernel(ctx, w, event);
	w->end = user_walk__entered(w, task);
}

#endif
