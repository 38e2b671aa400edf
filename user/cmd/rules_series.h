/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_series - measured values that somebody kept: lines of SECONDS,PID,COMM,METRIC,VALUE, or the meta.json of a capture, which has those of its target.
 *
 * Owns: nothing. Thread: one. Limit: RULES_SERIES_MAX bytes. Errors: -errno, and one line that says where and what was expected.
 */
#ifndef EVERPROF_CMD_RULES_SERIES_H
#define EVERPROF_CMD_RULES_SERIES_H

#include <stddef.h>

#define RULES_SERIES_MAX ((size_t)256 << 20)

struct err;
struct metric_sample;

/* For each second in which something was measured, by rising time: begin, then take for each target of it. Nothing of the sample is kept after that. */
struct rules_series_sink {
	void (*begin)(void *ctx, double second);
	void (*take)(void *ctx, const struct metric_sample *s);
	void *ctx;
};

int rules_series__read(const char *path, const struct rules_series_sink *sink, struct err *e);

#endif
