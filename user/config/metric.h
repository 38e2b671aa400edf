/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric - the measured values that a rule may compare, and in what unit and scope.
 *
 * Owns: nothing. Thread: any. Limit: METRIC_N. Errors: -ENOENT for an unknown name.
 */
#ifndef EVERPROF_CONFIG_METRIC_H
#define EVERPROF_CONFIG_METRIC_H

#include <stdint.h>

/* What a rule looks at; one state for each thing of the scope that matches. */
enum scope { SCOPE_SYSTEM, SCOPE_CGROUP, SCOPE_CONTAINER, SCOPE_PROCESS, SCOPE_N };

const char *scope__name(enum scope scope);
int scope__find(const char *name, enum scope *ret_scope);

/* How values of the metric are written, and the base unit that they are compared in. */
enum metric_unit {
	METRIC_PERCENT,    /* 80 or 80%: percent */
	METRIC_BYTES,      /* 2GiB: bytes */
	METRIC_BYTE_RATE,  /* 100MB/hour: bytes a second */
	METRIC_COUNT,      /* 10000: a number */
	METRIC_COUNT_RATE, /* 1000/s: a number a second */
	METRIC_DURATION,   /* 20ms: seconds */
};

#define ON_SYSTEM  (1u << SCOPE_SYSTEM)
#define ON_GROUPS  (1u << SCOPE_CGROUP | 1u << SCOPE_CONTAINER)
#define ON_PROCESS (1u << SCOPE_PROCESS)
#define ON_ALL     (ON_SYSTEM | ON_GROUPS | ON_PROCESS)

/* name, unit, scopes, what it is */
#define METRICS(X)                                                                                          \
	X(cpu_usage_percent, PERCENT, ON_ALL,                                                               \
	  "CPU time; of all CPUs in scope `system`, of one CPU elsewhere, as in top.")                      \
	X(cpu_limit_percent, PERCENT, ON_GROUPS | ON_PROCESS,                                               \
	  "CPU time, of the target's own limit (`cpu.max`).")                                               \
	X(throttled_percent, PERCENT, ON_GROUPS,                                                            \
	  "Share of the periods in which the CPU limit throttled it.")                                      \
	X(rss, BYTES, ON_ALL, "Resident memory.")                                                           \
	X(memory_growth_rate, BYTE_RATE, ON_ALL,                                                            \
	  "How fast resident memory grows, least squares over the rule's duration.")                        \
	X(memory_limit_percent, PERCENT, ON_GROUPS | ON_PROCESS,                                            \
	  "Memory that cannot be reclaimed, of the target's own limit.")                                    \
	X(memory_limit_eta, DURATION, ON_GROUPS | ON_PROCESS,                                               \
	  "Time until the memory limit is reached, at the present growth.")                                 \
	X(memory_available_percent, PERCENT, ON_SYSTEM,                                                     \
	  "Memory that could be had without swapping, of all.")                                             \
	X(alloc_rate, BYTE_RATE, ON_ALL, "Bytes allocated through malloc and its family.")                  \
	X(major_fault_rate, COUNT_RATE, ON_ALL, "Page faults that had to read from a disk.")                \
	X(goroutine_count, COUNT, ON_ALL, "Goroutines of Go processes.")                                    \
	X(thread_count, COUNT, ON_ALL, "Threads.")                                                          \
	X(fd_count, COUNT, ON_ALL, "Open file descriptors; not known with room for more than 1048576.")     \
	X(fd_limit_percent, PERCENT, ON_PROCESS, "Open file descriptors, of the process's limit.")          \
	X(pids_limit_percent, PERCENT, ON_GROUPS, "Tasks, of the cgroup's `pids.max`.")                     \
	X(context_switch_rate, COUNT_RATE, ON_ALL, "Context switches.")                                     \
	X(blocked_percent, PERCENT, ON_ALL, "Time blocked, of threads times wall time.")                    \
	X(disk_wait_percent, PERCENT, ON_ALL, "Threads in uninterruptible sleep, of all, when it is seen.") \
	X(run_queue_latency_p50, DURATION, ON_SYSTEM | ON_GROUPS, "Median wait for a CPU, a power of two.") \
	X(run_queue_latency_p95, DURATION, ON_SYSTEM | ON_GROUPS, "95th percentile of the same.")           \
	X(run_queue_latency_p99, DURATION, ON_SYSTEM | ON_GROUPS, "99th percentile of the same.")           \
	X(psi_cpu_some_percent, PERCENT, ON_SYSTEM | ON_GROUPS,                                             \
	  "Pressure: time in which some task waited for a CPU.")                                            \
	X(psi_memory_some_percent, PERCENT, ON_SYSTEM | ON_GROUPS,                                          \
	  "Pressure: time in which some task waited for memory.")                                           \
	X(psi_memory_full_percent, PERCENT, ON_SYSTEM | ON_GROUPS,                                          \
	  "Pressure: time in which all tasks waited for memory.")                                           \
	X(psi_io_some_percent, PERCENT, ON_SYSTEM | ON_GROUPS,                                              \
	  "Pressure: time in which some task waited for I/O.")                                              \
	X(psi_io_full_percent, PERCENT, ON_SYSTEM | ON_GROUPS,                                              \
	  "Pressure: time in which all tasks waited for I/O.")                                              \
	X(function_share, PERCENT, ON_ALL,                                                                  \
	  "CPU time below a function (or in it alone: `self`), of the target's, in the last window.")       \
	X(library_share, PERCENT, ON_ALL,                                                                   \
	  "CPU time below a binary or library (or in it alone), of the target's, in the last window.")      \
	X(profile_drift, PERCENT, ON_PROCESS,                                                               \
	  "How much of its CPU time lies in other functions than before its program had a new build.")      \
	X(everprof_lost_percent, PERCENT, ON_SYSTEM, "Samples that everprof itself lost, of all.")          \
	X(everprof_cpu_percent, PERCENT, ON_SYSTEM, "CPU time of everprof itself, of all CPUs.")

/* clang-format off */
enum metric_id {
#define METRIC_ID(name, unit, scopes, help) METRIC_##name,
	METRICS(METRIC_ID)
#undef METRIC_ID
	METRIC_N,
};
/* What /proc/pressure and its like tell, from psi_cpu_some_percent on. */
#define PRESSURE_LINES (METRIC_psi_io_full_percent - METRIC_psi_cpu_some_percent + 1)
/* clang-format on */

/* Told from the samples of a window, with a bound on what chance may have done: what is compared is the bound, not the share. */
#define METRICS_OF_PROFILES \
	(1ull << METRIC_function_share | 1ull << METRIC_library_share | 1ull << METRIC_profile_drift)

static inline int metric__is_of_profiles(enum metric_id id)
{
	return id != METRIC_N && METRICS_OF_PROFILES >> id & 1;
}

static inline int metric__needs_name(enum metric_id id)
{
	return id == METRIC_function_share || id == METRIC_library_share;
}

struct metric {
	const char *name;
	enum metric_unit unit;
	uint32_t scopes; /* bits 1 << enum scope */
	const char *help;
};

const struct metric *metric__get(enum metric_id id);
int metric__find(const char *name, enum metric_id *ret_id);
double metric__most(enum metric_id id, enum scope scope); /* that a value can be; 0: no bound, or not known */
/* "a percentage", for the reference of the configuration. */
const char *metric__unit_name(enum metric_unit unit);

#endif
