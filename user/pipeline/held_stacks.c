// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/held_stacks.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/process_key.h"

int held_stacks__add(struct held_stacks *h, const struct unfinished_record *r, uint64_t until_ns)
{
	size_t size = unfinished_record__bytes(r);
	struct unfinished_record *copy;

	if (h->n == HELD_STACKS_MAX || size > HELD_BYTES_MAX - h->bytes)
		return -E2BIG;
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, r, size);
	h->stacks[h->n++] = (struct held_stack){copy, size, until_ns};
	h->bytes += size;
	return 0;
}

static void hand_out(struct held_stacks *h, uint32_t i, held_stack_fn fn, void *ctx)
{
	struct held_stack s = h->stacks[i];

	h->bytes -= s.size;
	fn(ctx, s.record, s.size);
	free(s.record);
}

void held_stacks__answer(struct held_stacks *h, const struct task_key *key, uint64_t before_ns,
			 held_stack_fn fn, void *ctx)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->n; i++)
		if (h->stacks[i].record->time_ns < before_ns &&
		    process_key__eq(key, &h->stacks[i].record->key))
			hand_out(h, i, fn, ctx);
		else
			h->stacks[kept++] = h->stacks[i];
	h->n = kept;
}

void held_stacks__expire(struct held_stacks *h, uint64_t now_ns, held_stack_fn fn, void *ctx)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->n; i++)
		if (h->stacks[i].until_ns <= now_ns)
			hand_out(h, i, fn, ctx);
		else
			h->stacks[kept++] = h->stacks[i];
	h->n = kept;
}

void held_stacks__done(struct held_stacks *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		free(h->stacks[i].record);
	h->n = 0;
	h->bytes = 0;
}
