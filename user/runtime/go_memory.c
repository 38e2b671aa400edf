// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: probes on allocations cost the program; and what was allocated before they were there is not known at all.
 *
 * Idea: the runtime samples for itself, one allocation in 512 KiB, from the start of the program. Its buckets are a list in memory that nothing is ever taken
 * out of; it is read from outside as it stands.
 *
 *      mbuckets ──> bucket {next, size, n} pc pc pc … {active, future ×3}  ──> older bucket …
 *
 * `active` is up to the last collection but one, so that frees are not behind allocations; where there was no collection yet, `future` counts too, as in the
 * runtime's own profile. A bucket has one size, so that scaling by it is exact: n / (1 - e^(-size/rate)).
 *
 * What the runtime itself called on the way is left out, as its own profile leaves it out. For a function that was inlined the runtime puts one more address on the stack, which no call stands before: those are left out, since the location of the
 * code that did run says where it is.
 *
 * Invariants: nothing that is read is believed: a list that comes back to where it was, or takes longer than it is given, ends there, and is told as damaged.
 *
 * Cost: buckets are allocated one after the other, so that 64 KiB at a time bring some hundred: 0.3 us a bucket, 2 with its names.
 *
 * What it does not do: a program into which nothing that reads memory profiles is linked does not sample; it says so (-ENODATA).
 *
 * Reference: Go runtime/mprof.go (bucket, memRecord, memProfileInternal), runtime/pprof/protomem.go (scaleHeapSample).
 */
#include "user/runtime/go_memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/process/process_memory.h"
#include "user/runtime/go_program.h"

#define BLOCK_BYTES  65536
#define TYPE_MEMORY  1
#define CYCLE_WORDS  4 /* allocs, frees, alloc_bytes, free_bytes */
#define RECORD_BYTES (4 * CYCLE_WORDS * 8)
#define LOOK_EVERY   16 /* buckets, at the clock: one with a stack of the longest takes a tenth of a ms */

static uint64_t u64_at(const uint8_t *bytes, size_t offset)
{
	uint64_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return v;
}

/* -- one bucket -- */

size_t go_bucket__bytes(const uint8_t head[GO_BUCKET_HEAD])
{
	uint64_t n = u64_at(head, 40);

	if (u64_at(head, 16) != TYPE_MEMORY || !u64_at(head, 32) || !n || n > GO_STACK_MAX)
		return 0;
	return GO_BUCKET_HEAD + n * 8 + RECORD_BYTES;
}

int go_bucket__parse(const void *bytes, size_t len, struct go_bucket *ret)
{
	const uint8_t *b = bytes, *record;
	struct go_bucket k = {0};
	size_t whole;

	if (len < GO_BUCKET_HEAD)
		return -EAGAIN;
	whole = go_bucket__bytes(b);
	if (!whole)
		return -EBADMSG;
	if (len < whole)
		return -EAGAIN;
	k.next = u64_at(b, 8);
	k.size = u64_at(b, 32);
	k.n_pcs = (uint32_t)u64_at(b, 40);
	k.pcs = b + GO_BUCKET_HEAD;
	record = k.pcs + k.n_pcs * 8;
	k.allocs = u64_at(record, 0);
	k.frees = u64_at(record, 8);
	k.alloc_bytes = u64_at(record, 16);
	k.free_bytes = u64_at(record, 24);
	for (size_t cycle = 1; cycle < 4; cycle++) {
		const uint8_t *c = record + cycle * CYCLE_WORDS * 8;

		k.recent_allocs += u64_at(c, 0);
		k.recent_frees += u64_at(c, 8);
		k.recent_alloc_bytes += u64_at(c, 16);
		k.recent_free_bytes += u64_at(c, 24);
	}
	if (k.frees > k.allocs || k.free_bytes > k.alloc_bytes)
		return -EBADMSG;
	*ret = k;
	return 0;
}

uint64_t go_memory__scale(uint64_t n, uint64_t size, uint64_t rate)
{
	double all;

	if (!n || rate <= 1)
		return n;
	all = (double)n / -expm1(-(double)size / (double)rate);
	return all < 9e18 ? (uint64_t)all : (uint64_t)9e18;
}

/* -- the list -- */

struct reading {
	const struct go_process *go;
	const struct clock_limit *limit;
	void (*found)(void *ctx, const struct go_allocation *a);
	void *ctx;
	struct go_memory_stats stats;
	struct go_allocation allocation;
	bool with_recent; /* there was no collection yet */
	uint64_t block_at;
	size_t block_len;
	uint8_t block[BLOCK_BYTES];
	uint8_t single[GO_BUCKET_BYTES_MAX];
};

static bool is_in_block(const struct reading *r, uint64_t at, size_t len)
{
	return at >= r->block_at && at - r->block_at <= r->block_len &&
	       r->block_len - (at - r->block_at) >= len;
}

