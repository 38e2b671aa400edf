/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_queue - how long threads waited for a CPU: counts by powers of two (bpf/abi.h, struct run_queue), of all and by control group.
 *
 * Owns: nothing. Thread: any. Limit: RUN_QUEUE_GROUPS control groups; those that are gone are dropped when they are read. Errors: -errno.
 */
#ifndef EVERPROF_KERNEL_RUN_QUEUE_H
#define EVERPROF_KERNEL_RUN_QUEUE_H

#include <stdint.h>

#include "bpf/abi.h"

/* Upper end of a bucket, in nanoseconds. */
uint64_t run_queue__bucket_ns(uint32_t bucket);
/* The wait, in nanoseconds, that a share q (0 to 1) of all do not exceed: the upper end of its bucket; 0 where there were none. */
uint64_t run_queue__quantile_ns(const struct run_queue *r, double q);
uint64_t run_queue__count(const struct run_queue *r);
/* n waits of so many nanoseconds each. */
void run_queue__note(struct run_queue *r, uint64_t ns, uint64_t n);

/* path: "/system.slice/…", below the mount of the unified hierarchy. */
typedef void (*run_queue_fn)(const char *path, const struct run_queue *r, void *ctx);
/* Adds to what the map has of the control group; a map that is full takes no more of them. */
void run_queues__add(int map_fd, uint64_t cgroup, const struct run_queue *more);
int run_queues__read(int map_fd, const char *cgroup_root, run_queue_fn fn, void *ctx);

#endif
