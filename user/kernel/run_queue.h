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

/* path: "/system.slice/…", below the mount of the unified hierarchy. */
typedef void (*run_queue_fn)(const char *path, const struct run_queue *r, void *ctx);
int run_queues__read(int map_fd, const char *cgroup_root, run_queue_fn fn, void *ctx);

#endif
