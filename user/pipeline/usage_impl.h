/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_impl - the insides of usage, shared by usage.c (life, the pass, what is handed on), usage_process.c (from records to rates), usage_group.c (control
 * groups and their files) and usage_host.c.
 *
 * Owns: see usage.h. Thread: that of its usage. Limit: see usage.h. Errors: -errno.
 */
#ifndef EVERPROF_PIPELINE_USAGE_IMPL_H
#define EVERPROF_PIPELINE_USAGE_IMPL_H

#include "user/base/hashmap.h"
#include "user/pipeline/sleepers.h"
#include "user/pipeline/usage.h"
#include "user/pipeline/usage_group.h"
#include "user/pipeline/usage_process.h"

enum usage_host_file { HOST_FILE_MEMORY, HOST_FILE_PRESSURE, HOST_FILE_N = HOST_FILE_PRESSURE + PRESSURE_N };

struct usage_host {
	int files[HOST_FILE_N]; /* kept open; FD_CLOSED */
	struct usage_rates rates;
	struct host_cpu cpu;
	struct host_memory memory;
	struct pressure pressure[PRESSURE_N];
	struct usage_pressed pressed;
	struct run_queue run_queue;
	struct usage_own own;
	uint64_t cpu_at, pressure_at[PRESSURE_N], run_queue_at, own_at;
	double rss_bytes, growth; /* as of rss_at */
	uint64_t rss_at;
	uint64_t known;
	double values[METRIC_N];
	struct usage_series series;
};

struct usage {
	struct usage_opts opts;
	struct usage_port port;
	const char *proc, *root;
	int proc_fd;
	struct cgroup_tree tree;
	bool has_tree;
	uint64_t want[SCOPE_N], want_any;
	double arm_above[SCOPE_N][PRESSURE_LINES];
	uint32_t arm_turn; /* counts usage__arm */
	uint32_t pass, n_cpus;
	uint64_t now_ns, last_ns; /* CLOCK_MONOTONIC: this pass, and the one before */
	int64_t boot_offset_ns;   /* CLOCK_BOOTTIME is later by so much */
	uint64_t pass_at[USAGE_SERIES_MAX];
	uint32_t page_bytes;
	struct usage_process *processes;
	uint32_t n_processes, cap_processes;
	struct hashmap by_pid;
	struct sleepers sleepers;
	struct usage_group **groups;
	uint32_t n_groups, cap_groups, n_files;
	struct hashmap by_path;
	struct usage_host host;
	struct usage_allowance allowance;
	struct usage_stats stats;
	struct metric_sample sample; /* scratch */
	char text[CGROUP_FILE_MAX];  /* scratch */
};

static inline bool usage__wants(const struct usage *u, enum scope scope, enum metric_id id)
{
	return u->want[scope] >> id & 1;
}

/* usage_host.c */
void usage__settle_host(struct usage *u);
/* What the host's memory is of now. */
void usage__read_memory(struct usage *u);
void usage__close_host(struct usage *u);

#endif
