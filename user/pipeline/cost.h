/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cost - what everprof itself takes: processor, memory, BPF time; gathered in one struct, printed for people.
 *
 * Owns: nothing. Thread: the collector's. Limit: none. Errors: what cannot be read is 0.
 */
#ifndef EVERPROF_PIPELINE_COST_H
#define EVERPROF_PIPELINE_COST_H

#include <stddef.h>
#include <stdint.h>

#include "user/kernel/loader.h"
#include "user/pipeline/ceiling.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/publish.h"
#include "user/store/store.h"

#define COST_PROGRAMS_MAX 32

struct cost {
	uint64_t wall_ns; /* since the start */
	uint64_t cpu_ns;  /* of this process and those that hold probes for it, user and system */
	uint64_t resident_bytes, resident_max_bytes; /* the most: of this process alone */
	uint64_t bpf_ns;                             /* of all programs; 0 without run-time statistics */
	uint32_t n_programs;
	struct program_stats programs[COST_PROGRAMS_MAX];
	struct collector_stats collector;
	struct publish_stats publish;
	struct store_stats store;
	struct ceiling_stats ceiling;
};

/* publisher, store and ceiling may be NULL. */
void cost__gather(struct cost *c, uint64_t started_ns, struct collector *collector,
		  const struct publisher *publisher, struct store *store, const struct ceiling *ceiling);
/* Log lines, each with one subject. */
void cost__log(const struct cost *c);

#endif
