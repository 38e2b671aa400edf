/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * walk - the state of one walk up a user stack, shared by the kernel's walk and the one that finishes it in user space.
 */
#ifndef EVERPROF_BPF_WALK_H
#define EVERPROF_BPF_WALK_H

#include "bpf/abi.h"

/* The mapping that holds a PC, in the form that a walk needs. */
struct walk_mapping {
	__u64 start, end; /* empty: nothing found yet */
	__u64 bias;
	__u32 object;
	__u32 reserved;
};

/* What was found out about the process of the last walk: on the same CPU it is mostly that of the next one, too (kernel side). */
struct walk_process {
	struct task_key key;
	__u64 changes; /* gate__changes() before the look: holds while that is the same */
	__u64 set_id;
	__u32 set_first; /* its header in `mappings`; 0: the collector does not know the process */
	__u32 set_count;
	__u32 verdict; /* TARGET_*, or 0 */
	__u32 reserved;
};

#define STACK_WINDOW_WORDS 128 /* a power of two */

struct walk {
	struct walk_process process;
	struct walk_mapping mapping; /* of the last frame: the next one is often in it */
	__u64 pc, sp, fp;
	__u64 hash;    /* of all words so far */
	__u32 n_words; /* kernel and user */
	__u16 n_kernel;
	__u8 leaf;       /* pc is an instruction that was interrupted, not a return address */
	__u8 fp_unknown; /* the last row says that the caller's frame pointer is lost */
	__u8 rbx_known;  /* regs[ROW_REG_RBX] holds, although this is no leaf */
	__u8 unchecked;  /* pc came out of a row with ROW_DERIVED: is there a call before it? */
	__u8 derived;    /* there was such a row */
	__u8 end;        /* enum end_reason, once the walk is over */
	__u8 near_leaf;  /* the frame before was a leaf: registers that it did not touch are as they were */
	__u8 reserved;
	__u16 n_outer;              /* user frames past the first USER_FRAMES_MAX */
	__u32 set_first, set_count; /* the mappings to look in; set_first 0: none (kernel side) */
	__u32 window_words;
	__u64 window_at;    /* window[0] is the word there */
	__u64 regs[REGS_N]; /* by DWARF number; hold only while `leaf`, and may while `near_leaf` */
	__u64 outer[OUTER_FRAMES_MAX];    /* the last of those, a ring */
	__u64 window[STACK_WINDOW_WORDS]; /* a piece of the stack (kernel side) */
	__u64 words[STACK_WORDS_MAX];
	__u64 signal_frame[18]; /* scratch: the registers of a ucontext */
};

/* Mixes one more word into a hash. Multiplication carries upwards only, the rotation brings the high bits back down. */
static inline __u64 walk_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash << 29 | hash >> 35;
}

static inline __attribute__((always_inline)) void walk__append(struct walk *w, __u64 word)
{
	__u32 n = w->n_words;

	if (n >= STACK_WORDS_MAX)
		return;
	w->words[n] = word;
	w->n_words = n + 1;
	w->hash = walk_mix(w->hash, word);
}

/* One more user frame. */
static inline __attribute__((always_inline)) void walk__push(struct walk *w, __u64 word)
{
	if (w->n_words - w->n_kernel < USER_FRAMES_MAX) {
		walk__append(w, word);
		return;
	}
	w->outer[w->n_outer & (OUTER_FRAMES_MAX - 1)] = word;
	w->n_outer++;
}

/* Puts the outermost frames of a deep stack behind the innermost ones. */
static inline __attribute__((always_inline)) void walk__join(struct walk *w)
{
	__u32 i, n = w->n_outer < OUTER_FRAMES_MAX ? w->n_outer : OUTER_FRAMES_MAX;

	if (w->n_outer > OUTER_FRAMES_MAX)
		walk__append(w, FRAME_LEFT_OUT);
	for (i = 0; i < OUTER_FRAMES_MAX; i++) {
		if (i >= n)
			break;
		walk__append(w, w->outer[(w->n_outer - n + i) & (OUTER_FRAMES_MAX - 1)]);
	}
	w->n_outer = 0;
}

static inline __attribute__((always_inline)) int end_is_complete(__u8 end)
{
	return end == END_END_MARK || end == END_KERNEL_THREAD || end == END_EXITING || end == END_EXEC ||
	       end == END_INTERRUPT || end == END_NEW_THREAD;
}

/* The walk is over. One that did not come to its end is shown as what it is: a frame that says why, after the address that nobody knows, if that was it. */
static inline __attribute__((always_inline)) void walk__close(struct walk *w)
{
	if (w->n_outer)
		walk__join(w);
	if (end_is_complete(w->end))
		return;
	if (w->end == END_NO_PROCESS || w->end == END_NO_MAPPING ||
	    (w->end == END_NO_ROWS && !w->mapping.object))
		walk__append(w, frame_of_raw(w->leaf ? w->pc : w->pc - 1));
	walk__append(w, frame_of_cut(w->end));
}

#endif
