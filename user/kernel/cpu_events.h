/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_events - one perf event per CPU, of all processes, that runs a BPF program each time it fires.
 *
 * Owns: a descriptor per CPU. Thread: one owner. Limit: CPUS_MAX. Errors: -errno with one line that says what to do.
 */
#ifndef EVERPROF_KERNEL_CPU_EVENTS_H
#define EVERPROF_KERNEL_CPU_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#define CPUS_MAX 4096

struct cpu_events;
struct err;
struct perf_event_attr;

/* Numbers of the CPUs that are online; cpus[max]; returns how many there are, or -errno. */
int cpus__online(uint32_t *cpus, uint32_t max);

/* Why an event cannot be opened, and what to do. Returns the code. */
int cpu_events__explain(struct err *err, int code);
/* Can such an event be opened, on ourselves? 0 or -errno. */
int cpu_events__try(const struct perf_event_attr *attr);
/*
 * Has an event that is enabled stopped since the last call for it? The kernel takes the events of a CPU that goes offline away, and does not bring them back
 * with the CPU: the descriptor lives, and nothing comes. *ran_ns is what the last call noted, 0 at first; attr.read_format of the event is CPU_EVENT_READ_FORMAT.
 */
#define CPU_EVENT_READ_FORMAT PERF_FORMAT_TOTAL_TIME_ENABLED
bool cpu_event__has_stopped(int fd, uint64_t *ran_ns);

/* Opens nothing yet, and starts nothing before it is enabled. */
int cpu_events__new(const struct perf_event_attr *attr, struct cpu_events **ret);
void cpu_events__free(struct cpu_events *e);
/* Opens the event, and starts it where they are enabled, on each CPU that is online and has none that runs, closes those of CPUs that went; for the start and,
 * called now and then, for CPU hotplug. */
int cpu_events__attach(struct cpu_events *e, int prog_fd, struct err *err);
/* Stops and starts all without closing them. */
void cpu_events__enable(struct cpu_events *e, bool on);
/* Of the events that are open, and of those of CPUs that come later. */
int cpu_events__set_period(struct cpu_events *e, uint64_t period);

#endif
