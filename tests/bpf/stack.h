/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack - a user stack that a test writes, and how a walk reads it: what is not of it cannot be read. Included before bpf/unwind.bpf.h.
 *
 * Owns: the stack. Thread: one. Limit: its words. Errors: END_STACK_READ.
 */
#ifndef EVERPROF_TESTS_BPF_STACK_H
#define EVERPROF_TESTS_BPF_STACK_H

#include <stdint.h>
#include <string.h>

#include "bpf/walk.h"

#define STACK 0x7ff000ull

static uint64_t stack[64];

static int unwind_read(struct walk *w, void *to, __u32 len, __u64 addr)
{
	(void)w;
	if (addr < STACK || addr + len > STACK + sizeof(stack))
		return END_STACK_READ;
	memcpy(to, (char *)stack + (addr - STACK), len);
	return 0;
}

#endif
