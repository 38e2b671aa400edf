/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_memory - what a Go program has allocated and not yet freed, and where, from the samples that its runtime takes anyway.
 *
 * Owns: nothing. Thread: any; one at a time for a go_program. Limit: GO_BUCKETS_MAX buckets a process and the time that it is given, GO_STACK_MAX frames. Errors: -ENODATA the program does not
 * sample; as goroutine.h otherwise.
 */
#ifndef EVERPROF_RUNTIME_GO_MEMORY_H
#define EVERPROF_RUNTIME_GO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_limit;
struct go_process;

#define GO_BUCKETS_MAX      (1u << 20)
#define GO_STACK_MAX        1026 /* as the runtime's own limit, and its two */
#define GO_BUCKET_HEAD      48
#define GO_BUCKET_BYTES_MAX (GO_BUCKET_HEAD + GO_STACK_MAX * 8 + 128)

/* Objects of one size that one stack allocated. */
struct go_bucket {
	uint64_t next, size;
	uint64_t allocs, frees, alloc_bytes, free_bytes; /* up to the last collection but one, as sampled */
	uint64_t recent_allocs, recent_frees, recent_alloc_bytes, recent_free_bytes; /* since */
	uint32_t n_pcs;
	const uint8_t *pcs; /* words, leaf first, return addresses; into the bytes */
};

/* An estimate of all there were, not of the sampled ones. */
struct go_allocation {
	uint64_t alloc_objects, alloc_bytes, live_objects, live_bytes;
	uint64_t pcs[GO_STACK_MAX];
	uint32_t n_pcs;
};

struct go_memory_stats {
	uint64_t n_buckets;
	uint64_t n_damaged; /* ends of the list before its end: what is behind them is not known */
	uint64_t rate;      /* bytes between samples */
	bool is_cut;        /* it took too long */
};

/* Pure. -EAGAIN: more bytes are needed (go_bucket__bytes says how many), -EBADMSG: not a sound bucket of memory. */
int go_bucket__parse(const void *bytes, size_t len, struct go_bucket *ret);
/* Pure: how long the bucket is whose head that is; 0: it is none. */
size_t go_bucket__bytes(const uint8_t head[GO_BUCKET_HEAD]);
/* Pure: what n sampled objects of one size stand for, at that rate. */
uint64_t go_memory__scale(uint64_t n, uint64_t size, uint64_t rate);
/* Stacks are those of the code that ran: of functions that were inlined the one that they are in. */
int go_memory__read(const struct go_process *g, const struct clock_limit *limit,
		    void (*found)(void *ctx, const struct go_allocation *a), void *ctx,
		    struct go_memory_stats *ret_stats);

#endif
