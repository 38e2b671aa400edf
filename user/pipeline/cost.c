// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/cost.h"

#include <sys/resource.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/pipeline/footprint.h"

#define MIB (1024.0 * 1024.0)

void cost__gather(struct cost *c, uint64_t started_ns, struct collector *collector,
		  const struct publisher *publisher, struct store *store, const struct ceiling *ceiling)
{
	struct rusage usage = {};

	*c = (struct cost){
		.wall_ns = clock__mono_ns() - started_ns,
		.cpu_ns = clock__process_cpu_ns(),
		.resident_bytes = footprint__resident("/proc/self"),
	};
	getrusage(RUSAGE_SELF, &usage);
	c->resident_max_bytes = (uint64_t)usage.ru_maxrss * 1024;
	c->n_programs = loader__program_stats(collector__loader(collector), c->programs, COST_PROGRAMS_MAX);
	if (c->n_programs > COST_PROGRAMS_MAX)
		c->n_programs = COST_PROGRAMS_MAX;
	collector__stats(collector, &c->collector);
	c->cpu_ns += c->collector.allocs.holders_ns;
	c->resident_bytes += c->collector.allocs.files.holders_bytes;
	if (publisher)
		publisher__stats(publisher, &c->publish);
	if (store)
		store__stats(store, &c->store);
	if (ceiling)
		ceiling__stats(ceiling, &c->ceiling);
	c->bpf_ns = c->ceiling.bpf.ns;
}

/* LOG_INFO without a call site: statistics are asked for, and never rate-limited. */
#define SAY(...) log__write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)

static double per_cent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void log_bpf(const struct cost *c)
{
	for (uint32_t i = 0; i < c->n_programs; i++) {
		const struct program_stats *p = &c->programs[i];

		if (p->run_count)
			SAY("cost: bpf program '%s': %llu runs, %.2f us each, %u instructions verified",
			    p->name, (unsigned long long)p->run_count,
			    (double)p->run_ns / (double)p->run_count / 1000, p->verified_insns);
	}
}

static void log_samples(const struct collector_stats *s)
{
	uint64_t whole = 0, all = 0;

	for (int i = 0; i < END_MAX; i++) {
		all += s->ends[i];
		whole += end_reason__is_complete((enum end_reason)i) ? s->ends[i] : 0;
	}
	SAY("cost: samples %llu by %s at %u Hz on %u CPUs, %.2f %% whole, %llu finished in user space (%.1f "
	    "us each)",
	    (unsigned long long)s->samples[EVENT_CPU], s->clock, s->frequency_hz, s->n_cpus,
	    per_cent(whole, all), (unsigned long long)s->unfinished,
	    s->unfinished ? (double)s->finish_ns / (double)s->unfinished / 1000 : 0.0);
	for (int i = 0; i < END_MAX; i++)
		if (s->ends[i] && !end_reason__is_complete((enum end_reason)i))
			SAY("cost: stacks cut by '%s': %llu", end_reason__name((enum end_reason)i),
			    (unsigned long long)s->ends[i]);
	for (int i = 0; i < LOSS_MAX; i++)
		if (s->lost.n[i])
			SAY("cost: lost '%s': %llu (%s)", loss__name((enum loss)i),
			    (unsigned long long)s->lost.n[i], loss__text((enum loss)i));
}

static void log_tables(const struct collector_stats *s, uint64_t symbol_bytes)
{
	const struct tables_stats *t = &s->tables;

	SAY("cost: unwind tables: %llu rows in %llu pages, %.1f MiB, %llu built in %.1f ms (longest %.1f "
	    "ms), %llu evicted",
	    (unsigned long long)t->store.rows, (unsigned long long)t->store.pages,
	    (double)t->store.bytes / MIB, (unsigned long long)t->pages_built, (double)t->build_ns / 1e6,
	    (double)t->build_max_ns / 1e6, (unsigned long long)t->store.pages_evicted);
	SAY("cost: processes %llu, mappings %llu in %llu sets, objects %llu (%llu files open), events %llu",
	    (unsigned long long)s->processes.processes, (unsigned long long)s->processes.mappings,
	    (unsigned long long)s->processes.mapping_sets, (unsigned long long)s->objects.objects,
	    (unsigned long long)s->objects.open_fds, (unsigned long long)s->events);
	SAY("cost: window %.2f MiB, history %.2f MiB (%llu windows dropped for room), symbols %.2f MiB, "
	    "slices %llu, drain %.2f ms each (longest %.1f ms)",
	    (double)s->window_bytes / MIB, (double)s->history_bytes / MIB,
	    (unsigned long long)s->history_evicted, (double)symbol_bytes / MIB, (unsigned long long)s->slices,
	    s->slices ? (double)s->drain_ns / (double)s->slices / 1e6 : 0.0, (double)s->drain_max_ns / 1e6);
}

