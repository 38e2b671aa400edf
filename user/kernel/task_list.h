/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task_list - one pass over all processes, or all threads, or what they use, in the kernel.
 *
 * Owns: nothing after the call. Thread: any. Limit: none; records are handed on as they are read. Errors: -errno of the iterator; a negative return of fn.
 */
#ifndef EVERPROF_KERNEL_TASK_LIST_H
#define EVERPROF_KERNEL_TASK_LIST_H

#include <stdbool.h>

#include "bpf/abi.h"
#include "bpf/usage.h"

struct loader;

typedef int (*task_list_fn)(const struct task_record *r, void *ctx);
int task_list__read(const struct loader *l, task_list_fn fn, void *ctx);

typedef int (*thread_list_fn)(const struct thread_record *r, void *ctx);
int task_list__threads(const struct loader *l, thread_list_fn fn, void *ctx);

/* What each thread and process uses; what a record leaves out is zero. with_fds: count their descriptors, too. */
typedef int (*usage_list_fn)(const struct usage_record *r, void *ctx);
int task_list__usage(const struct loader *l, bool with_fds, usage_list_fn fn, void *ctx);

#endif
