// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: a goroutine that waits has no thread; it is a structure in the heap of its process, with a stack pointer and a program counter from which the
 * runtime will go on. Reading it takes three looks (list, structure, stack), while the process runs on: what the second look says may be over by the third.
 *
 * Idea: goroutines by the hundred, each look one system call for all of them; then the structures once more. Where state, pc, sp and stack are what they
 * were, nothing of that stack was used in between, and it is whole. The others are tried again; what changes each time is one that runs, and is told so.
 *
 *      allgs ──> g g g …   pointers        1st look
 *                │ │ │     structures      2nd
 *                ▼ ▼ ▼     stacks          3rd
 *                g g g     structures      4th = 2nd?
 *
 * Dead goroutines stay in the list, and are used again for new ones; so the list's length is the most that there ever were.
 *
 * Invariants: nothing that is read is believed: a goroutine must point back to itself, be in a state that exists, and have its stack pointer in its stack.
 *
 * Cost: 2 us a goroutine, most of it the kernel's for finding its pages, and less than half of that a dead one; memory for one batch.
 *
 * What it does not do: stop the process. A set of goroutines that were never there at one moment is possible; each of them was.
 *
 * Reference: Go runtime/runtime2.go (g, gobuf), runtime/proc.go (newproc1, gopark, reentersyscall, gcount).
 */
#include "user/runtime/goroutine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/process/process_memory.h"
#include "user/runtime/go_program.h"

#define BATCH          256
#define ARENA_BYTES    ((size_t)2 << 20) /* of stacks, a batch */
#define SCAN_BIT       0x1000u
#define STACK_SIZE_MAX (1ull << 30) /* as the runtime's own limit */
#define POINTERS       4096

static const char *const state_names[GOROUTINE_STATE_MAX] = {
#define X(id, number, name) [GOROUTINE_##id] = (name),
	GOROUTINE_STATES(X)
#undef X
};

const char *goroutine_state__name(uint32_t state)
{
	return state < GOROUTINE_STATE_MAX ? state_names[state] : "unknown";
}

/* -- one goroutine -- */

static uint64_t u64_at(const uint8_t *bytes, uint32_t offset)
{
	uint64_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *bytes, uint32_t offset)
{
	uint32_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return v;
}

/* Where it goes on: where the system call returns to, what the scheduler saved, or not known. */
static void parse_position(const struct go_layout *l, const uint8_t *bytes, struct goroutine *g)
{
	g->pc = u64_at(bytes, GO_G_SCHED_PC);
	g->sp = u64_at(bytes, GO_G_SCHED_SP);
	g->fp = u64_at(bytes, l->sched_bp);
	g->fp_known = true;
	if (g->state == GOROUTINE_SYSCALL && u64_at(bytes, l->syscallsp)) {
		g->pc = u64_at(bytes, l->syscallpc);
		g->sp = u64_at(bytes, l->syscallsp);
		g->fp_known = l->syscallbp != GO_LAYOUT_NONE;
		g->fp = g->fp_known ? u64_at(bytes, l->syscallbp) : 0;
	}
	g->has_stack = g->state != GOROUTINE_RUNNING && g->state != GOROUTINE_COPYSTACK;
}

int goroutine__parse(const struct go_layout *l, uint64_t address, const void *bytes, size_t len,
		     struct goroutine *ret)
{
	struct goroutine g = {.address = address};
	const uint8_t *b = bytes;

