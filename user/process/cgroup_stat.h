/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_stat - what the files of a control group say of what it uses and may use, in versions 1 and 2.
 *
 * Owns: nothing. Thread: any. Limit: CGROUP_FILE_MAX bytes a file. Errors: -EBADMSG where a file is not of its form.
 */
#ifndef EVERPROF_PROCESS_CGROUP_STAT_H
#define EVERPROF_PROCESS_CGROUP_STAT_H

#include <stddef.h>
#include <stdint.h>

#define CGROUP_FILE_MAX  16384
#define CGROUP_UNLIMITED UINT64_MAX

/* cpu.stat of both versions; the first has no usage there. */
struct cgroup_cpu {
	uint64_t usage_ns; /* 0: not told */
	uint64_t n_periods, n_throttled, throttled_ns;
};

/* memory.stat: of the group and those below it. */
struct cgroup_memory {
	uint64_t anon_bytes, mapped_bytes; /* mapped: of files and shared memory */
	uint64_t shmem_bytes, inactive_file_bytes;
};

/* Time in which some, or all, tasks waited for a resource; since the boot. */
struct pressure {
	uint64_t some_ns, full_ns;
	int has_full; /* older kernels do not tell it of the CPU */
};

int parse_cgroup_cpu_stat(const char *text, size_t len, struct cgroup_cpu *ret);
int parse_cgroup_memory_stat(const char *text, size_t len, struct cgroup_memory *ret);
/* cpu.max: "max 100000" or "50000 100000"; in CPUs, 0: no limit. */
int parse_cgroup_cpu_max(const char *text, size_t len, double *ret_cpus);
/* One number. "max", "-1" and what version 1 writes for none are CGROUP_UNLIMITED. */
int parse_cgroup_number(const char *text, size_t len, uint64_t *ret);
/* cpu.pressure and the like, and the host's in /proc/pressure. */
int parse_pressure(const char *text, size_t len, struct pressure *ret);

#endif
