// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/ceiling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/heap.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/kernel/loader.h"
#include "user/pipeline/bpf_cost.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/footprint.h"
#include "user/pipeline/publish.h"

#define MIB (1024.0 * 1024.0)
/* Where the kernel keeps no run times: what a sample takes on a machine that is not new. */
#define SAMPLE_NS 15000
/* Pages of maps are looked for after so many readings, or such a change of what is resident. */
#define MAPPED_EVERY        12
#define MAPPED_CHANGE_BYTES (4ull << 20)
#define MAPPED_CHANGE_SHARE 32 /* of limits.memory, where that is less */

struct ceiling {
	struct governor governor;
	struct loop *loop;
	struct loop_source *timer;
	struct collector *collector;
	struct publisher *publisher;
	struct bpf_cost *bpf_cost;
	uint64_t n_readings, memory_max_bytes, n_shed_told;
	uint64_t mapped_bytes, resident_then,
		mapped_until; /* pages of maps; what was resident then; up to which reading that holds */
	bool told_stuck;
};

/* ret_sample_ns: of it, at ticks. */
static uint64_t bpf_ns(struct ceiling *c, const struct collector_stats *s, uint64_t *ret_sample_ns)
{
	struct bpf_cost_sums sums;

	bpf_cost__sums(c->bpf_cost, &sums);
	if (!sums.ns)
		sums.ns = sums.tick_ns = s->samples[EVENT_CPU] * SAMPLE_NS;
	*ret_sample_ns = sums.tick_ns;
	return sums.ns;
}

/*
 * What of the resident set are pages of maps. To tell takes the kernel a walk of our page tables, a twentieth of all CPU time of the agent where it is asked for at
 * every reading. So it is asked when what is resident has changed, and else once a minute.
 */
static uint64_t mapped_bytes(struct ceiling *c, uint64_t resident)
{
	uint64_t most = c->governor.opts.memory_bytes / MAPPED_CHANGE_SHARE;
	uint64_t change =
		resident > c->resident_then ? resident - c->resident_then : c->resident_then - resident;
	struct footprint f;

	if (!most || most > MAPPED_CHANGE_BYTES)
		most = MAPPED_CHANGE_BYTES;
	if (c->n_readings < c->mapped_until && change < most)
		return c->mapped_bytes;
	if (footprint__read("/proc/self", &f))
		return 0;
	c->mapped_until = c->n_readings + MAPPED_EVERY;
	c->resident_then = resident;
	return c->mapped_bytes = f.bpf_bytes;
}

/* Maps once, and what is resident besides, here and in the processes that hold probes. */
static uint64_t memory_bytes(struct ceiling *c, const struct collector_stats *s)
{
	uint64_t peak = publisher__take_peak(c->publisher), resident = footprint__resident("/proc/self");
	uint64_t mapped = mapped_bytes(c, resident);

	resident = peak > resident ? peak : resident;
	return resident - (mapped < resident ? mapped : resident) + s->map_bytes +
	       s->allocs.files.holders_bytes;
}

static void ceiling__read(struct ceiling *c, struct governor_reading *r)
{
	struct collector_stats s;
	struct publish_stats p;
	uint64_t bpf, ticks;

	collector__stats(c->collector, &s);
	publisher__stats(c->publisher, &p);
	bpf = bpf_ns(c, &s, &ticks);
	*r = (struct governor_reading){
		.now_ns = clock__mono_ns(),
		.cpu_ns = clock__process_cpu_ns() + s.allocs.holders_ns + bpf,
		.sample_ns = ticks + s.finish_ns + s.drain_ns + p.naming_ns + p.encoding_ns,
		.finish_ns = s.finish_ns,
		.budget_ns = s.waits.cost_ns + s.waits.pass_ns + s.memory.cost_ns + s.allocs.own_ns,
		.follow_ns = s.must_follow ? 0 : s.follow_ns,
		.n_events = s.process_events,
		.n_cpus = s.n_cpus,
		.memory_bytes = memory_bytes(c, &s),
		.history_bytes = s.history_bytes,
		.symbol_bytes = p.symbol_bytes,
		.row_bytes = s.tables.store.bytes,
		.window_bytes = s.window_bytes,
	};
	c->n_readings++;
	if (r->memory_bytes > c->memory_max_bytes)
		c->memory_max_bytes = r->memory_bytes;
}