	if (len < l->g_bytes)
		return -EBADMSG;
	g.state = u32_at(b, l->status) & ~SCAN_BIT;
	if (g.state >= GOROUTINE_STATE_MAX)
		return -EBADMSG;
	if (u64_at(b, GO_G_SCHED_G) != address)
		return -EBADMSG;
	if (g.state == GOROUTINE_IDLE || g.state == GOROUTINE_DEAD || g.state == GOROUTINE_DEADEXTRA)
		return -ENOENT;
	g.id = u64_at(b, l->goid);
	g.parent_id = l->parent_goid ? u64_at(b, l->parent_goid) : 0;
	g.stack_lo = u64_at(b, GO_G_STACK_LO);
	g.stack_hi = u64_at(b, GO_G_STACK_HI);
	g.created_pc = u64_at(b, l->gopc);
	g.start_pc = u64_at(b, l->startpc);
	g.waits_since = u64_at(b, l->waitsince);
	g.reason = g.state == GOROUTINE_WAITING || g.state == GOROUTINE_LEAKED ? b[l->waitreason] : 0;
	g.is_locked = u64_at(b, l->lockedm) != 0;
	g.thread = u64_at(b, GO_G_M);
	parse_position(l, b, &g);
	if (!g.id || g.stack_lo >= g.stack_hi || g.stack_hi - g.stack_lo > STACK_SIZE_MAX)
		return -EBADMSG;
	if (g.has_stack && (g.sp < g.stack_lo || g.sp > g.stack_hi))
		return -EBADMSG;
	*ret = g;
	return 0;
}

/* Of two looks: was nothing of the stack used in between, as far as can be told? */
static bool is_same(const struct goroutine *a, const struct goroutine *b)
{
	return a->id == b->id && a->state == b->state && a->pc == b->pc && a->sp == b->sp &&
	       a->stack_lo == b->stack_lo && a->stack_hi == b->stack_hi && a->waits_since == b->waits_since;
}

/* -- the list -- */

struct list {
	uint64_t at, n;
	uint32_t stride;
};

static int read_list(const struct go_process *g, uint32_t exact_max, struct list *ret)
{
	uint64_t vaddr = g->program->places[GO_ALL_GOROUTINES].vaddr, slice[3], again[3];
	int err = vaddr ? 0 : -EOPNOTSUPP;

	/* it grows by being replaced: the three words must be of one time */
	for (int i = 0; i < GOROUTINE_TRIES && !err; i++) {
		err = process_memory__read(g->pid, vaddr + g->bias, slice, sizeof(slice));
		if (!err)
			err = process_memory__read(g->pid, vaddr + g->bias, again, sizeof(again));
		if (!err && !memcmp(slice, again, sizeof(slice)))
			break;
	}
	if (err)
		return err;
	if (!slice[0] || slice[1] > slice[2] || slice[1] > GOROUTINES_MAX)
		return -EBADMSG;
	*ret = (struct list){.at = slice[0], .n = slice[1], .stride = 1};
	if (exact_max && ret->n > exact_max)
		ret->stride = (uint32_t)((ret->n + exact_max - 1) / exact_max);
	return 0;
}

/* The next pointers, every stride-th; returns how many, 0 at the end, or an error. */
static int next_pointers(const struct go_process *g, const struct list *l, uint64_t *at, uint64_t *pointers,
			 uint32_t max)
{
	struct memory_span spans[BATCH];
	uint32_t n = 0;
	int err;

	for (; *at < l->n && n < max && n < BATCH; *at += l->stride, n++) {
		pointers[n] = 0;
		spans[n] = (struct memory_span){.addr = l->at + *at * sizeof(*pointers),
						.to = &pointers[n],
						.len = sizeof(*pointers)};
	}
	if (!n)
		return 0;
	if (l->stride == 1)
		err = process_memory__read(g->pid, spans[0].addr, pointers, n * sizeof(*pointers));
	else
		err = process_memory__read_spans(g->pid, spans, n);
	return err ? err : (int)n;
}

/* -- a batch -- */

struct reading {
	const struct go_process *go;
	const struct goroutine_read *opts;
	struct goroutine_stats stats;
	uint64_t pointers[BATCH];
	uint8_t bytes[BATCH][GO_LAYOUT_G_MAX];
	struct memory_span spans[BATCH];
	struct goroutine one[BATCH];
	uint8_t *stacks[BATCH]; /* into the arena; NULL: none */
	uint32_t which[BATCH];  /* of a list of spans: index of its goroutine */
	bool is_open[BATCH];    /* not told yet */
	uint8_t *arena;
};

