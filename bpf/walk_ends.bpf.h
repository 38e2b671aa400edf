/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * walk_ends - what stands before and behind a walk: the kernel's frames, the outermost frames and the mark of its end.
 *
 * Global functions: the verifier looks at each once, by itself. Inlined, each number of frames that a loop may end with was another way into all that
 * follows, and a start of the agent spent a second of CPU time in there.
 */
#ifndef EVERPROF_BPF_WALK_ENDS_BPF_H
#define EVERPROF_BPF_WALK_ENDS_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/walk.h"

/* Before the first frame. */
static __always_inline void walk__clear(struct walk *w)
{
	w->hash = 0;
	w->n_words = 0;
	w->n_kernel = 0;
	w->n_outer = 0;
	w->derived = 0;
	w->sp = 0;
}

/* Makes the n return addresses in w->words its kernel frames. The first is an address itself if `interrupted`. */
__attribute__((weak, noinline)) int walk__take_kernel(struct walk *w, __u32 n, int interrupted)
{
	__u64 hash;
	__u32 i;

	if (!w)
		return 0;
	hash = w->hash;
	for (i = 0; i < KERNEL_FRAMES_MAX; i++) {
		__u64 word;

		if (i >= n)
			break;
		word = w->words[i];
		if (i ||
		    !interrupted) /* into the call, as in user space: it may be the last thing that its function does */
			w->words[i] = --word;
		hash = walk_mix(hash, word);
	}
	w->hash = hash;
	w->n_kernel = i;
	w->n_words = i;
	return 0;
}

__attribute__((weak, noinline)) int walk__end(struct walk *w)
{
	if (w)
		walk__close(w);
	return 0;
}

#endif
