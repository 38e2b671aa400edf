/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_stat - what the host as a whole uses: /proc/stat, /proc/meminfo, /proc/pressure.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: -EBADMSG not such a file.
 */
#ifndef EVERPROF_PROCESS_HOST_STAT_H
#define EVERPROF_PROCESS_HOST_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/process/cgroup_stat.h"

/* Sums over all CPUs since the boot. */
struct host_cpu {
	uint64_t busy_ns, all_ns; /* what a hypervisor took is neither */
	uint64_t stolen_ns;       /* that */
	uint64_t switches;
	bool has_switches; /* they stand behind the lines of all CPUs and interrupts */
};

struct host_memory {
	uint64_t total_bytes, free_bytes, available_bytes;
	uint64_t anon_bytes, mapped_bytes, cached_bytes, shmem_bytes;
	uint64_t swap_total_bytes, swap_free_bytes;
};

enum pressure_kind { PRESSURE_CPU, PRESSURE_MEMORY, PRESSURE_IO, PRESSURE_N };

const char *pressure_kind__name(enum pressure_kind kind);

int parse_host_cpu(const char *text, size_t len, struct host_cpu *ret);
int parse_host_memory(const char *text, size_t len, struct host_memory *ret);

#endif