static size_t stack_len(const struct goroutine *g)
{
	uint64_t len = g->stack_hi - g->sp;

	return len < GOROUTINE_STACK_MAX ? (size_t)len : GOROUTINE_STACK_MAX;
}

static bool is_system(struct reading *r, const struct goroutine *g)
{
	enum go_start start = go_program__start(r->go->program, g->start_pc - r->go->bias);

	/* who runs finalizers is the program's while it runs one */
	return start == GO_START_SYSTEM || (start == GO_START_FINALIZER && g->state == GOROUTINE_WAITING &&
					    (strstr(go_process__reason(r->go, g->reason), "finalizer wait") ||
					     strstr(go_process__reason(r->go, g->reason), "cleanup wait")));
}

static void tell(struct reading *r, uint32_t i, bool with_stack)
{
	struct goroutine *g = &r->one[i];

	r->is_open[i] = false;
	if (is_system(r, g)) {
		r->stats.n_system += r->stats.stride;
		return;
	}
	with_stack = with_stack && g->has_stack && r->stacks[i];
	if (g->has_stack && !with_stack)
		r->stats.n_torn += r->stats.stride;
	r->stats.n_found += r->stats.stride;
	r->opts->found(r->opts->ctx, g, r->stats.stride, with_stack ? r->stacks[i] : NULL,
		       with_stack ? stack_len(g) : 0);
}

/* Reads the structures of those that are open; what is none, or not in use, is closed. `once_more`: only looks whether they are what they were. */
static int look(struct reading *r, uint32_t n, bool once_more)
{
	const struct go_layout *l = &r->go->program->layout;
	uint32_t n_spans = 0;
	int err;

	for (uint32_t i = 0; i < n; i++) {
		if (!r->is_open[i])
			continue;
		r->which[n_spans] = i;
		r->spans[n_spans++] =
			(struct memory_span){.addr = r->pointers[i], .to = r->bytes[i], .len = l->g_bytes};
	}
	err = process_memory__read_spans(r->go->pid, r->spans, n_spans);
	for (uint32_t s = 0; s < n_spans && !err; s++) {
		uint32_t i = r->which[s];
		struct goroutine now;
		int parsed = r->spans[s].is_read
				     ? goroutine__parse(l, r->pointers[i], r->bytes[i], l->g_bytes, &now)
				     : -EBADMSG;

		if (parsed) {
			/* it is being set up, or is over; what is not sound may be both */
			r->is_open[i] = parsed == -EBADMSG && once_more;
			r->stats.n_damaged += parsed == -EBADMSG && !once_more ? r->stats.stride : 0;
			continue;
		}
		if (once_more && r->stacks[i] && is_same(&r->one[i], &now))
			tell(r, i, true);
		r->one[i] = now;
	}
	return err;
}

/* Reads the stacks of those that are open, as far as the arena goes; the others are told without. */
static int read_stacks(struct reading *r, uint32_t n)
{
	uint32_t n_spans = 0;
	size_t used = 0;
	int err;

	for (uint32_t i = 0; i < n; i++) {
		size_t len;

		r->stacks[i] = NULL;
		if (!r->is_open[i])
			continue;
		if (!r->one[i].has_stack) {
			tell(r, i, false);
			continue;
		}
		len = stack_len(&r->one[i]);
		if (len > ARENA_BYTES - used)
			continue; /* with the next try */
		r->which[n_spans] = i;
		r->spans[n_spans++] = (struct memory_span){
			.addr = r->one[i].sp, .to = r->arena + used, .len = (uint32_t)len};
		used += (len + 7) & ~(size_t)7;
	}
	err = process_memory__read_spans(r->go->pid, r->spans, n_spans);
	for (uint32_t s = 0; s < n_spans && !err; s++)
		r->stacks[r->which[s]] = r->spans[s].is_read || !r->spans[s].len ? r->spans[s].to : NULL;
	return err;
}

