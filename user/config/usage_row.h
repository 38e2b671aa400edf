/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_row - what the host, a control group or a process uses, as it passes from the collector to the process that serves: a head, and rows of one size.
 *
 * Rates are a second's. What is not known is NaN. Texts end with NUL, longer ones were cut.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_CONFIG_USAGE_ROW_H
#define EVERPROF_CONFIG_USAGE_ROW_H

#include <stdint.h>

#define USAGE_ROWS_MAGIC 0x31777275u /* "urw1" */

struct usage_head {
	uint32_t magic, n_rows;
	uint64_t at_ns; /* CLOCK_REALTIME, of the pass */
	uint64_t total_bytes, free_bytes, available_bytes, anon_bytes, mapped_bytes, cached_bytes,
		shmem_bytes;
	uint64_t swap_total_bytes, swap_free_bytes;
	double cpu_percent; /* of all CPUs */
	double growth_bytes, major_faults;
	double psi_some_percent, psi_full_percent; /* memory; NaN where no rule wants them */
	uint32_t n_processes, n_threads;
	uint32_t n_points, reserved; /* that follow the rows */
};

/* Of a series, the oldest first. */
struct usage_row_point {
	uint64_t at_ns; /* CLOCK_REALTIME */
	double rss_bytes, cpu_percent, major_faults, threads;
};

struct usage_row {
	uint32_t is_group, pid; /* pid 0: of a control group */
	double rss_bytes, anon_bytes, file_bytes, shmem_bytes, swap_bytes;
	double growth_bytes, minor_faults, major_faults;
	double cpu_percent; /* of one CPU */
	double threads;
	char comm[16], exe[128], cgroup[256], unit[64], container[80], pod[40];
};

#endif
