/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * user_walk - the whole user stack of a thread, from its registers or from where it entered the kernel.
 *
 * How memory is read depends on who includes this (user_stack.bpf.h): the frame that reads it as it is is a global function, which the verifier looks at
 * once and not for each way by which a walk begins. Global functions are linked once, so whoever may bring pages in has a frame of its own.
 */
#ifndef EVERPROF_BPF_USER_WALK_BPF_H
#define EVERPROF_BPF_USER_WALK_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/regs.bpf.h"
#include "bpf/mapping.bpf.h"
#include "bpf/unwind_table.bpf.h"
#ifdef USER_STACK_READ
#define USER_WALK_FRAME static __always_inline
#else
#define USER_WALK_FRAME __attribute__((weak, noinline))
#endif
#include "bpf/user_stack.bpf.h"
#include "bpf/unwind.bpf.h"

struct walk_loop {
	struct walk *walk;
	int end;
};

USER_WALK_FRAME int user_walk__frame(struct walk *w)
{
	return w ? unwind__step(w) : END_DEPTH;
}

static long user_walk__step(__u32 i, struct walk_loop *loop)
{
	loop->end = user_walk__frame(loop->walk);
	return loop->end != UNWIND_CONTINUE;
}

/* Those with which the task entered the kernel. 0, or the end reason. */
static __noinline int regs__entered(struct walk *w, struct task_struct *task)
{
	/* in the window, which is empty yet: on the stack of the program they would take a third of all */
	struct pt_regs *regs = (struct pt_regs *)w->window;

	_Static_assert(sizeof(*regs) <= sizeof(w->window), "registers fit");
	if (bpf_probe_read_kernel(regs, sizeof(*regs), (const void *)bpf_task_pt_regs(task)))
		return END_NO_REGS;
	return regs__begin(w, regs);
}

/* On from the registers that were put into w; why it ended. */
static __always_inline __u8 user_walk__on(struct walk *w)
{
	struct walk_loop loop = {.walk = w, .end = UNWIND_CONTINUE};

	mapping__begin(w);
	user_stack__begin(w);
	bpf_loop(WALK_FRAMES_MAX, user_walk__step, &loop, 0);
	return loop.end == UNWIND_CONTINUE ? END_DEPTH : loop.end;
}

/* Of the thread that runs, from where it entered the kernel. */
static __always_inline __u8 user_walk__entered(struct walk *w, struct task_struct *task)
{
	int end;

	if (task->flags & PF_KERNEL_ONLY)
		return END_KERNEL_THREAD;
	if (!task->mm)
		return END_EXITING;
	end = regs__entered(w, task);
	return end ? end : user_walk__on(w);
}

#endif
