// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/usage_rates.h"

#include <math.h>

#include "user/kernel/run_queue.h"

#define GROWTH_SECONDS       15.0
#define GROWTH_KNOWN_SECONDS 5.0

void usage_rates__add(struct usage_rates *to, const struct usage_rates *r, double share)
{
	to->cpu += r->cpu * share;
	to->for_cpu += r->for_cpu * share;
	to->minor += r->minor * share;
	to->major += r->major * share;
	to->switches += r->switches * share;
	to->read_bytes += r->read_bytes * share;
	to->written_bytes += r->written_bytes * share;
	to->allocated_bytes += r->allocated_bytes;
	to->goroutines += r->goroutines;
	to->rss_bytes += r->rss_bytes;
	to->growth_bytes += r->growth_bytes;
	to->swap_bytes += r->swap_bytes;
	to->threads += r->threads;
	to->on_disk += r->on_disk;
	to->fds += r->fds;
	to->n += r->n;
	to->n_timed += r->n_timed;
	to->n_fds += r->n_fds;
	to->n_allocated += r->n_allocated;
	to->n_goroutines += r->n_goroutines;
}

void usage_rates__values(const struct usage_rates *r, double values[METRIC_N], uint64_t *known)
{
	double waiting = r->threads - r->cpu - r->for_cpu;

	usage__set(values, known, METRIC_rss, r->rss_bytes);
	usage__set(values, known, METRIC_thread_count, r->threads);
	if (r->threads > 0)
		usage__set(values, known, METRIC_disk_wait_percent, r->on_disk / r->threads * 100);
	if (r->n_timed) {
		usage__set(values, known, METRIC_cpu_usage_percent, r->cpu * 100);
		usage__set(values, known, METRIC_major_fault_rate, r->major);
		usage__set(values, known, METRIC_context_switch_rate, r->switches);
		usage__set(values, known, METRIC_memory_growth_rate, r->growth_bytes);
		if (r->threads > 0)
			usage__set(values, known, METRIC_blocked_percent,
				   waiting > 0 ? waiting / r->threads * 100 : 0);
	}
	if (r->n_fds)
		usage__set(values, known, METRIC_fd_count, r->fds);
	if (r->n_allocated)
		usage__set(values, known, METRIC_alloc_rate, r->allocated_bytes);
	if (r->n_goroutines)
		usage__set(values, known, METRIC_goroutine_count, r->goroutines);
}

void usage_growth__add(struct usage_growth *g, double now, double seconds)
{
	double weight = 1 - exp(-seconds / GROWTH_SECONDS);

	g->seen = g->seen * (1 - weight) + weight;
	g->rate += (now - g->rate) * weight / g->seen;
}

double usage_growth__eta_s(const struct usage_growth *g, double room_bytes)
{
	if (g->seen < 1 - exp(-GROWTH_KNOWN_SECONDS / GROWTH_SECONDS) - 1e-3)
		return NAN;
	return g->rate > 0 ? fmin(room_bytes / g->rate, USAGE_FOREVER_S) : USAGE_FOREVER_S;
}

void usage__set_pressure(double values[METRIC_N], uint64_t *known, enum pressure_kind kind,
			 const struct pressure *before, const struct pressure *now, double seconds)
{
	static const enum metric_id some[PRESSURE_N] = {
		METRIC_psi_cpu_some_percent, METRIC_psi_memory_some_percent, METRIC_psi_io_some_percent};
	static const enum metric_id full[PRESSURE_N] = {METRIC_N, METRIC_psi_memory_full_percent,
							METRIC_psi_io_full_percent};

	if (seconds <= 0)
		return;
	usage__set(values, known, some[kind],
		   fmin(usage__rate(now->some_ns, before->some_ns, seconds) / 1e9, 1) * 100);
	if (now->has_full && full[kind] != METRIC_N)
		usage__set(values, known, full[kind],
			   fmin(usage__rate(now->full_ns, before->full_ns, seconds) / 1e9, 1) * 100);
}

/* Nobody waited: 0, so that a rule that fired ends. */
void usage__set_run_queue(double values[METRIC_N], uint64_t *known, const struct run_queue *before,
			  const struct run_queue *now)
{
	struct run_queue since;

	for (int i = 0; i < RUN_QUEUE_BUCKETS; i++)
		since.n[i] = now->n[i] > before->n[i] ? now->n[i] - before->n[i] : 0;
	if (!run_queue__count(&since)) /* none was seen, which is not to say that none waited */
		return;
	usage__set(values, known, METRIC_run_queue_latency_p50,
		   (double)run_queue__quantile_ns(&since, 0.5) / 1e9);
	usage__set(values, known, METRIC_run_queue_latency_p95,
		   (double)run_queue__quantile_ns(&since, 0.95) / 1e9);
	usage__set(values, known, METRIC_run_queue_latency_p99,
		   (double)run_queue__quantile_ns(&since, 0.99) / 1e9);
}
