/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_track - what a capture's target used, second by second, in the five minutes before the moment and the five after it.
 *
 *      rows:  at  0.4  -299.6 … 0 … 299.4        columns: metrics; the one of the rule first, then those that are always known, then what else was measured
 *
 * Owns: its rows. Thread: one owner. Limit: TRACK_ROWS_MAX rows (one of the series and one of the passes a second), TRACK_METRICS_MAX metrics. Errors:
 * -ENOMEM; what has no room is left out.
 */
#ifndef EVERPROF_ALERT_CAPTURE_TRACK_H
#define EVERPROF_ALERT_CAPTURE_TRACK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "user/config/metric_sample.h"

#define TRACK_SIDE_NS     (300ull * 1000000000) /* before and after */
#define TRACK_ROWS_MAX    640
#define TRACK_METRICS_MAX 12
#define TRACK_FILE        "metrics.json"

struct capture_track {
	struct metric_target target; /* its texts are not looked at */
	uint64_t fired_mono_ns, fired_real_ns;
	enum metric_id metrics[TRACK_METRICS_MAX];
	uint32_t n_metrics, n_rows;
	struct track_row *rows;
	bool has_seen; /* a sample of its target: the metrics are known by then */
};

struct track_row {
	uint64_t at_ns;                  /* CLOCK_MONOTONIC */
	float values[TRACK_METRICS_MAX]; /* NaN: not known */
};

/* metric METRIC_N: of no rule. */
int capture_track__init(struct capture_track *t, const struct metric_target *target, enum metric_id metric,
			uint64_t fired_mono_ns, uint64_t fired_real_ns);
void capture_track__done(struct capture_track *t);
/* What was before: values of one metric, the oldest first; any number of metrics, one after the other. */
void capture_track__put(struct capture_track *t, enum metric_id metric, uint64_t at_ns, double value);
/* A pass has measured something; it is taken where it is the target. */
void capture_track__take(struct capture_track *t, const struct metric_sample *s);
bool capture_track__is_over(const struct capture_track *t, uint64_t mono_ns);
/* The mean of a metric in [from_ns, to_ns), NaN where nothing is known of it then. */
double capture_track__mean(const struct capture_track *t, enum metric_id metric, uint64_t from_ns,
			   uint64_t to_ns);
/* {"fired":…, "seconds": [-299.6, …], "values": {"rss": […], …}, "units": {"rss": "bytes", …}} */
json_t *capture_track__json(const struct capture_track *t);

#endif
