/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_store - mapping sets and processes as the kernel sees them.
 *
 * A set is one run of the `mappings` array: a header with the set's id, then its mappings. Processes that share a set (forks) share the run.
 *
 * Owns: runs of `mappings`, entries of `processes`. Thread: the collector's. Limit: MAPPINGS_MAX elements, PROCESSES_MAX processes. Errors: -E2BIG where no
 * room is left (the kernel then knows nothing of the process, and its stacks are finished in user space), -errno of the map update.
 */
#ifndef EVERPROF_KERNEL_MAPPING_STORE_H
#define EVERPROF_KERNEL_MAPPING_STORE_H

#include <stdint.h>

#include "bpf/abi.h"

struct kernel_maps;
struct mapping_store;

struct mapping_store_stats {
	uint64_t sets, elements, processes, refused;
};

int mapping_store__new(const struct kernel_maps *maps, struct mapping_store **ret);
void mapping_store__free(struct mapping_store *s);
/* Makes the kernel see this process with the set `set_id` (never 0, never used for another set), whose sorted mappings are given. */
int mapping_store__set_process(struct mapping_store *s, const struct task_key *key, uint64_t set_id,
			       const struct mapping_entry *entries, uint32_t n);
/* The process is gone, or is no longer to be known. */
void mapping_store__drop_process(struct mapping_store *s, const struct task_key *key);
void mapping_store__stats(const struct mapping_store *s, struct mapping_store_stats *ret);

#endif
