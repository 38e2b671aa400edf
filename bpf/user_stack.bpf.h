/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * user_stack - the walk's reads of the user stack, a kilobyte at a time.
 *
 * Problem: a frame needs one or two words, each is a call into the kernel that guards against faults, and each waits for a cache line of the stack
 *   before the next address is known.
 * Idea: frames lie one above the other, so the stack is copied piece by piece and words are taken from the copy. The lines of a piece
 *   are fetched at once, not one after the other.
 * Invariants: a piece begins at the frame's SP or close below what is asked for, and ends with the page of that: a page that nobody asked for is
 *   not touched. What a piece cannot give is read as it is, so a copy never makes a read fail that would have been possible.
 */
#ifndef EVERPROF_BPF_USER_STACK_BPF_H
#define EVERPROF_BPF_USER_STACK_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

/* How memory is read; who may wait for a page to be brought in says so before. */
#ifndef USER_STACK_READ
#define USER_STACK_READ bpf_probe_read_user
#endif

#define STACK_WINDOW_BYTES (STACK_WINDOW_WORDS * 8)
/* Saved registers lie a little below the return address. */
#define STACK_WINDOW_BELOW 64
#define STACK_PAGE         4096

static __always_inline void user_stack__begin(struct walk *w)
{
	w->window_words = 0;
}

/* Copies the piece of stack that holds addr. */
static __always_inline int user_stack__fill(struct walk *w, __u64 addr)
{
	__u64 from = addr - STACK_WINDOW_BELOW, end = (addr + STACK_PAGE) & ~(__u64)(STACK_PAGE - 1);
	__u64 bytes;

	if (w->sp <= addr && addr - w->sp < STACK_WINDOW_BYTES / 2)
		from = w->sp & ~7ull;
	bytes = end - from;
	if (bytes > STACK_WINDOW_BYTES)
		bytes = STACK_WINDOW_BYTES;
	w->window_words = 0;
	if (USER_STACK_READ(w->window, bytes, (const void *)from))
		return -1;
	w->window_at = from;
	w->window_words = bytes >> 3;
	return 0;
}

/* Where in the window the n words at addr are, after a copy if need be; negative: not there. */
static __noinline int user_stack__find(struct walk *w, __u64 addr, __u32 n)
{
	__u64 at = (addr - w->window_at) >> 3;

	if (at + n > w->window_words) {
		if (addr & 7 || user_stack__fill(w, addr))
			return -1;
		at = (addr - w->window_at) >> 3;
		if (at + n > w->window_words)
			return -1;
	}
	return addr & 7 ? -1 : (int)at;
}

/* One or two words through the window, anything else directly. */
static __always_inline int unwind_read(struct walk *w, void *to, __u32 len, __u64 addr)
{
	__u64 *words = to;
	int at = len <= 16 ? user_stack__find(w, addr, len >> 3) : -1;

	if (at < 0)
		return USER_STACK_READ(to, len, (const void *)addr) ? END_STACK_READ : 0;
	words[0] = w->window[at & (STACK_WINDOW_WORDS - 1)];
	if (len == 16)
		words[1] = w->window[(at + 1) & (STACK_WINDOW_WORDS - 1)];
	return 0;
}

static __always_inline int unwind_read_code(struct walk *w, void *to, __u32 len, __u64 pc)
{
	(void)w;
	return bpf_probe_read_user(to, len, (const void *)pc) ? END_STACK_READ : 0;
}

#endif
