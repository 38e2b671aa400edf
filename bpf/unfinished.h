/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unfinished - a stack whose walk met something that user space has to learn first. It stops before the frame at `pc`.
 */
#ifndef EVERPROF_BPF_UNFINISHED_H
#define EVERPROF_BPF_UNFINISHED_H

#include "bpf/abi.h"

/* A stack that ends within this is copied whole. */
#define STACK_WHOLE_MAX (512 * 1024)
/* Of a deeper one, or where the ring has no room for it, its inner end … */
#define STACK_COPY_MAX (64 * 1024)
/* … or less … */
#define STACK_COPY_SMALL (3 * 4096)
/* … and, apart, so much from where it begins: one function with a large array on it may keep the two apart. */
#define STACK_ROOT_MAX (20 * 4096)
/* Epilogues pop registers while the rules still point to where they were pushed: below SP, inside the red zone. */
#define STACK_COPY_BELOW 128

struct unfinished_record {
	__u32 type;
	__u32 stack_bytes; /* copied from stack_at on */
	__u32 root_bytes;  /* copied from root_at on */
	__u8 near_leaf;
	__u8 reserved[3];
	__u64 time_ns;
	struct task_key key;
	struct sample_tag tag;
	__u32 tid;
	__u16 n_kernel;
	__u16 n_user;
	__u64 count, value, cpu_count, cpu_value; /* see struct task_sample */
	__u64 cgroup;
	__u64 pc, sp, fp;
	__u64 stack_at; /* sp - STACK_COPY_BELOW, or what its page begins with */
	__u64 root_at;
	__u8 end;  /* why: END_NO_PROCESS, END_NO_MAPPING or END_NO_ROWS */
	__u8 leaf; /* pc is an instruction that was interrupted, and regs hold */
	__u8 fp_unknown;
	__u8 rbx_known;
	__u8 unchecked; /* pc came out of a row with ROW_DERIVED */
	__u8 derived;
	__u16 n_outer; /* see struct walk */
	char comm[COMM_LEN];
	__u64 outer[OUTER_FRAMES_MAX];
	__u64 regs[REGS_N];
	__u64 words[STACK_WORDS_MAX];
	__u8 stack[STACK_WHOLE_MAX]; /* the first piece, and the other one behind it: the record ends there */
};

static inline __u8 *unfinished_record__root(struct unfinished_record *r)
{
	return r->stack + r->stack_bytes;
}

/* As far as there is something in it. */
static inline __u64 unfinished_record__bytes(const struct unfinished_record *r)
{
	return __builtin_offsetof(struct unfinished_record, stack) + (__u64)r->stack_bytes + r->root_bytes;
}

_Static_assert(STACK_COPY_MAX + STACK_COPY_BELOW + 4096 + STACK_ROOT_MAX < STACK_WHOLE_MAX,
	       "both pieces fit");

#endif
