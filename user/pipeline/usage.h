/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage - what the host, each control group, each container and each process uses now: one pass a second over all of them, for rules, captures, the page.
 *
 * A pass asks the kernel once for all threads (bpf/usage.h), reads those files of control groups and of the host that somebody wants a value of, and hands on
 * one metric_sample a target. Rates are of the time since the pass before, never since a start. What was seen is kept for some minutes, a short series a
 * target.
 *
 * Owns: the targets, their last values and series, descriptors of the groups' files. Thread: that of its owner, the one that asks for passes. Limit:
 * usage_opts; targets beyond are left out and counted, files beyond USAGE_FILES_MAX are opened for each read. Errors: -errno of the pass over threads; what
 * else cannot be read is not known in the sample.
 */
#ifndef EVERPROF_PIPELINE_USAGE_H
#define EVERPROF_PIPELINE_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "user/config/metric_sample.h"
#include "user/pipeline/pressure_trigger.h"

struct buf;
struct collector;
struct process_labels;
struct run_queue;
struct usage;
struct usage_record;

#define USAGE_PASS_NS       1000000000ull /* how often a pass is meant to be asked for */
#define USAGE_FILES_MAX     512
#define USAGE_PROCESSES_MAX 16384
#define USAGE_GROUPS_MAX    2048

struct usage_opts {
	const char *proc; /* NULL: "/proc"; where stat, meminfo and pressure are */
	const char *root; /* NULL: ""; in front of the mount points of control groups, for trees of tests */
	struct pressure_triggers *triggers; /* NULL: pressure is told by its sums alone */
	size_t series_bytes;                /* most for the series of all targets together; 0: 2 MiB */
};

/* What everprof itself has lost and cost, sums since its start. */
struct usage_own {
	uint64_t samples, lost;
	uint64_t cpu_ns; /* of the collector, without what asides.bpf_ns says */
};

/* What others than the collector know. Any may be NULL. */
struct usage_asides {
	void *ctx;
	/* Goroutines of a Go process, NaN for any other. Asked where goroutine_count is wanted only. */
	double (*goroutines)(void *ctx, const struct task_key *key);
	/* Bytes a second that the process allocates, NaN: not known. Asked where alloc_rate is wanted only. */
	double (*allocated)(void *ctx, const struct task_key *key);
	/* CPU time of our BPF programs since the start. */
	uint64_t (*bpf_ns)(void *ctx);
};

/* Where it asks. All but `list` may be NULL; those then are not known. */
struct usage_port {
	void *ctx;
	/* Calls fn for every thread there is (task_list__usage). */
	int (*list)(void *ctx, bool with_fds, int (*fn)(const struct usage_record *r, void *fn_ctx),
		    void *fn_ctx);
	/* Who it is, in the control group that it is in now; texts hold until the next call. false: not known (yet). */
	bool (*labels)(void *ctx, const struct task_key *key, uint64_t cgroup,
		       struct process_labels *ret_labels);
	/* Waits for a CPU since the start, of all threads. */
	bool (*run_queue)(void *ctx, struct run_queue *ret);
	/* The same by control group, path as "/system.slice/…". */
	int (*run_queues)(void *ctx, void (*fn)(const char *path, const struct run_queue *r, void *fn_ctx),
			  void *fn_ctx);
	void (*own)(void *ctx, struct usage_own *ret);
	struct usage_asides asides;
};

struct usage_stats {
	uint32_t processes, groups; /* known now */
	uint64_t passes, left_out;  /* targets for which there was no room, of all passes */
	uint64_t pass_ns;           /* CPU time of all passes */
	size_t bytes, series_bytes;
};

int usage__new(const struct usage_opts *opts, const struct usage_port *port, struct usage **ret);
void usage__free(struct usage *u);
/* Fills in all but the asides. */
void usage_port__of_collector(struct collector *c, struct usage_port *ret);

/*
 * Which metrics somebody looks at, as bits 1 << enum metric_id, by scope; before the first call none. Process CPU, memory, faults, switches and
 * threads come with the pass itself and are always known; what takes reading further files is read where it is wanted.
 */
void usage__want(struct usage *u, const uint64_t metrics[SCOPE_N]);
/* Above which percentage pressure is to be told at once, by scope and line (pressure_trigger.h), 0: not: then a pass has at least what the kernel told of a window. */
void usage__arm(struct usage *u, const double above[SCOPE_N][PRESSURE_LINES]);
/*
 * One pass. fn gets the host first, then each control group and container that has processes, then each process; it may be NULL. Texts and the sample itself
 * hold during the call. In the first pass that meets a target, what is a rate is not known.
 */
typedef void (*usage_fn)(const struct metric_sample *s, void *ctx);
int usage__pass(struct usage *u, uint64_t now_ns, usage_fn fn, void *ctx);
/*
 * Values of the last ten minutes, a pass each, the oldest first, from from_ns (CLOCK_MONOTONIC) on: of cpu_usage_percent, rss, major_fault_rate and
 * thread_count. How many; 0: of another metric, or the target is not known. Rounded, see usage_series.h.
 */
struct usage_value {
	uint64_t at_ns;
	double value;
};
uint32_t usage__points(const struct usage *u, const struct metric_target *target, enum metric_id metric,
		       uint64_t from_ns, struct usage_value *ret, uint32_t max);
/* What the last pass saw, as struct usage_head and struct usage_row (config/usage_row.h). -EAGAIN: there was none yet. */
int usage__rows(struct usage *u, struct buf *to);
/* The same of one process and its series (struct usage_row_point), pid 0: the host's alone. */
int usage__rows_of(struct usage *u, uint32_t pid, struct buf *to);
void usage__stats(const struct usage *u, struct usage_stats *ret);

#endif
