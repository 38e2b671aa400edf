/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim_ring - a ring of BPF for the host's build of what writes to it: every record is memory of its own, which AddressSanitizer watches, and only the number of bytes that are
 * taken is that of a ring.
 *
 * Owns: the last record. Thread: one. Limit: one record open at a time. Errors: as the kernel's.
 */
#ifndef EVERPROF_TESTS_BPF_SHIM_RING_H
#define EVERPROF_TESTS_BPF_SHIM_RING_H

#include <errno.h>
#include <linux/bpf.h>

#include "tests/bpf/shim.h"

#define UNFINISHED_BYTES (2 * 1024 * 1024)

struct shim_ring {
	__u64 bytes, taken;
	__u8 *open, *last;
	__u64 open_bytes, last_bytes;
	int n_open; /* reserved, and not given back yet: those that failed count, too */
};
struct shim_ring unfinished;

SHIM void shim_ring__open(__u64 bytes)
{
	unfinished = (struct shim_ring){.bytes = bytes};
}

SHIM void shim_ring__close(void)
{
	free(unfinished.last);
	free(unfinished.open);
	unfinished = (struct shim_ring){0};
}

/* So much of it is taken now. */
SHIM void shim_ring__take(__u64 bytes)
{
	unfinished.taken = bytes;
}

SHIM __u64 bpf_ringbuf_query(struct shim_ring *r, __u64 flags)
{
	return flags == BPF_RB_AVAIL_DATA ? r->taken : 0;
}

/* The dynptr says whose it is. */
SHIM long bpf_ringbuf_reserve_dynptr(struct shim_ring *r, __u32 size, __u64 flags, struct bpf_dynptr *to)
{
	struct shim_ring *none = NULL;

	if (flags || r->n_open)
		abort();
	r->n_open++;
	memcpy(to, &none, sizeof(none));
	if (size > r->bytes - r->taken)
		return -EINVAL;
	r->open = malloc(size);
	if (!r->open)
		abort();
	memset(r->open, 0xa5, size);
	r->open_bytes = size;
	memcpy(to, &r, sizeof(r));
	return 0;
}

SHIM struct shim_ring *shim_ring__of(const struct bpf_dynptr *at)
{
	struct shim_ring *r;

	memcpy(&r, at, sizeof(r));
	return r;
}

SHIM void *bpf_dynptr_data(const struct bpf_dynptr *at, __u32 offset, __u32 len)
{
	struct shim_ring *r = shim_ring__of(at);

	return r && offset <= r->open_bytes && len <= r->open_bytes - offset ? r->open + offset : NULL;
}

SHIM void bpf_ringbuf_discard_dynptr(struct bpf_dynptr *at, __u64 flags)
{
	struct shim_ring *r = shim_ring__of(at);

	if (flags || !unfinished.n_open--)
		abort();
	if (!r)
		return;
	free(r->open);
	r->open = NULL;
}

SHIM void bpf_ringbuf_submit_dynptr(struct bpf_dynptr *at, __u64 flags)
{
	struct shim_ring *r = shim_ring__of(at);

	if (flags || !r || !r->n_open--)
		abort();
	free(r->last);
	r->last = r->open;
	r->last_bytes = r->open_bytes;
	r->open = NULL;
}

#endif
