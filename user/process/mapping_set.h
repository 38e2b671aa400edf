/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_set - the executable mappings of a process at one time: sorted, immutable, shared.
 *
 * A forked child has its parent's set until one of them maps something; equal sets are one set, so comparing pointers
 * compares contents, and a set's id names its content for as long as the agent runs (what the kernel's copy is known
 * by).
 *
 * Owns: the pool owns the sets; a set keeps a reference on each object it names. Thread: one owner.
 * Limit: MAPPING_SET_MAX mappings a set, max_mappings in all sets of a pool. Errors: -E2BIG over a limit, -EINVAL
 * empty range, -ENOMEM.
 */
#ifndef EVERPROF_PROCESS_MAPPING_SET_H
#define EVERPROF_PROCESS_MAPPING_SET_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define MAPPING_SET_MAX 65536

struct object_cache;
struct mapping_pool;
struct mapping_set;

struct code_mapping {
	uint64_t start, end;
	uint64_t pgoff; /* file offset of start */
	uint64_t
		bias; /* pc - bias = virtual address in the object (modulo 2^64); without one: bits of its unwind row, 0: none */
	uint32_t object; /* 0: code in no file */
	uint32_t reserved;
};

struct mapping_pool_opts {
	struct object_cache *objects; /* NULL: ids are not referenced */
	uint64_t max_mappings;        /* 0: 1 Mi, 40 MiB */
};

struct mapping_pool_stats {
	uint64_t sets, mappings, bytes;
	uint64_t n_shared;  /* a set that was asked for was there */
	uint64_t n_refused; /* over max_mappings */
};

int mapping_pool__new(const struct mapping_pool_opts *opts, struct mapping_pool **ret_pool);
/* All sets must have been unreferenced. */
void mapping_pool__free(struct mapping_pool *pool);
void mapping_pool__stats(const struct mapping_pool *pool, struct mapping_pool_stats *ret_stats);
/* The set without mappings, with a reference. */
struct mapping_set *mapping_pool__empty(struct mapping_pool *pool);

/*
 * The set of n mappings in any order (the array is sorted in place); of two that overlap, the one with the higher
 * start keeps the overlap.
 */
int mapping_set__build(struct mapping_pool *pool, struct code_mapping *mappings, uint32_t n,
		       struct mapping_set **ret_set);
/* Is any of [start, end) mapped? */
bool mapping_set__overlaps(const struct mapping_set *set, uint64_t start, uint64_t end);
/* The set with m put in place of all that overlaps it. */
int mapping_set__with(struct mapping_set *set, const struct code_mapping *m, struct mapping_set **ret_set);
/* The set with nothing in [start, end). */
int mapping_set__without(struct mapping_set *set, uint64_t start, uint64_t end, struct mapping_set **ret_set);

struct mapping_set *mapping_set__ref(struct mapping_set *set);
void mapping_set__unref(struct mapping_set *set); /* NULL is ignored */
uint64_t mapping_set__id(const struct mapping_set *set);
const struct code_mapping *mapping_set__mappings(const struct mapping_set *set, uint32_t *ret_n);
/* The mapping that holds the address, or NULL. */
const struct code_mapping *mapping_set__find(const struct mapping_set *set, uint64_t addr);

#endif
