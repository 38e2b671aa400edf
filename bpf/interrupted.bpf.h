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
#include "bpf/regs.bpf.h"
#include "bpf/mapping.bpf.h"
#include "bpf/unwind_table.bpf.h"
#include "bpf/user_stack.bpf.h"
#include "bpf/unwind.bpf.h"
#include "bpf/walk_ends.bpf.h"

struct walk_loop {
	struct walk *walk;
	int end;
};

/* Global, so that the verifier looks at a step once, and not for each way by which the walk begins. */
__attribute__((weak, noinline)) int interrupted__frame(struct walk *w)
{
	return w ? unwind__step(w) : END_DEPTH;
}

static long interrupted__step(__u32 i, struct walk_loop *loop)
{
	loop->end = interrupted__frame(loop->walk);
	return loop->end != UNWIND_CONTINUE;
}

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
	struct walk_loop loop = {.walk = w, .end = UNWIND_CONTINUE};
	struct pt_regs regs;
	int end;

	if (task->flags & PF_KTHREAD)
		return END_KERNEL_THREAD;
	if (!task->mm)
		return END_EXITING;
	if (regs__in_user_mode(&ctx->regs)) {
		end = regs__begin(w, &ctx->regs);
	} else {
		const void *at = (const void *)bpf_task_pt_regs(task);

		if (bpf_probe_read_kernel(&regs, sizeof(regs), at))
			return END_NO_REGS;
		end = regs__begin(w, &regs);
	}
	if (end)
		return end;
	mapping__begin(w);
	user_stack__begin(w);
	bpf_loop(WALK_FRAMES_MAX, interrupted__step, &loop, 0);
	return loop.end == UNWIND_CONTINUE ? END_DEPTH : loop.end;
}

/* The whole stack into w, and in w->end why it ends. */
static __always_inline void interrupted__stack(struct bpf_perf_event_data *ctx, struct walk *w,
					       struct task_struct *task, __u32 event)
{
	w->hash = 0;
	w->n_words = 0;
	w->n_kernel = 0;
	w->n_outer = 0;
	w->derived = 0;
	w->sp = 0;
	if (!regs__in_user_mode(&ctx->regs))
		interrupted__kernel_stack(ctx, w, event);
	w->end = interrupted__user_stack(ctx, w, task);
	if (!end_is_complete(w->end) && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve))
		w->end = END_EXEC;
}

#endif
