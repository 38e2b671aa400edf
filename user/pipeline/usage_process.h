/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_process - a process, as usage follows it: what was told of it in this pass, and up to when its rates are known.
 *
 * Owns: its series. Thread: that of its usage. Limit: USAGE_PROCESSES_MAX processes. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_USAGE_PROCESS_H
#define EVERPROF_PIPELINE_USAGE_PROCESS_H

#include <stdint.h>

#include "bpf/usage.h"
#include "user/pipeline/usage_rates.h"
#include "user/pipeline/usage_series.h"

struct usage;
struct usage_group;

struct usage_process {
	uint64_t start_ns;
	uint32_t pid, exec_id, ppid;
	uint32_t pass; /* in which it was met last */
	struct usage_group *group;
	uint64_t cgroup_id;
	uint32_t group_pass; /* when the group was looked up */
	uint8_t is_kernel_thread;
	uint8_t is_torn; /* records of this pass are not of one moment … */
	uint8_t n_torn;  /* … nor were those of so many before */
	uint8_t has_last, has_memory, has_fds, has_process;
	char comm[USAGE_COMM_LEN + 1];
	/* this pass, as far as it has come */
	struct usage_sums now;
	uint64_t for_cpu_ns;
	uint32_t sequence, n_threads, n_met, n_on_disk, n_fds;
	uint64_t fds_limit;
	int64_t rss_pages[USAGE_MEMORY_N];
	/* up to when rates are known */
	struct usage_sums last;
	uint64_t last_for_cpu_ns, last_ns;
	uint64_t slept_ns; /* since then: what the kernel took for waiting for a CPU, and was none */
	double last_rss_bytes;
	struct usage_growth growth;
	double share; /* of the time between two passes, what its rates are of; at most 1 */
	struct usage_rates rates;
	uint32_t goroutines_pass; /* when they were counted */
	struct usage_series series;
};

int usage__on_record(const struct usage_record *r, void *ctx);
/* After the records of a pass: rates of each, sums of groups and the host; those that are gone are forgotten. */
void usage__settle_processes(struct usage *u);
void usage_process__values(struct usage *u, const struct usage_process *p, double values[METRIC_N],
			   uint64_t *known);
void usage__free_processes(struct usage *u);

#endif
