/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - overlapping ranges of addresses, of which the latest counts, as disjoint pieces to bisect.
 *
 * Owns: nothing; the pieces are the caller's (free). Thread: any. Limit: UINT32_MAX / 2 ranges.
 * Errors: -ENOMEM.
 */
#ifndef EVERPROF_RUNTIME_OVERLAY_H
#define EVERPROF_RUNTIME_OVERLAY_H

#include <stdint.h>

#define OVERLAY_NONE UINT32_MAX

/* The later in the array, the later in time. start + size must not wrap. */
struct overlay_range {
	uint64_t start;
	uint32_t size;
	uint32_t payload; /* the caller's */
};

struct overlay_piece {
	uint64_t start;
	uint32_t size;
	uint32_t range; /* index of its owner */
};

/* Replaces *pieces (freed on success) by the pieces of these ranges; on failure both stay as they are. */
int overlay__build(const struct overlay_range *ranges, uint32_t n, struct overlay_piece **pieces,
		   uint32_t *n_pieces);
/* The index of the range that owns the address, or OVERLAY_NONE. */
uint32_t overlay__find(const struct overlay_piece *pieces, uint32_t n, uint64_t addr);

#endif