static void log_waits(const struct wait_stats *w)
{
	if (!w->on)
		return;
	SAY("cost: waits by %s: %llu switches seen, %llu waits taken, one in %.3g ms of waiting now; hook "
	    "%.2f s, passes %.2f s of "
	    "CPU time",
	    w->by_hook ? "a hook on switches" : "passes over all threads", (unsigned long long)w->n_switches,
	    (unsigned long long)w->n_taken, (double)w->interval_ns / 1e6, (double)w->cost_ns / 1e9,
	    (double)w->pass_ns / 1e9);
	SAY("cost: threads waited for a CPU, median %.3g ms, 95 %% below %.3g ms, 99 %% below %.3g ms",
	    (double)run_queue__quantile_ns(&w->run_queue, 0.5) / 1e6,
	    (double)run_queue__quantile_ns(&w->run_queue, 0.95) / 1e6,
	    (double)run_queue__quantile_ns(&w->run_queue, 0.99) / 1e6);
}

static void log_allocs(const struct alloc_prober_stats *a)
{
	if (!a->probe_cost_ns)
		return;
	SAY("cost: allocations: %llu windows, probes in place %.3f s, %llu hits of %llu ns, %llu stacks; "
	    "threads lost "
	    "%.3f s, putting probes in place took %.3f s of CPU time, %.3f s of it in processes that hold "
	    "them (%.1f MiB); the next window in %.3g s; %u files, %llu could not be probed",
	    (unsigned long long)a->n_windows, (double)a->in_place_ns / 1e9, (unsigned long long)a->n_hits,
	    (unsigned long long)a->probe_cost_ns, (unsigned long long)a->n_samples,
	    (double)a->probes_ns / 1e9, (double)a->own_ns / 1e9, (double)a->holders_ns / 1e9,
	    (double)a->files.holders_bytes / MIB, (double)a->next_stretch_ns / 1e9, a->files.n_files,
	    (unsigned long long)a->files.n_failed);
}

static void log_ceiling(const struct ceiling_stats *s)
{
	if (!s->n_readings)
		return;
	SAY("cost: limits: memory %.1f of %.1f MiB (most %.1f), cpu %.3f of %.3f %% of the machine; given up "
	    "%llu "
	    "times, taken back %llu; given up now: %s",
	    (double)s->memory_bytes / MIB, (double)s->memory_limit_bytes / MIB,
	    (double)s->memory_max_bytes / MIB, (double)s->cpu_ppm / 1e4, (double)s->cpu_limit_ppm / 1e4,
	    (unsigned long long)s->n_shed, (unsigned long long)s->n_back, *s->text ? s->text : "nothing");
}

void cost__log(const struct cost *c)
{
	SAY("cost: cpu %.3f %% of one CPU (%.2f s in %.0f s), bpf %.3f %% (%.3f s), resident %.1f MiB (most "
	    "%.1f), "
	    "bpf memory %.1f MiB",
	    per_cent(c->cpu_ns, c->wall_ns), (double)c->cpu_ns / 1e9, (double)c->wall_ns / 1e9,
	    per_cent(c->bpf_ns, c->wall_ns), (double)c->bpf_ns / 1e9, (double)c->resident_bytes / MIB,
	    (double)c->resident_max_bytes / MIB, (double)c->collector.map_bytes / MIB);
	log_ceiling(&c->ceiling);
	log_bpf(c);
	log_samples(&c->collector);
	log_waits(&c->collector.waits);
	log_allocs(&c->collector.allocs);
	log_tables(&c->collector, c->publish.symbol_bytes);
	SAY("cost: windows %llu named in %.1f ms and encoded in %.1f ms each, %llu dropped, %llu failed",
	    (unsigned long long)c->publish.windows,
	    c->publish.windows ? (double)c->publish.naming_ns / (double)c->publish.windows / 1e6 : 0.0,
	    c->publish.windows ? (double)c->publish.encoding_ns / (double)c->publish.windows / 1e6 : 0.0,
	    (unsigned long long)c->publish.dropped, (unsigned long long)c->publish.failed);
	SAY("cost: store %u files, %.1f MiB; written %llu files, %.1f MiB; %llu write errors, %llu windows "
	    "lost",
	    c->store.n_files, (double)c->store.bytes / MIB, (unsigned long long)c->store.n_written,
	    (double)c->store.written_bytes / MIB, (unsigned long long)c->store.n_write_errors,
	    (unsigned long long)c->store.n_lost);
}