static void ceiling__obey(struct ceiling *c)
{
	const struct governor_orders *orders = &c->governor.orders;
	char text[GOVERNOR_TEXT_MAX];
	int err;

	governor__text(&c->governor, text);
	log__write(c->governor.n_shed > c->n_shed_told ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, NULL,
		   "limits: memory %.1f of %.1f MiB, cpu %.3f of %.3f %% of the machine: given up now: %s",
		   (double)c->governor.memory_bytes / MIB, (double)c->governor.opts.memory_bytes / MIB,
		   (double)c->governor.cpu_ppm / 1e4, (double)c->governor.opts.cpu_ppm / 1e4,
		   *text ? text : "nothing");
	c->n_shed_told = c->governor.n_shed;
	err = collector__obey(c->collector, orders, text);
	if (err)
		log_warn("limits: change what is collected: %s, ignoring", strerror(-err));
	publisher__set_symbol_bytes(c->publisher, orders->symbol_bytes);
	bpf_cost__look_anew(c->bpf_cost);
	heap__give_back();
}

/* Over a limit with nothing left to give up: said once, and once when it is over. */
static void ceiling__tell_stuck(struct ceiling *c)
{
	const struct governor *g = &c->governor;
	bool stuck = g->cpu_stuck || g->memory_stuck;

	if (stuck && !c->told_stuck)
		log_warn("limits: %s cannot be kept: nothing that would help is left to give up (memory %.1f "
			 "of %.1f MiB, cpu "
			 "%.3f of %.3f %% of the machine)",
			 g->memory_stuck ? "limits.memory" : "limits.cpu", (double)g->memory_bytes / MIB,
			 (double)g->opts.memory_bytes / MIB, (double)g->cpu_ppm / 1e4,
			 (double)g->opts.cpu_ppm / 1e4);
	else if (!stuck && c->told_stuck)
		log_info("limits: kept again");
	c->told_stuck = stuck;
}

static int on_timer(uint64_t n_expired, void *ctx)
{
	struct governor_orders orders;
	struct governor_reading r;
	struct ceiling *c = ctx;

	(void)n_expired;
	ceiling__read(c, &r);
	if (governor__judge(&c->governor, &r, &orders))
		ceiling__obey(c);
	ceiling__tell_stuck(c);
	return 0;
}

int ceiling__new(const struct governor_opts *opts, struct loop *loop, struct collector *collector,
		 struct publisher *publisher, struct ceiling **ret)
{
	struct ceiling *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->collector = collector;
	c->publisher = publisher;
	governor__init(&c->governor, opts);
	err = bpf_cost__new(loop, collector__loader(collector), &c->bpf_cost);
	if (!err)
		err = loop__add_timer(loop, CEILING_EVERY_NS, CEILING_EVERY_NS, on_timer, c, &c->timer);
	if (err) {
		ceiling__free(c);
		return err;
	}
	*ret = c;
	return 0;
}

void ceiling__free(struct ceiling *c)
{
	if (!c)
		return;
	if (c->timer)
		loop__remove(c->loop, c->timer);
	bpf_cost__free(c->bpf_cost);
	free(c);
}

void ceiling__set_opts(struct ceiling *c, const struct governor_opts *opts)
{
	const struct governor_opts *old = &c->governor.opts;

	if (opts->memory_bytes == old->memory_bytes && opts->cpu_ppm == old->cpu_ppm &&
	    opts->frequency_hz == old->frequency_hz)
		return;
	governor__set_opts(&c->governor, opts);
	ceiling__obey(c);
}

void ceiling__stats(const struct ceiling *c, struct ceiling_stats *ret)
{
	const struct governor *g = &c->governor;

	*ret = (struct ceiling_stats){
		.n_readings = c->n_readings,
		.memory_bytes = g->memory_bytes,
		.memory_max_bytes = c->memory_max_bytes,
		.memory_limit_bytes = g->opts.memory_bytes,
		.cpu_ppm = g->cpu_ppm,
		.cpu_limit_ppm = g->opts.cpu_ppm,
		.n_shed = g->n_shed,
		.n_back = g->n_back,
	};
	bpf_cost__sums(c->bpf_cost, &ret->bpf);
	governor__text(g, ret->text);
}
