/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * count - adds a sample to the slice that is being counted.
 *
 * Problem: a record per sample wakes user space, copies every stack and is lost when the ring is full. A hash map of the kernel's
 *   costs system calls to read and clear, and its values have one size while stacks have none.
 * Idea: two halves, each a table of slots and a store of words, in memory that the collector has mapped. A sample claims a slot by
 *   compare-and-swap on the 64-bit hash of (thread, stack), appends its words to the store if it is the first, and adds. Once a slice the collector turns
 *   `gate.half` over, waits until no program is in the old half, and reads and clears it as plain memory.
 * Invariants: a program that is in a half has raised its `writers`, and looked at `gate.half` again after that; so when the collector, having
 *   turned it over, sees zero, nobody writes there. Equal hashes are taken for equal rows: with a thousand rows a slice the
 *   chance that any two differ is 2^-45.
 * Cost: one atomic compare-and-swap and two additions on a line that is mostly ours; the copy of the words for a new row.
 * What is lost: a full table counts LOSS_COUNT_FULL; a full store keeps the time, without its stack, as LOSS_FRAMES_FULL.
 */
#ifndef EVERPROF_BPF_COUNT_BPF_H
#define EVERPROF_BPF_COUNT_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/walk.h"

#define HALF_NONE 0xffffffffu

static __always_inline __u32 gate__half(void)
{
	return *(volatile __u32 *)&gate.half & 1;
}

static __always_inline __u32 count__enter(void)
{
	__u32 i, half;

	for (i = 0; i < 4; i++) {
		half = gate__half();
		__sync_fetch_and_add(&halves[half].writers, 1);
		if (gate__half() == half)
			return half;
		__sync_fetch_and_add(&halves[half].writers, -1);
	}
	return HALF_NONE;
}

static __always_inline void count__leave(__u32 half)
{
	__sync_fetch_and_add(&halves[half & 1].writers, -1);
}

/*
 * Makes room for n words in the half's store: the index of the first, or more than the store holds. None starts in the last words of a chunk, where the
 * deepest stack would not fit: who comes there reserves what is left of the chunk as well, and begins the next one.
 */
static __always_inline __u64 count__reserve(__u32 half, __u64 n)
{
	__u64 at = __sync_fetch_and_add(&halves[half & 1].words_used, n);
	__u64 left = FRAME_CHUNK_WORDS - at % FRAME_CHUNK_WORDS, rest;

	if (left >= STACK_WORDS_MAX)
		return at;
	at = __sync_fetch_and_add(&halves[half & 1].words_used, left + n);
	rest = FRAME_CHUNK_WORDS - at % FRAME_CHUNK_WORDS;
	if (rest >= STACK_WORDS_MAX)
		return at;
	/* more than we reserved only where others filled a whole chunk in between */
	return rest <= left ? at + rest : ~0ull;
}

/* Copies the words into the half's store; their index there, or FRAMES_NONE. */
static __always_inline __u32 count__keep_words(__u32 half, struct walk *w)
{
	__u64 n = w->n_words;
	struct frame_chunk *chunk;
	__u64 at, offset;
	__u32 index;

	if (n == 0 || n > STACK_WORDS_MAX)
		return FRAMES_NONE;
	at = count__reserve(half, n);
	index = at / FRAME_CHUNK_WORDS;
	offset = at % FRAME_CHUNK_WORDS;
	if (index >= settings.frame_chunks || offset > FRAME_CHUNK_WORDS - STACK_WORDS_MAX)
		return FRAMES_NONE;
	index += (half & 1) * settings.frame_chunks;
	chunk = bpf_map_lookup_elem(&count_frames, &index);
	if (!chunk)
		return FRAMES_NONE;
	if (bpf_probe_read_kernel(&chunk->words[offset], n * sizeof(__u64), w->words))
		return FRAMES_NONE;
	return (__u32)at;
}

static __always_inline void count__fill(struct count_slot *slot, __u32 half, struct walk *w,
					const struct task_sample *s)
{
	slot->key = s->key;
	slot->tag = s->tag;
	slot->tid = s->tid;
	slot->cgroup = task__cgroup(s->task);
	slot->end = w->end;
	slot->n_kernel = w->n_kernel;
	slot->n_user = w->n_words - w->n_kernel;
	slot->frames = count__keep_words(half, w);
	task__comm(s->task, slot->comm);
}

/* Adds the sample, with the stack that was walked. The hash of its row, or 0 where it was lost. */
static __always_inline __u64 count__add(struct walk *w, const struct task_sample *s)
{
	__u64 who = walk_mix(walk_mix(w->hash, s->key.start_ns ^ s->key.exec_id),
			     (__u64)s->key.tgid << 32 | s->tid);
	__u64 hash = walk_mix(who, sample_tag__bits(&s->tag));
	__u32 mask = settings.count_slots - 1;
	__u32 half = count__enter();
	struct count_slot *slot = NULL;
	__u32 i, at;
	__u64 old = 0;

	if (half == HALF_NONE) {
		lose(s->tag.event, LOSS_COUNT_FULL, s->count);
		return 0;
	}
	hash = hash ? hash : 1;
	for (i = 0; i < COUNT_PROBES; i++) {
		at = ((__u32)(hash >> 32) + i) & mask;
		at += half * settings.count_slots;
		slot = bpf_map_lookup_elem(&count_slots, &at);
		if (!slot)
			break;
		old = __sync_val_compare_and_swap(&slot->hash, 0, hash);
		if (old == 0 || old == hash)
			break;
		slot = NULL;
	}
	/* filled out here: in the loop the verifier would look at that once for each probe */
	if (!slot) {
		lose(s->tag.event, LOSS_COUNT_FULL, s->count);
		count__leave(half);
		return 0;
	}
	if (old == 0) {
		__sync_fetch_and_add(&halves[half].slots_used, 1);
		count__fill(slot, half, w, s);
	}
	if (slot->frames == FRAMES_NONE && w->n_words)
		lose(s->tag.event, LOSS_FRAMES_FULL, s->count);
	__sync_fetch_and_add(&slot->count, s->count);
	__sync_fetch_and_add(&slot->value, s->value);
	count__leave(half);
	return hash;
}

#endif
