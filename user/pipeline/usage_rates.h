/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_rates - what one or many processes use a second, and the values of metrics that follow from it.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_USAGE_RATES_H
#define EVERPROF_PIPELINE_USAGE_RATES_H

#include <math.h>
#include <stdint.h>

#include "user/config/metric.h"
#include "user/process/host_stat.h"

struct run_queue;

#define USAGE_FOREVER_S 1e9 /* memory_limit_eta of what does not grow */

/* What a process uses a second, and holds; of a group and of the host the sum of its processes'. */
struct usage_rates {
	double cpu, for_cpu; /* seconds a second: running, waiting for a CPU */
	double minor, major, switches;
	double read_bytes, written_bytes;
	double allocated_bytes, goroutines;
	double rss_bytes, growth_bytes, swap_bytes;
	double threads, on_disk, fds;
	/* how many processes have told what is behind each */
	uint32_t n, n_timed, n_fds, n_allocated, n_goroutines;
};

/* Rates of a sum that only grows: 0 where it went back. */
static inline double usage__rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static inline double usage__seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

static inline void usage__set(double values[METRIC_N], uint64_t *known, enum metric_id id, double v)
{
	values[id] = v;
	*known |= 1ull << id;
}

/* NaN: it is not known. */
static inline void usage__set_known(double values[METRIC_N], uint64_t *known, enum metric_id id, double v)
{
	if (!isnan(v))
		usage__set(values, known, id, v);
}

/* share: of the time between two passes, what r is of: a process that began in between was there for a part of it. */
void usage_rates__add(struct usage_rates *to, const struct usage_rates *r, double share);
/* What follows from the rates alone, for any scope. */
void usage_rates__values(const struct usage_rates *r, double values[METRIC_N], uint64_t *known);

/*
 * How fast memory grows, as a mean in which the last quarter of a minute counts most: what the time to a limit is told from. What was not seen does not count as
 * growth of 0, so the first seconds are a mean of themselves.
 */
struct usage_growth {
	double rate; /* bytes a second */
	double seen; /* of all weights: 1 after a minute */
};

void usage_growth__add(struct usage_growth *g, double now, double seconds);
/* Until room is used up, at most USAGE_FOREVER_S; NaN: too little was seen. */
double usage_growth__eta_s(const struct usage_growth *g, double room_bytes);
void usage__set_pressure(double values[METRIC_N], uint64_t *known, enum pressure_kind kind,
			 const struct pressure *before, const struct pressure *now, double seconds);
void usage__set_run_queue(double values[METRIC_N], uint64_t *known, const struct run_queue *before,
			  const struct run_queue *now);

#endif
