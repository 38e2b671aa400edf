/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_group - a control group, as usage follows it.
 *
 * Owns: its texts, its files. Thread: that of its usage. Limit: USAGE_GROUPS_MAX groups. Errors: what cannot be read is not known.
 */
#ifndef EVERPROF_PIPELINE_USAGE_GROUP_H
#define EVERPROF_PIPELINE_USAGE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "user/kernel/run_queue.h"
#include "user/pipeline/usage_pressed.h"
#include "user/pipeline/usage_rates.h"
#include "user/pipeline/usage_series.h"
#include "user/process/cgroup_stat.h"
#include "user/process/cgroup_tree.h"

struct usage;

struct usage_group_file {
	int fd; /* FD_CLOSED */
	uint32_t retry_pass;
};

struct usage_group {
	char *path, *unit, *container, *pod; /* NULL: none; unit, container and pod as of the innermost */
	struct usage_group *parent;          /* NULL: below the root */
	uint64_t id;
	uint32_t slot, pass, n_children;
	bool is_container; /* the outermost group of its container */
	struct usage_rates rates;
	struct usage_group_file files[CGROUP_FILE_N];
	/* limits, read now and then */
	uint32_t limits_pass;
	double cpu_limit; /* CPUs; 0: none */
	uint64_t memory_limit, pids_limit;
	/* of the pass before */
	struct cgroup_cpu cpu;
	struct pressure pressure[PRESSURE_N];
	struct usage_pressed *pressed; /* NULL: nothing */
	struct run_queue run_queue;
	uint64_t cpu_ns_at, pressure_at[PRESSURE_N]; /* when; 0: not yet */
	double rss_bytes;
	struct usage_growth growth;
	uint64_t rss_at;
	bool has_run_queue;
	/* as handed on */
	uint64_t known;
	double values[METRIC_N];
	double room_bytes; /* to the limit; NaN: there is none */
	struct usage_series series;
};

/* NULL for the root, and where there is no room. */
struct usage_group *usage__group(struct usage *u, const char *path);
void usage__settle_groups(struct usage *u);
/* What its memory is of now. */
int usage_group__memory(struct usage *u, struct usage_group *g, struct cgroup_memory *ret);
/* Of the nearest group that has one: CPUs, 0 for none; bytes, CGROUP_UNLIMITED. */
double usage_group__cpu_limit(const struct usage_group *g);
uint64_t usage_group__memory_limit(const struct usage_group *g);
/* How far the nearest group that has a memory limit is from it; NaN: there is none, or it is not known. */
double usage_group__room_bytes(const struct usage_group *g);
void usage__free_groups(struct usage *u);

#endif
