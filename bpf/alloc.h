/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * alloc - what the probes on allocators and the collector tell each other.
 *
 * A round is one window: probes are put in place, the window is opened, closed, and they are taken away. Rows carry the round in their tag's `arg`, because what
 * a row stands for is known only when its window is over.
 */
#ifndef EVERPROF_BPF_ALLOC_H
#define EVERPROF_BPF_ALLOC_H

#include <linux/types.h>

#include "bpf/abi.h"

/*
 * Where a call's size is: the registers whose product it is, and where a call may free instead, the one of the block. Four bits each, a register's number in
 * code plus 1; 0: none. It is in the low bits of a probe's cookie; above it: which site of which file.
 */
#define ALLOC_REG_BITS 4
#define ALLOC_REG_AX   1
#define ALLOC_REG_CX   2
#define ALLOC_REG_DX   3
#define ALLOC_REG_SI   7
#define ALLOC_REG_DI   8
#define ALLOC_REG_8    9

enum alloc_size {
	ALLOC_SIZE_ARG1 = ALLOC_REG_DI,                       /* malloc(size) */
	ALLOC_SIZE_ARG2 = ALLOC_REG_SI,                       /* aligned_alloc(alignment, size) */
	ALLOC_SIZE_ARG3 = ALLOC_REG_DX,                       /* posix_memalign(&p, alignment, size) */
	ALLOC_SIZE_ARG1_2 = ALLOC_REG_DI | ALLOC_REG_SI << 4, /* calloc(n, size) */
	ALLOC_SIZE_ARG2_3 = ALLOC_REG_SI | ALLOC_REG_DX << 4, /* reallocarray(p, n, size) */
	ALLOC_SIZE_REALLOC = ALLOC_REG_SI | ALLOC_REG_DI
						    << 8, /* realloc(p, size), which frees where size is 0 */
	ALLOC_SIZE_GO = ALLOC_REG_AX,                     /* mallocgc(size, …) in Go's registers */
};

#define ALLOC_COOKIE_SIZE_MASK  0xfff
#define ALLOC_COOKIE_SITE_SHIFT 12

/* Threads that allocate within one window; a power of two. */
#define ALLOC_THREADS      4096
#define ALLOC_THREAD_TRIES 4
/* What took our program longer than that was an interrupt. */
#define ALLOC_HANDLER_MAX_NS 2000

/* More is a mistake that every allocator refuses. */
#define ALLOC_SIZE_MAX (1ull << 46)
/* Added to the size for sampling: a million tiny blocks are something, too. */
#define ALLOC_SIZE_BASE 64
/* After so many samples of a CPU in a round the interval doubles. */
#define ALLOC_SAMPLES_STEP 8

/* A thread in a round. Claimed by a compare-and-swap on `owner`, then only its thread writes. */
struct alloc_thread {
	__u64 owner;   /* round << 32 | tid */
	__u64 sp, ret; /* of its last call that was counted: where it returns to, */
	__u64 ip;      /* and where its probe is */
	__u64 bytes;   /* of all its calls that were counted, sampled or not */
	struct task_key process;
	__u32 last_ns;   /* its last call in the window, after it began */
	__u32 spent_ns;  /* in probes, in all */
	__u32 inside_ns; /* of it, while the window was open */
	__u32 debt_ns;   /* of that, what it cannot have caught up with by sleeping less */
	__u32 hits;
	__u32 site;    /* of the last call that was counted */
	__u32 n_inner; /* calls within that one */
	__u32 sleeps;
	__u32 calls; /* that were counted */
	__u32 is_wanted;
	__u32 place; /* of its process among those whose CPU time is read, or ALLOC_FOLLOWED */
	/* While the window was open: */
	__u32 n_inside;   /* hits */
	__u32 n_handler;  /* calls that were counted and not sampled, */
	__u32 handler_ns; /* and what our program took in them, by which it is told what the rest of a probe took (user/pipeline/alloc_cost.h) */
};

/* Where a thread is looked for, one after the other. */
static inline __u32 alloc_thread__place(__u32 tid, __u32 i)
{
	return ((tid * 0x9e3779b1u >> 16) + i) & (ALLOC_THREADS - 1);
}

/* Written by the collector. */
struct alloc_gate {
	__u64 begin_ns, end_ns; /* CLOCK_MONOTONIC; calls outside are not counted */
	__u64 cost_ns;          /* of a probe */
	__u64 interval;         /* bytes */
	__u32 round;
	__u32 is_calibration; /* calls are our own: of interest whatever the configuration wants */
};

/* Sampling on a CPU. */
struct alloc_clock {
	__s64 left; /* bytes to the next sample (bpf/poisson.h) */
	__u64 interval;
	__u64 n_samples;
	__u32 round;
	__u32 n_round; /* samples in it */
};

_Static_assert(sizeof(struct alloc_thread) == 112, "no hidden padding");
_Static_assert(sizeof(struct alloc_gate) == 40, "no hidden padding");
_Static_assert((ALLOC_THREADS & (ALLOC_THREADS - 1)) == 0, "a power of two");

#endif
