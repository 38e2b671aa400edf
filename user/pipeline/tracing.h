/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracing - timelines of the scheduler for who asks: the hooks are in place from the first ask to the end of the last.
 *
 * Owns: the ring while it is open, records of asks that wait. Thread: that of its loop. Limit: TRACING_ASKS_MAX, TRACE_RECORDS_MAX records each: a longer
 * one ends early and says so. Errors: -EAGAIN too many ask, -EOPNOTSUPP the kernel has no such hooks, -errno.
 */
#ifndef EVERPROF_PIPELINE_TRACING_H
#define EVERPROF_PIPELINE_TRACING_H

#include <stdint.h>

#define TRACING_ASKS_MAX 2

struct collector;
struct loop;
struct tracing;

/* Called once for each ask, on the loop's thread; fd: a sealed memfd with a trace (exporters/format/trace.h), the receiver's. */
typedef void (*tracing_done_fn)(void *ctx, uint64_t id, int err, int fd);

int tracing__new(struct loop *loop, struct collector *collector, struct tracing **ret);
/* Asks that still wait are done with -ECANCELED. */
void tracing__free(struct tracing *t);
/* From now until to_ns (CLOCK_MONOTONIC). */
int tracing__ask(struct tracing *t, uint64_t id, uint64_t to_ns, tracing_done_fn done, void *ctx);
/* Ends it soon, with -ECANCELED; unknown ids are fine. */
void tracing__cancel(struct tracing *t, uint64_t id);

#endif
