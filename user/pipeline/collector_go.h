/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_go - Go programs as the collector sees them: which processes are some, and what is asked of their memory while they live.
 *
 * Owns: nothing; what is known of files is the collector's. Thread: the collector's. Limit: some seconds for all processes together, and a quarter of what
 * is left of them for each. Errors: -ENOMEM; what cannot be read is counted as go_unknown.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_GO_H
#define EVERPROF_PIPELINE_COLLECTOR_GO_H

#include <stdint.h>

#include "bpf/loss.h"
#include "user/config/event.h"

struct clock_limit;
struct collector;
struct go_process;
struct process;

/* One Go process, up to that limit. What it returns counts the process as lost (go_unknown), but for -ENOENT. */
typedef int (*collector_go_fn)(struct collector *c, struct process *p, const struct go_process *go,
			       const struct clock_limit *limit, void *ctx);
/* All Go processes that are wanted, or the one with that pid; -ENOMEM ends it. */
int collector__each_go(struct collector *c, enum event ev, uint32_t pid, collector_go_fn fn, void *ctx);

#endif
