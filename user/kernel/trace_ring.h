/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace_ring - what the scheduler does, record by record, while somebody records a timeline.
 *
 * Owns: the hooks in place, a ring for each CPU. Thread: one reader. Limit: TRACE_RING_BYTES a CPU; what does not fit is counted. Errors: -EOPNOTSUPP the kernel has
 * no such tracepoints; -errno.
 */
#ifndef EVERPROF_KERNEL_TRACE_RING_H
#define EVERPROF_KERNEL_TRACE_RING_H

#include <stdint.h>

#include "bpf/trace.h"

#define TRACE_RING_BYTES (256u * 1024) /* some 4,000 records, a tenth of a second of a very busy CPU */

struct loader;
struct trace_ring;

/* Records of one CPU come in the order of time, those of several do not. */
typedef void (*trace_ring_fn)(const struct trace_record *r, void *ctx);

int trace_ring__open(struct loader *l, trace_ring_fn fn, void *ctx, struct trace_ring **ret);
void trace_ring__close(struct trace_ring *t);
/* Readable where a ring is half full. */
int trace_ring__epoll_fd(const struct trace_ring *t);
/* Hands on what is there. */
void trace_ring__drain(struct trace_ring *t);
/* Records for which a ring had no room, or which it did not take, so far. */
uint64_t trace_ring__lost(const struct trace_ring *t);

#endif
