/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - what everprof knows of itself and of the host, as text for Prometheus.
 *
 * Each family stands once, with HELP and TYPE, as text format 0.0.4 wants it; counters end in _total, so that OpenMetrics is the same but for the TYPE
 * line. No label is unbounded: reasons, resources and programs are lists of the sources.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: what cannot be read is left out.
 */
#ifndef EVERPROF_PIPELINE_METRICS_H
#define EVERPROF_PIPELINE_METRICS_H

struct buf;
struct cost;

/* proc: "/proc", for the pressure of the host. */
void metrics__print(const struct cost *c, const char *proc, struct buf *to);

#endif
