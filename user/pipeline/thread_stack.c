// SPDX-License-Identifier: Apache-2.0
/*
 * thread_stack - the stack of a thread that does not run: the kernel's frames and the registers come from the pass over all threads (bpf/waiting.bpf.c), the
 * user stack is read from outside and walked with the host's build of the unwinder.
 *
 * Most stacks end in their first pages, so only those are read at first; where the walk needs more it begins anew with more.
 */
#include "user/pipeline/thread_stack.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/unfinished.h"
#include "bpf/walk.h"
#include "user/kernel/finish.h"
#include "user/pipeline/collector_impl.h"
#include "user/process/futex.h"
#include "user/process/process_memory.h"

#define STACK_PAGE 4096u
#define USER_CS_64 0x33

/* Copies the user stack, page by page, up to one that cannot be read. */
static void read_stack(struct unfinished_record *r, uint32_t left)
{
	struct memory_span pages[STACK_WHOLE_MAX / STACK_PAGE + 1];
	uint8_t *to = r->stack;
	uint64_t at = r->stack_at;
	size_t n = 0;

	for (uint32_t len; left; n++, at += len, to += len, left -= len) {
		len = STACK_PAGE - at % STACK_PAGE;
		len = len < left ? len : left;
		pages[n] = (struct memory_span){.addr = at, .to = to, .len = len};
	}
	process_memory__read_thread(r->key.tgid, r->tid, pages, n);
	r->stack_bytes = 0;
	for (size_t i = 0; i < n && pages[i].is_read; i++)
		r->stack_bytes += pages[i].len;
}

/* For the walk in user space. */
static void describe(struct unfinished_record *u, const struct thread_record *r)
{
	memset(u, 0, offsetof(struct unfinished_record, words));
	u->type = RECORD_UNFINISHED;
	u->time_ns = r->now_ns;
	u->key = r->key;
	u->tid = r->tid;
	u->n_kernel = r->n_kernel & KERNEL_FRAMES_MAX;
	for (uint32_t i = 0; i < u->n_kernel; i++)
		u->words[i] = r->words[i] - 1; /* into the call */
	u->pc = r->pc;
	memcpy(u->regs, r->regs, sizeof(u->regs));
	u->fp = r->regs[6];
	u->sp = r->regs[7];
	u->stack_at = u->sp - STACK_COPY_BELOW;
	u->leaf = 1;
}

/* Where there is no user stack. */
static uint8_t kernel_only(struct collector *c, const struct unfinished_record *u, uint8_t end)
{
	c->walk->n_words = 0;
	c->walk->n_outer = 0;
	c->walk->hash = 0;
	c->walk->derived = 0;
	for (uint32_t i = 0; i < u->n_kernel; i++)
		walk__append(c->walk, u->words[i]);
	c->walk->n_kernel = u->n_kernel;
	c->walk->end = end;
	walk__close(c->walk);
	return end;
}

uint8_t collector__walk_thread(struct collector *c, const struct thread_record *r)
{
	static const uint32_t parts[] = {STACK_COPY_SMALL, STACK_COPY_MAX, STACK_WHOLE_MAX};
	struct unfinished_record *u = c->thread_record;

	if (!u)
		u = c->thread_record = malloc(sizeof(*u));
	if (!u) {
		c->walk->n_words = c->walk->derived = 0;
		return c->walk->end = END_NO_ROOM;
	}
	describe(u, r);
	if (r->flags & THREAD_IS_KERNEL_ONLY || r->cs != USER_CS_64)
		return kernel_only(c, u,
				   r->flags & THREAD_IS_KERNEL_ONLY ? END_KERNEL_THREAD
				   : r->cs                          ? END_COMPAT
								    : END_EXITING);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		read_stack(u, parts[i]);
		if (collector__walk(c, u, sizeof(*u), true) || c->walk->end != END_STACK_COPY ||
		    u->stack_bytes < parts[i])
			break;
	}
	return c->walk->end;
}

uint32_t collector__read_holder(const struct thread_record *r, struct futex_wait *ret_wait)
{
	uint8_t bytes[FUTEX_LOOK_BYTES];
	size_t len = sizeof(bytes);
	struct futex_wait w;

	if (!futex__parse_wait(r->syscall, r->regs, &w))
		return 0;
	if (ret_wait)
		*ret_wait = w;
	/* a word at the end of the last page has nothing beside it */
	if (process_memory__read(r->key.tgid, w.addr, bytes, len)) {
		len = sizeof(uint32_t);
		if (process_memory__read(r->key.tgid, w.addr, bytes, len))
			return 0;
	}
	return futex__parse_holder(&w, bytes, len);
}
