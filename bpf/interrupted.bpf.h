/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * interrupted - the stack of what a perf event interrupted: the kernel's frames from there, and the user stack below them.
 *
 * Nothing may be brought into memory here, so stacks are read as they are.
 */
#ifndef EVERPROF_BPF_INTERRUPTED_BPF_H
#define EVERPROF_BPF_INTERRUPTED_BPF_H

#ifdef USER_STACK_READ
#error "a global function is linked once: its reader is that of perf events"
#endif

#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/user_walk.bpf.h"
#include "bpf/walk_ends.bpf.h"

static __always_inline void interrupted__kernel_stack(struct bpf_perf_event_data *ctx, struct walk *w,
						      __u32 event)
{
	long bytes;

	if (!settings.kernel_stacks || !gate.kernel_stacks)
		return;
	bytes = bpf_get_stack(ctx, w->words, KERNEL_FRAMES_MAX * sizeof(__u64), 0);
	if (bytes <= 0) {
		lose(event, LOSS_KERNEL_STACK, 1);
		return;
	}
	walk__take_kernel(w, (__u32)bytes / sizeof(__u64), 1);
}

static __always_inline __u8 interrupted__user_stack(struct bpf_perf_event_data *ctx, struct walk *w,
						    struct task_struct *task)
{
	int end;

	if (task->flags & PF_KERNEL_ONLY)
		return END_KERNEL_THREAD;
	if (!task->mm)
		return END_EXITING;
	end = regs__in_user_mode(&ctx->regs) ? regs__begin(w, &ctx->regs) : regs__entered(w, task);
	return end ? end : user_walk__on(w);
}

/* The whole stack into w, and in w->end why it ends. */
static __always_inline void interrupted__stack(struct bpf_perf_event_data *ctx, struct walk *w,
					       struct task_struct *task, __u32 event)
{
	walk__clear(w);
	if (!regs__in_user_mode(&ctx->regs))
		interrupted__kernel_stack(ctx, w, event);
	w->end = interrupted__user_stack(ctx, w, task);
	if (!end_is_complete(w->end) && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve))
		w->end = END_EXEC;
}

#endif
