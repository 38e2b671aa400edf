/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * regs - the user-space registers of the task that was interrupted, x86-64.
 *
 * Interrupted in user mode they are the interrupt's own; interrupted in the kernel they lie where the task entered it, at the top of its kernel stack.
 */
#ifndef EVERPROF_BPF_REGS_BPF_H
#define EVERPROF_BPF_REGS_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

#define USER_CS_64 0x33
#define USER_CS_32 0x23

static __always_inline int regs__in_user_mode(const struct pt_regs *regs)
{
	return (regs->cs & 3) == 3;
}

/* By DWARF number. */
static __always_inline void regs__copy(__u64 to[REGS_N], const struct pt_regs *regs)
{
	to[0] = regs->rax;
	to[1] = regs->rdx;
	to[2] = regs->rcx;
	to[3] = regs->rbx;
	to[4] = regs->rsi;
	to[5] = regs->rdi;
	to[6] = regs->rbp;
	to[7] = regs->rsp;
	to[8] = regs->r8;
	to[9] = regs->r9;
	to[10] = regs->r10;
	to[11] = regs->r11;
	to[12] = regs->r12;
	to[13] = regs->r13;
	to[14] = regs->r14;
	to[15] = regs->r15;
}

/* Puts the user registers into the walk. 0, or the end reason. */
static __always_inline int regs__begin(struct walk *w, const struct pt_regs *regs)
{
	if ((regs->cs & 3) != 3)
		return END_NO_REGS;
	if (regs->cs == USER_CS_32)
		return END_COMPAT;
	w->pc = regs->rip;
	w->sp = regs->rsp;
	w->fp = regs->rbp;
	regs__copy(w->regs, regs);
	w->leaf = 1;
	w->fp_unknown = 0;
	w->rbx_known = 0;
	w->near_leaf = 0;
	w->unchecked = 0;
	return 0;
}

#endif
