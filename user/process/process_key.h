/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_key - one incarnation of a process.
 *
 * Pids are used again, and an exec makes another program of the same pid: only the three together say which program a
 * sample is of.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PROCESS_PROCESS_KEY_H
#define EVERPROF_PROCESS_PROCESS_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "user/base/hashmap.h"

struct process_key {
	uint32_t tgid;
	uint32_t exec_id;  /* task_struct.self_exec_id */
	uint64_t start_ns; /* of the leader, CLOCK_BOOTTIME */
};

static inline bool process_key__eq(const struct process_key *a, const struct process_key *b)
{
	return a->tgid == b->tgid && a->exec_id == b->exec_id && a->start_ns == b->start_ns;
}

static inline uint64_t process_key__hash(const struct process_key *k)
{
	return hash_pair((uint64_t)k->tgid << 32 | k->exec_id, k->start_ns);
}

#endif
