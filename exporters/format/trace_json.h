/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace_json - a timeline as Chrome's trace events, for chrome://tracing, Perfetto and speedscope.
 *
 * A track a thread: where it ran, on which CPU; where it waited, in which system call; where it waited for a CPU; arrows from who woke it. And, where all
 * threads are shown, a track a CPU. Times are microseconds from the beginning.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_FORMAT_TRACE_JSON_H
#define EVERPROF_FORMAT_TRACE_JSON_H

#include <stdbool.h>

#include "exporters/format/trace.h"

struct buf;

/* keeps NULL: all threads. */
int trace_json__encode(const struct trace *t,
		       bool (*keeps)(const struct trace *t, const struct trace_thread *thread, void *ctx),
		       void *ctx, struct buf *to);

#endif
