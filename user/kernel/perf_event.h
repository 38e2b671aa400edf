/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_event - one clock per CPU that runs a BPF program at each tick.
 *
 * Owns: a descriptor per CPU. Thread: one owner. Limit: CPUS_MAX. Errors: -errno with one line that says what to do.
 */
#ifndef EVERPROF_KERNEL_PERF_EVENT_H
#define EVERPROF_KERNEL_PERF_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "user/kernel/cpu_events.h"

struct btf;
struct err;

enum clock_kind {
	CLOCK_AUTO, /* cycles where there is a PMU and the kernel says what they are worth, cpu-clock where not */
	CLOCK_CYCLES, /* hardware cycles: non-maskable, sees code that has interrupts off */
	CLOCK_CPU,    /* the kernel's own high-resolution timer */
};

struct perf_clocks;

/* Opens nothing yet; tells which clock `kind` means on this machine. */
int perf_clocks__new(enum clock_kind kind, uint32_t frequency_hz, struct perf_clocks **ret, struct err *err);
void perf_clocks__free(struct perf_clocks *c);
enum clock_kind perf_clocks__kind(const struct perf_clocks *c);
const char *perf_clocks__name(const struct perf_clocks *c); /* "cycles" or "cpu-clock" */
uint64_t perf_clocks__period_ns(const struct perf_clocks *c);
/* Opens and starts a clock on each CPU that is online and has none, closes those of CPUs that went; for the start and for CPU hotplug.
 * The program is run at each tick. */
int perf_clocks__attach(struct perf_clocks *c, int prog_fd, struct err *err);
/* Stops and starts all clocks without closing them (duty cycle). */
void perf_clocks__enable(struct perf_clocks *c, bool on);
int perf_clocks__set_frequency(struct perf_clocks *c, uint32_t frequency_hz);
/* Of cycles, now and then: that they come as often as they should; cpu_ticks_fd: of the map of that name. */
int perf_clocks__keep_pace(struct perf_clocks *c, int cpu_ticks_fd);
/* Does a kernel of these types account for how long each CPU runs? */
bool perf_clocks__can_weigh(const struct btf *btf);

#endif