static bool any_is_open(const struct reading *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (r->is_open[i])
			return true;
	return false;
}

static int read_batch(struct reading *r, uint32_t n)
{
	int err;

	for (uint32_t i = 0; i < n; i++)
		r->is_open[i] = true;
	err = look(r, n, false);
	/* one with a stack that did not fit comes with the next try: enough of them for a batch of the largest */
	for (int i = 0; !err && i < GOROUTINE_TRIES + (int)(BATCH * GOROUTINE_STACK_MAX / ARENA_BYTES) &&
			any_is_open(r, n) && !clock__is_past(r->opts->limit);
	     i++) {
		err = read_stacks(r, n);
		if (!err)
			err = look(r, n, true);
	}
	for (uint32_t i = 0; i < n && !err; i++)
		if (r->is_open[i])
			tell(r, i, false);
	return err;
}

int goroutines__read(const struct go_process *g, const struct goroutine_read *opts,
		     struct goroutine_stats *ret_stats)
{
	struct reading *r = calloc(1, sizeof(*r));
	struct list list;
	uint64_t at = 0;
	int err = -ENOMEM, n;

	if (!r)
		return -ENOMEM;
	r->go = g;
	r->opts = opts;
	r->arena = malloc(ARENA_BYTES);
	if (r->arena)
		err = read_list(g, opts->exact_max, &list);
	if (err)
		goto out;
	r->stats.n_listed = list.n;
	r->stats.stride = list.stride;
	while (!err && !clock__is_past(opts->limit) &&
	       (n = next_pointers(g, &list, &at, r->pointers, BATCH)) != 0)
		err = n < 0 ? n : read_batch(r, (uint32_t)n);
	r->stats.n_cut = list.n > at ? list.n - at : 0;
	if (!err)
		*ret_stats = r->stats;
out:
	free(r->arena);
	free(r);
	return err;
}

/* -- counting -- */

/* How many of the batch are alive and not the runtime's own. */
static int count_batch(const struct go_process *g, const uint64_t *pointers, uint32_t n, uint64_t *count)
{
	const struct go_layout *l = &g->program->layout;
	uint32_t len = l->startpc + 8u - l->status;
	uint8_t bytes[BATCH][GO_LAYOUT_G_MAX];
	struct memory_span spans[BATCH];
	int err;

	for (uint32_t i = 0; i < n; i++)
		spans[i] = (struct memory_span){.addr = pointers[i] + l->status, .to = bytes[i], .len = len};
	err = process_memory__read_spans(g->pid, spans, n);
	for (uint32_t i = 0; i < n && !err; i++) {
		uint32_t state = spans[i].is_read ? u32_at(bytes[i], 0) & ~SCAN_BIT : GOROUTINE_DEAD;

		if (state == GOROUTINE_IDLE || state == GOROUTINE_DEAD || state >= GOROUTINE_DEADEXTRA)
			continue;
		*count += go_program__start(g->program, u64_at(bytes[i], l->startpc - l->status) - g->bias) ==
			  GO_START_USER;
	}
	return err;
}

int goroutines__count(const struct go_process *g, uint32_t exact_max, uint64_t *ret_n)
{
	uint64_t pointers[BATCH], at = 0, alive = 0, looked = 0;
	struct list list;
	int err = read_list(g, exact_max, &list), n;

	while (!err && (n = next_pointers(g, &list, &at, pointers, BATCH)) != 0) {
		err = n < 0 ? n : count_batch(g, pointers, (uint32_t)n, &alive);
		looked += n > 0 ? (uint64_t)n : 0;
	}
	if (err)
		return err;
	*ret_n = list.stride == 1 || !looked ? alive : (alive * list.n + looked / 2) / looked;
	return 0;
}
