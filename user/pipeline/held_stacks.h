/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held_stacks - unfinished stacks that wait until more is known of their process.
 *
 * Owns: copies of their records. Thread: one owner. Limit: HELD_STACKS_MAX, HELD_BYTES_MAX. Errors: -E2BIG no room, -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_HELD_STACKS_H
#define EVERPROF_PIPELINE_HELD_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unfinished.h"

#define HELD_STACKS_MAX 1024
#define HELD_BYTES_MAX  (8u << 20)

struct held_stack {
	struct unfinished_record *record; /* up to the end of its stack */
	size_t size;
	uint64_t until_ns; /* it does not wait longer */
};

struct held_stacks {
	struct held_stack stacks[HELD_STACKS_MAX]; /* the oldest first */
	uint32_t n;
	size_t bytes;
};

typedef int (*held_stack_fn)(void *ctx, void *record, size_t size);

/* A sound one (finish__walk). */
int held_stacks__add(struct held_stacks *h, const struct unfinished_record *r, uint64_t until_ns);
/* Hands out, and lets go of, those of the process that are older than `before_ns`. */
void held_stacks__answer(struct held_stacks *h, const struct task_key *key, uint64_t before_ns,
			 held_stack_fn fn, void *ctx);
/* The same for those that have waited long enough. */
void held_stacks__expire(struct held_stacks *h, uint64_t now_ns, held_stack_fn fn, void *ctx);
void held_stacks__done(struct held_stacks *h);

#endif
