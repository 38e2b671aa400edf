/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_pressed - what the kernel watches for us of one target's pressure, where rules have thresholds of it.
 *
 * Owns: its triggers. Thread: that of its usage. Limit: PRESSURE_TRIGGERS_MAX of all targets. Errors: what cannot be watched is not.
 */
#ifndef EVERPROF_PIPELINE_USAGE_PRESSED_H
#define EVERPROF_PIPELINE_USAGE_PRESSED_H

#include "user/config/metric.h"
#include "user/pipeline/pressure_trigger.h"

struct usage_pressed {
	struct pressure_trigger lines[PRESSURE_LINES];
	uint32_t turn; /* which thresholds these are of */
};

/* Writes the path of that file; false: the target has none. */
typedef bool (*usage_pressed_path_fn)(void *ctx, enum pressure_kind kind, char *ret_path, size_t size);

/* Watches what is above these percentages (0: not), once a turn; what was watched of a control group that went and came again, anew. */
void usage_pressed__arm(struct usage_pressed *p, struct pressure_triggers *of, uint32_t turn,
			const double above[PRESSURE_LINES], usage_pressed_path_fn path, void *ctx);
void usage_pressed__disarm(struct usage_pressed *p);
/* What was told since the last pass is the least that the pass tells. */
void usage_pressed__raise(struct usage_pressed *p, double values[METRIC_N], uint64_t *known);

#endif
