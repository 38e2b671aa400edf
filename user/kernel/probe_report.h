/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_report - a report of the probe as text for people and as JSON for programs. Pure.
 *
 * Owns: nothing. Thread: any. Limit: the buffer's. Errors: -ENOMEM; else the buffer's own.
 */
#ifndef EVERPROF_KERNEL_PROBE_REPORT_H
#define EVERPROF_KERNEL_PROBE_REPORT_H

#include <stdbool.h>

struct buf;
struct probe_report;

/* One line a check, two more for what is lost and what to do; the verdict in the last line. */
void probe_report__format(const struct probe_report *r, bool colour, struct buf *to);
/* "everything works", "works, with 2 features reduced", "cannot run: …". */
void probe_report__format_verdict(const struct probe_report *r, struct buf *to);
/* {"verdict", "can_run", "reduced", "checks": [{"group", "name", "title", "need", "state", "found", "lost", "remedy"}]} */
int probe_report__encode_json(const struct probe_report *r, struct buf *to);

#endif
