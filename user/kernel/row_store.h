/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_store - the unwind rows that the kernel walks by, page by page, packed, in segments of half a MiB.
 *
 * Owns: the segments (BPF arrays, mapped here), the entries of `row_pages`. Thread: the collector's. Limit: max_segments and ROW_PAGES_MAX; when all is in use
 * the oldest segment is emptied, and what is still walked comes back page by page. Errors: -errno; -E2BIG for a page of more rows than fit a segment.
 */
#ifndef EVERPROF_KERNEL_ROW_STORE_H
#define EVERPROF_KERNEL_ROW_STORE_H

#include <stdint.h>

#include "bpf/abi.h"

struct kernel_maps;
struct row_store;

struct row_store_stats {
	uint64_t pages, rows, segments, bytes;
	uint64_t pages_evicted;
};

int row_store__new(const struct kernel_maps *maps, uint32_t max_segments, struct row_store **ret);
void row_store__free(struct row_store *s);
/* The row in force at vaddr; ROW_CFA_NONE where the page is known to have none. -ENOENT: the page is not here. */
int row_store__find(const struct row_store *s, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row);
/* Puts a page into the kernel. */
int row_store__push(struct row_store *s, uint32_t object, uint64_t vaddr, const struct unwind_row *rows,
		    uint32_t n);
/* Takes the pages of an object out (its id is never used again). */
void row_store__forget(struct row_store *s, uint32_t object);
/* Lets the store keep fewer segments from now on; returns how many bytes were given back. */
uint64_t row_store__shrink(struct row_store *s, uint32_t max_segments);
void row_store__stats(const struct row_store *s, struct row_store_stats *ret);

#endif
