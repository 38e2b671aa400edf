/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trend - how a value went over a time: its slope (least squares), its mean, what it was then. A ring of means, whatever the time.
 *
 * Owns: nothing (flat). Thread: one owner. Limit: TREND_BUCKETS means, each of a thirtieth of the time. Errors: false where too little is known.
 */
#ifndef EVERPROF_ALERT_TREND_H
#define EVERPROF_ALERT_TREND_H

#include <stdbool.h>
#include <stdint.h>

#define TREND_BUCKETS 32

struct trend_bucket {
	uint64_t at;      /* its number, time / width_ns; 0: none */
	double time, sum; /* sums: seconds since its beginning, values */
	uint32_t n;
};

struct trend {
	uint64_t width_ns, span_ns, last_ns;
	struct trend_bucket buckets[TREND_BUCKETS];
};

void trend__init(struct trend *t, uint64_t span_ns);
/* Times must not go back; an earlier one is passed over. */
void trend__add(struct trend *t, uint64_t now_ns, double value);
/* After so long there is a slope, and a mean: a quarter of the span, between the means of pieces. */
static inline uint64_t trend__learns_for(uint64_t span_ns)
{
	return span_ns / 3;
}
/* A second, over the span until now; known from three points on that cover a quarter of it. */
bool trend__slope(const struct trend *t, uint64_t now_ns, double *ret);
/* Over the span until now; known from a quarter of it on. */
bool trend__mean(const struct trend *t, uint64_t now_ns, double *ret);
/* The mean around at_ns, within a bucket. */
bool trend__at(const struct trend *t, uint64_t at_ns, double *ret);

#endif
