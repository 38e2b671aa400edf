/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_key - struct task_key (bpf/abi.h), one incarnation of a process, as a key of tables.
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

#include "bpf/abi.h"
#include "user/base/hashmap.h"

static inline bool process_key__eq(const struct task_key *a, const struct task_key *b)
{
	return a->tgid == b->tgid && a->exec_id == b->exec_id && a->start_ns == b->start_ns;
}

static inline uint64_t process_key__hash(const struct task_key *k)
{
	return hash_pair((uint64_t)k->tgid << 32 | k->exec_id, k->start_ns);
}

#endif
