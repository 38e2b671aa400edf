/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_track - what the kernel says a process used, over any stretch of time, to hold a profile against.
 *
 * A thread notes the scheduler's own sum (/proc/PID/task/TID/schedstat, nanoseconds) every CPU_TRACK_STEP_NS; between two notes the sum is interpolated, so
 * that the profile may choose its start and end freely. A process that exits keeps its last note.
 *
 * Owns: the thread and its notes. Thread: one owner. Limit: CPU_TRACK_MAX notes (about 80 s), later ones are dropped. Errors: -ERANGE outside of the notes.
 */
#ifndef EVERPROF_TESTS_SUPPORT_CPU_TRACK_H
#define EVERPROF_TESTS_SUPPORT_CPU_TRACK_H

#include <stdint.h>
#include <sys/types.h>

#define CPU_TRACK_STEP_NS (10ull * 1000 * 1000)
#define CPU_TRACK_MAX     8192

struct cpu_track;

int cpu_track__start(pid_t pid, struct cpu_track **ret_track);
/* CPU nanoseconds between two CLOCK_REALTIME instants; call after cpu_track__stop. */
int cpu_track__between(const struct cpu_track *t, uint64_t from_real_ns, uint64_t to_real_ns,
		       uint64_t *ret_ns);
void cpu_track__stop(struct cpu_track *t);
void cpu_track__free(struct cpu_track *t);

/* The sum now, over all threads that are there; -ESRCH. */
int read_process_cpu(pid_t pid, uint64_t *ret_ns);

#endif
