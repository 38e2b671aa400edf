/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tag - what a row is of, besides its thread and its stack. Rows that differ in it are counted apart. */
#ifndef EVERPROF_BPF_TAG_H
#define EVERPROF_BPF_TAG_H

#include <linux/types.h>

#include "bpf/event.h"

#define SYSCALL_NONE (-1)

struct sample_tag {
	__u8 event;    /* enum event */
	__u8 state;    /* enum wait_state, for waits; else 0 */
	__s16 syscall; /* number of the system call that the thread was in, or SYSCALL_NONE */
	__u32 arg;     /* of the event */
};

static inline __u64 sample_tag__bits(const struct sample_tag *t)
{
	return (__u64)t->arg << 32 | (__u64)(__u16)t->syscall << 16 | t->state << 8 | t->event;
}

_Static_assert(sizeof(struct sample_tag) == 8, "a tag is one word");

#endif
