/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_table_impl - what the two halves of a process_table share: who comes and goes (process_table.c), and what they map (process_table_mapping.c).
 *
 * Owns, Thread, Limit, Errors: as process_table.h says.
 */
#ifndef EVERPROF_PROCESS_PROCESS_TABLE_IMPL_H
#define EVERPROF_PROCESS_PROCESS_TABLE_IMPL_H

#include "user/process/process_index.h"
#include "user/process/process_table.h"

struct process_table {
	struct process_table_opts opts;
	struct process_reader reader;
	struct process_index index;
	uint32_t verify_cursor;
	struct process *ended_first, *ended_last;
	struct process *mapped_first; /* the first ended one that still has its mappings */
	struct task_key *due;         /* [PROCESS_PLACES_DUE_MAX]: execs whose place was not read */
	uint32_t n_due;
	size_t pending_bytes;
	struct process_table_stats stats;
};

/* That its set is another one, to who listens; of one that has ended nobody wants to know. */
void process_table__tell_mappings(struct process_table *t, const struct process *p);

#endif
