/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_host_event - what happens once, told to the collector's port: see config/host_event.h.
 *
 * Owns: nothing; its state is the collector's. Thread: the collector's. Limit: HOST_BUILDS_MAX. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_HOST_EVENT_H
#define EVERPROF_PIPELINE_COLLECTOR_HOST_EVENT_H

#include "bpf/abi.h"
#include "user/pipeline/host_build.h"

struct collector;
struct process;

struct host_events {
	struct host_builds builds;
	struct task_key last_victim; /* of a kill for memory */
};

/* For life_handler.oom; ctx is the collector. */
void collector__on_oom(void *ctx, const struct process_record *r);
/* A process ended; it is still known. */
void collector__tell_end(struct collector *c, const struct process_record *r);
/* Its mappings were settled. */
void collector__look_at_build(struct collector *c, struct process *p);
/* Before the end of a process is taken in. */
void collector__look_at_last(struct collector *c, const struct process_record *r);

#endif