/* The list leads to lower addresses: the bucket is put near the block's end. */
static void load_block(struct reading *r, uint64_t at)
{
	uint64_t from = at + GO_BUCKET_BYTES_MAX > BLOCK_BYTES ? at + GO_BUCKET_BYTES_MAX - BLOCK_BYTES : at;

	r->block_len = 0;
	if (process_memory__read(r->go->pid, from, r->block, BLOCK_BYTES))
		return;
	r->block_at = from;
	r->block_len = BLOCK_BYTES;
}

static int read_single(struct reading *r, uint64_t at, struct go_bucket *ret)
{
	int err = process_memory__read(r->go->pid, at, r->single, GO_BUCKET_HEAD);
	size_t len = err ? 0 : go_bucket__bytes(r->single);

	if (err || !len)
		return err ? err : -EBADMSG;
	err = process_memory__read(r->go->pid, at, r->single, len);
	return err ? err : go_bucket__parse(r->single, len, ret);
}

static int read_bucket(struct reading *r, uint64_t at, struct go_bucket *ret)
{
	int err;

	if (!is_in_block(r, at, GO_BUCKET_HEAD))
		load_block(r, at);
	if (!is_in_block(r, at, GO_BUCKET_HEAD))
		return read_single(r, at, ret);
	err = go_bucket__parse(r->block + (at - r->block_at), r->block_len - (at - r->block_at), ret);
	return err == -EAGAIN ? read_single(r, at, ret) : err;
}

/* From the first function that is not the runtime's own on; where there is none, all. */
static void take_stack(struct reading *r, const struct go_bucket *k)
{
	struct go_allocation *a = &r->allocation;
	bool is_leading = true;

	a->n_pcs = 0;
	for (uint32_t i = 0; i < k->n_pcs; i++) {
		uint64_t pc = u64_at(k->pcs, i * 8ul);
		struct go_caller caller = go_program__caller(r->go->program, pc - r->go->bias);

		if (is_leading && !caller.is_runtime) {
			is_leading = false;
			a->n_pcs = 0;
		} else if (i && !caller.is_called) {
			continue;
		}
		a->pcs[a->n_pcs++] = pc;
	}
}

static void tell(struct reading *r, const struct go_bucket *k)
{
	uint64_t allocs = k->allocs, frees = k->frees;
	struct go_allocation *a = &r->allocation;

	if (r->with_recent) {
		allocs += k->recent_allocs;
		frees += k->recent_frees;
	}
	if (!allocs || frees > allocs)
		return;
	a->alloc_objects = go_memory__scale(allocs, k->size, r->stats.rate);
	a->live_objects = go_memory__scale(allocs - frees, k->size, r->stats.rate);
	/* a bucket's objects have one size */
	a->alloc_bytes = go_memory__scale(allocs * k->size, k->size, r->stats.rate);
	a->live_bytes = go_memory__scale((allocs - frees) * k->size, k->size, r->stats.rate);
	take_stack(r, k);
	r->found(r->ctx, a);
}

/* All buckets, or only whether one of them has anything that a collection has closed. */
static int walk(struct reading *r, uint64_t first, bool only_look, bool *ret_is_closed)
{
	uint64_t at = first, mark = 0;
	struct go_bucket k;
	int err = 0;

	for (uint32_t n = 0; at; n++, at = k.next) {
		/* the mark moves on by ever longer steps: a list that leads to it again is a circle (Brent) */
		bool is_circle = at == mark;

		if (!(n & (n - 1)))
			mark = at;
		if (n % LOOK_EVERY == 0)
			r->stats.is_cut |= clock__is_past(r->limit);
		err = is_circle || n == GO_BUCKETS_MAX || r->stats.is_cut ? -EBADMSG : read_bucket(r, at, &k);
		if (err) {
			r->stats.n_damaged += !only_look; /* what is behind it is not found any more */
			break;
		}
		if (only_look && (k.allocs || k.frees)) {
			*ret_is_closed = true;
			return 0;
		}
		r->stats.n_buckets += !only_look;
		if (!only_look)
			tell(r, &k);
	}
	return err == -ESRCH || err == -EPERM || err == -ETIMEDOUT ? err : 0;
}

int go_memory__read(const struct go_process *g, const struct clock_limit *limit,
		    void (*found)(void *ctx, const struct go_allocation *a), void *ctx,
		    struct go_memory_stats *ret_stats)
{
	struct reading *r;
	bool is_closed = false;
	uint64_t first, rate;
	/* as long as there is no bucket, its place is not settled */
	int err = go_process__read_word(g, GO_MEMORY_BUCKETS, &first);

	if (err == -EOPNOTSUPP || (!err && !first))
		return -ENODATA;
	if (!err)
		err = go_process__read_word(g, GO_MEMORY_RATE, &rate);
	if (err || !rate)
		return err ? err : -ENODATA;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->go = g;
	r->limit = limit;
	r->found = found;
	r->ctx = ctx;
	r->stats.rate = rate;
	err = walk(r, first, true, &is_closed);
	r->with_recent = !is_closed;
	if (!err)
		err = walk(r, first, false, NULL);
	if (!err)
		*ret_stats = r->stats;
	free(r);
	return err;
}
