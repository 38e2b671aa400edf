/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * frame - one stack frame as one word, decided at the moment of the sample.
 *
 *      63 62 61              40 39                              0
 *      0  0  object (22 bits)   virtual address in the object (40)     code of a file
 *      0  1  address (62)                                              user code in no file (JIT), or not resolved yet
 *      1  0  0 …  reason (8)                                           the stack was cut here: enum end_reason, or FRAME_*
 *      1  1  address                                                   kernel, the address as it is
 *
 * Addresses of frames that called point into the call already (return address - 1), those of interrupted frames at the
 * instruction itself. Object ids start at 1, grow, and are never used twice. The word 0 is no frame.
 */
#ifndef EVERPROF_BPF_FRAME_H
#define EVERPROF_BPF_FRAME_H

#include <linux/types.h>

#define KERNEL_FRAMES_MAX 127 /* kernel.perf_event_max_stack's default; bpf_get_stack gives no more */
/* Of a deeper stack the innermost frames are kept, and the outermost ones. */
#define USER_FRAMES_MAX  256
#define OUTER_FRAMES_MAX 32 /* a power of two */
/* Frames that a walk goes through, kept or not: some 0.04 us each. */
#define WALK_FRAMES_MAX 4096
/* three words for the mark between the two, an address that nobody knows, and the mark where the stack was cut */
#define STACK_WORDS_MAX (KERNEL_FRAMES_MAX + USER_FRAMES_MAX + OUTER_FRAMES_MAX + 3)

#define FRAME_KIND_SHIFT   62
#define FRAME_OBJECT_SHIFT 40
#define FRAME_OBJECT_MAX   ((1u << 22) - 1)
#define FRAME_VADDR_MASK   ((1ull << FRAME_OBJECT_SHIFT) - 1)
#define FRAME_RAW_MASK     ((1ull << FRAME_KIND_SHIFT) - 1)

enum frame_kind { FRAME_OBJECT = 0, FRAME_RAW = 1, FRAME_CUT = 2, FRAME_KERNEL = 3 };

#define FRAME_KIND(word) ((enum frame_kind)((word) >> FRAME_KIND_SHIFT))

static inline __u64 frame_of_object(__u32 object, __u64 vaddr)
{
	return ((__u64)object << FRAME_OBJECT_SHIFT) | (vaddr & FRAME_VADDR_MASK);
}

static inline __u64 frame_of_raw(__u64 addr)
{
	return (1ull << FRAME_KIND_SHIFT) | (addr & FRAME_RAW_MASK);
}

static inline __u64 frame_of_cut(__u8 end_reason)
{
	return (2ull << FRAME_KIND_SHIFT) | end_reason;
}

/* In the address of code in no file: it is none of code, but of the Method that HotSpot's interpreter is at. */
#define FRAME_METHOD (1ull << 61)

static inline __u64 frame_of_method(__u64 addr)
{
	return frame_of_raw(addr | FRAME_METHOD);
}

/* Between the innermost and the outermost frames of a stack that is deeper than what is kept. */
#define FRAME_LEFT_OUT ((2ull << FRAME_KIND_SHIFT) | 0xff)
/* Between the stack of a wait and that of who ended it, which lies below: of the same process, or of another. */
#define FRAME_WOKEN_BY      ((2ull << FRAME_KIND_SHIFT) | 0xfe)
#define FRAME_WOKEN_BY_AWAY ((2ull << FRAME_KIND_SHIFT) | 0xfd)
/* Code in no file, of that other process: only there it has a name. */
#define FRAME_AWAY ((2ull << FRAME_KIND_SHIFT) | 0xfc)

static inline __u32 frame_object(__u64 word)
{
	return (__u32)(word >> FRAME_OBJECT_SHIFT);
}

static inline __u64 frame_vaddr(__u64 word)
{
	return word & FRAME_VADDR_MASK;
}

static inline __u64 frame_raw(__u64 word)
{
	return word & FRAME_RAW_MASK;
}

#endif
