/* SPDX-License-Identifier: Apache-2.0 */
#include "user/pipeline/metrics.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/config/event.h"
#include "user/kernel/losses.h"
#include "user/pipeline/cost.h"

#define PRESSURE_MAX 1024

enum kind { COUNTER, GAUGE };

static void family(struct buf *b, const char *name, enum kind kind, const char *help)
{
	buf__printf(b, "# HELP everprof_%s %s\n# TYPE everprof_%s %s\n", name, help, name,
		    kind == COUNTER ? "counter" : "gauge");
}

static void number(struct buf *b, const char *name, enum kind kind, const char *help, uint64_t v)
{
	family(b, name, kind, help);
	buf__printf(b, "everprof_%s %" PRIu64 "\n", name, v);
}

static void seconds(struct buf *b, const char *name, enum kind kind, const char *help, uint64_t ns)
{
	family(b, name, kind, help);
	buf__printf(b, "everprof_%s %.6f\n", name, (double)ns / NS_PER_SEC);
}

static void print_samples(const struct collector_stats *s, struct buf *b)
{
	family(b, "samples_total", COUNTER, "Samples that were counted, by event.");
	for (int ev = 0; ev < EVENT_N; ev++)
		if (collector__can_record((enum event)ev))
			buf__printf(b, "everprof_samples_total{event=\"%s\"} %" PRIu64 "\n",
				    event__name((enum event)ev), s->samples[ev]);
	family(b, "lost_total", COUNTER,
	       "What is missing, by reason; in samples, where the reason says nothing else.");
	for (int i = 0; i < LOSS_MAX; i++)
		buf__printf(b, "everprof_lost_total{reason=\"%s\"} %" PRIu64 "\n", loss__name((enum loss)i),
			    s->lost.n[i]);
	family(b, "stacks_total", COUNTER,
	       "Walks over user stacks by how they ended, and whether that is a whole stack.");
	for (int i = 0; i < END_MAX; i++)
		buf__printf(b, "everprof_stacks_total{end=\"%s\",whole=\"%s\"} %" PRIu64 "\n",
			    end_reason__name((enum end_reason)i),
			    end_reason__is_complete((enum end_reason)i) ? "true" : "false", s->ends[i]);
	family(b, "host_events_total", COUNTER,
	       "What happened to processes: kills for memory, ends by a signal that dumps core, new builds "
	       "of known "
	       "programs.");
	for (int i = 0; i < HOST_EVENT_N; i++)
		buf__printf(b, "everprof_host_events_total{event=\"%s\"} %" PRIu64 "\n",
			    host_event__name((enum host_event_kind)i), s->host_events[i]);
	number(b, "stacks_finished_total", COUNTER, "Stacks that were finished in user space.",
	       s->unfinished);
	number(b, "slices_total", COUNTER, "Slices that were drained from the kernel.", s->slices);
	number(b, "windows_total", COUNTER, "Windows that were closed.", s->windows);
	number(b, "frequency_hertz", GAUGE, "Samples a second and CPU, now.", s->frequency_hz);
	number(b, "cpus", GAUGE, "CPUs that are sampled.", s->n_cpus);
	seconds(b, "drain_seconds_total", COUNTER, "CPU time for draining slices.", s->drain_ns);
	seconds(b, "drain_max_seconds", GAUGE, "The longest drain of a slice.", s->drain_max_ns);
}

static void print_memory(const struct memory_stats *m, struct buf *b)
{
	if (!m->on)
		return;
	number(b, "fault_period", GAUGE, "One page fault in so many is sampled.", m->period);
	number(b, "fault_measures", GAUGE,
	       "1 where page tables tell what a fault made resident, 0 where one counts as a page.",
	       m->measures);
	number(b, "faults_total", COUNTER, "Page faults that samples stand for.", m->n_faults);
	number(b, "faults_taken_total", COUNTER, "Page faults whose stack was taken.",
	       m->n_taken - m->n_left_out);
	number(b, "faults_nothing_total", COUNTER, "Of these, faults that made nothing resident.",
	       m->n_nothing);
	number(b, "faults_unfollowed_total", COUNTER,
	       "Of these, faults that count as a page because too many others were under way.",
	       m->n_unfollowed);
	seconds(b, "fault_seconds_total", COUNTER,
		"CPU time of what is done at page faults, as it measures itself.", m->cost_ns);
}

static void print_allocs(const struct alloc_prober_stats *a, struct buf *b)
{
	if (!a->probe_cost_ns)
		return;
	number(b, "alloc_windows_total", COUNTER, "Windows in which calls of allocators were probed.",
	       a->n_windows);
	number(b, "alloc_probe_hits_total", COUNTER, "Calls that met a probe.", a->n_hits);
	number(b, "alloc_samples_total", COUNTER, "Calls whose stack was taken.", a->n_samples);
	seconds(b, "alloc_probes_in_place_seconds_total", COUNTER,
		"Time during which probes were in place: no thread can have lost more.", a->in_place_ns);
	seconds(b, "alloc_probe_seconds_total", COUNTER, "CPU time of all threads in probes.", a->probes_ns);
	seconds(b, "alloc_attach_seconds_total", COUNTER,
		"CPU time for putting probes in place and taking them away.", a->own_ns);
	seconds(b, "alloc_probe_cost_seconds", GAUGE, "What one probe costs, as last measured.",
		a->probe_cost_ns);
	seconds(b, "alloc_stretch_seconds", GAUGE,
		"In so much time the next window lies: what the last one cost is profiling.alloc.budget of "
		"it.",
		a->next_stretch_ns);
	number(b, "alloc_interval_bytes", GAUGE, "In a window one call is taken in so many bytes, at first.",
	       a->interval);
	number(b, "alloc_files", GAUGE, "Files with allocators that are probed.", a->files.n_files);
	number(b, "alloc_files_spared_total", COUNTER,
	       "Times that a file was left out of a window, because a program read its code as data.",
	       a->files.n_spared);
	number(b, "alloc_files_failed_total", COUNTER, "Files that the kernel would not probe.",
	       a->files.n_failed);
	number(b, "alloc_saturated_total", COUNTER,
	       "Threads in windows that did so little else that what they allocate is known to an order of "
	       "magnitude only.",
	       a->n_saturated);
}

static void print_waits(const struct wait_stats *w, struct buf *b)
{
	uint64_t n = 0;

	if (!w->on)
		return;
	number(b, "waits_by_hook", GAUGE,
	       "1 where switches are looked at, 0 where passes over all threads sample waits.", w->by_hook);
	seconds(b, "wait_interval_seconds", GAUGE, "Of so much waiting one wait is taken, on average.",
		w->interval_ns);
	number(b, "switches_total", COUNTER, "Context switches that were looked at.", w->n_switches);
	number(b, "waits_taken_total", COUNTER, "Waits whose stack was taken when they ended.", w->n_taken);
	seconds(b, "wait_hook_seconds_total", COUNTER,
		"CPU time of the hook on switches: as it measures itself, with what the kernel takes to call "
		"it.",
		w->cost_ns);
	seconds(b, "wait_pass_seconds_total", COUNTER, "CPU time of passes over all threads.", w->pass_ns);
	buf__printf(b, "# HELP everprof_run_queue_seconds Time that threads waited for a CPU.\n"
		       "# TYPE everprof_run_queue_seconds histogram\n");
	for (uint32_t i = 0; i < RUN_QUEUE_BUCKETS; i++) {
		n += w->run_queue.n[i];
		buf__printf(b, "everprof_run_queue_seconds_bucket{le=\"%.9g\"} %" PRIu64 "\n",
			    (double)run_queue__bucket_ns(i) / NS_PER_SEC, n);
	}
	buf__printf(b,
		    "everprof_run_queue_seconds_bucket{le=\"+Inf\"} %" PRIu64
		    "\neverprof_run_queue_seconds_count %" PRIu64 "\n",
		    n, n);
}

static void print_cost(const struct cost *c, struct buf *b)
{
	seconds(b, "uptime_seconds", GAUGE, "Since the start.", c->wall_ns);
	seconds(b, "cpu_seconds_total", COUNTER, "CPU time of the collector, without its BPF programs.",
		c->cpu_ns);
	seconds(b, "bpf_seconds_total", COUNTER,
		"CPU time of the BPF programs, estimated from a part of the time.", c->bpf_ns);
	number(b, "resident_bytes", GAUGE, "Resident memory of the collector.", c->resident_bytes);
	number(b, "map_bytes", GAUGE, "Memory of the BPF maps.", c->collector.map_bytes);
	number(b, "memory_limit_bytes", GAUGE, "limits.memory.", c->ceiling.memory_limit_bytes);
	number(b, "memory_judged_bytes", GAUGE, "What is held against limits.memory.",
	       c->ceiling.memory_bytes);
	family(b, "cpu_share_ratio", GAUGE, "What is held against limits.cpu, of all CPUs.");
	buf__printf(b, "everprof_cpu_share_ratio %.6f\n", (double)c->ceiling.cpu_ppm / 1e6);
	family(b, "cpu_limit_ratio", GAUGE, "limits.cpu, of all CPUs.");
	buf__printf(b, "everprof_cpu_limit_ratio %.6f\n", (double)c->ceiling.cpu_limit_ppm / 1e6);
	number(b, "shed_total", COUNTER, "Steps that gave something up to stay below a limit.",
	       c->ceiling.n_shed);
	number(b, "shed_back_total", COUNTER, "Steps that took something back.", c->ceiling.n_back);
}

static void print_tables(const struct collector_stats *s, struct buf *b)
{
	number(b, "processes", GAUGE, "Processes that are known.", s->processes.processes);
	number(b, "process_forks_total", COUNTER, "Forks that were seen.", s->processes.n_forks);
	number(b, "process_execs_total", COUNTER, "Execs that were seen.", s->processes.n_execs);
	number(b, "objects", GAUGE, "Files that are known.", s->objects.objects);
	number(b, "object_bytes", GAUGE, "Memory of what is known of files.", s->objects.bytes);
	number(b, "objects_evicted_total", COUNTER, "Files that were forgotten for want of room.",
	       s->objects.n_evicted);
	number(b, "objects_unnumbered_total", COUNTER,
	       "Mappings of files that are not known because all numbers for files are used.",
	       s->objects.n_refused_id);
	number(b, "unwind_pages_total", COUNTER, "Pages of unwind rows that were built.",
	       s->tables.pages_built);
	number(b, "unwind_row_bytes", GAUGE, "Memory of unwind rows in the kernel.", s->tables.store.bytes);
	number(b, "window_bytes", GAUGE, "Memory of the open window.", s->window_bytes);
	number(b, "history_bytes", GAUGE, "Memory of the closed windows.", s->history_bytes);
	number(b, "history_evicted_total", COUNTER, "Windows that left the history for want of room.",
	       s->history_evicted);
}

static void print_publish(const struct publish_stats *p, struct buf *b)
{
	number(b, "profiles_total", COUNTER, "Windows that were named.", p->windows);
	number(b, "profiles_dropped_total", COUNTER, "Windows that were dropped because too many waited.",
	       p->dropped);
	number(b, "profiles_failed_total", COUNTER, "Windows that could not be named or kept.", p->failed);
	number(b, "profile_rows_total", COUNTER, "Rows (stack and labels) in profiles.", p->rows);
	number(b, "profile_bytes_total", COUNTER, "Bytes of profiles that the store took.", p->bytes);
	number(b, "symbol_bytes", GAUGE, "Memory of symbols.", p->symbol_bytes);
	seconds(b, "naming_seconds_total", COUNTER, "CPU time for naming.", p->naming_ns);
	seconds(b, "encoding_seconds_total", COUNTER, "CPU time for encoding.", p->encoding_ns);
}

static void print_store(const struct store_stats *s, struct buf *b)
{
	number(b, "store_bytes", GAUGE, "What the store takes on the disk.", s->bytes);
	number(b, "store_files", GAUGE, "Files of the store.", s->n_files);
	number(b, "store_oldest_timestamp_seconds", GAUGE, "Start of the oldest file.", s->oldest_s);
	number(b, "store_newest_timestamp_seconds", GAUGE, "Start of the newest file.", s->newest_s);
	number(b, "store_written_total", COUNTER, "Files that were written.", s->n_written);
	number(b, "store_written_bytes_total", COUNTER, "Bytes that were written.", s->written_bytes);
	number(b, "store_rollups_total", COUNTER, "Roll-ups that were made.", s->n_rollups);
	family(b, "store_deleted_total", COUNTER, "Files that were deleted, by reason.");
	for (int i = 0; i < STORE_DELETED_MAX; i++)
		buf__printf(b, "everprof_store_deleted_total{reason=\"%s\"} %" PRIu64 "\n",
			    store_deletion__name((enum store_deletion)i), s->n_deleted[i]);
	number(b, "store_write_errors_total", COUNTER, "Writes that failed.", s->n_write_errors);
	number(b, "store_lost_total", COUNTER, "Windows that never reached the disk.", s->n_lost);
	number(b, "store_failing", GAUGE, "1 while writing does not work.", s->is_failing);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123" (microseconds) */
static void print_pressure_line(const char *resource, const char *text, const char *kind, struct buf *b)
{
	const char *line = strstr(text, kind), *total = line ? strstr(line, "total=") : NULL;
	unsigned long long us;

	if (total && sscanf(total, "total=%llu", &us) == 1)
		buf__printf(b, "everprof_pressure_seconds_total{resource=\"%s\",kind=\"%s\"} %.6f\n",
			    resource, kind, (double)us / 1e6);
}

static void print_pressure(const char *proc, struct buf *b)
{
	static const char *const resources[] = {"cpu", "memory", "io"};
	struct buf texts[3];
	bool any = false;
	char path[256];

	for (int i = 0; i < 3; i++) {
		buf__init(&texts[i], PRESSURE_MAX);
		snprintf(path, sizeof(path), "%s/pressure/%s", proc, resources[i]);
		any |= !io__read_at(AT_FDCWD, path, PRESSURE_MAX - 1, &texts[i]);
	}
	if (any)
		family(b, "pressure_seconds_total", COUNTER,
		       "Time in which some, or all, tasks of the host waited for a resource (PSI).");
	for (int i = 0; i < 3; i++) {
		print_pressure_line(resources[i], buf__str(&texts[i]), "some", b);
		print_pressure_line(resources[i], buf__str(&texts[i]), "full", b);
		buf__done(&texts[i]);
	}
}

void metrics__print(const struct cost *c, const char *proc, struct buf *to)
{
	family(to, "build_info", GAUGE, "1, with what is running.");
	buf__printf(to, "everprof_build_info{version=\"%s\",clock=\"%s\"} 1\n", EVERPROF_VERSION,
		    c->collector.clock ? c->collector.clock : "");
	print_samples(&c->collector, to);
	print_waits(&c->collector.waits, to);
	print_memory(&c->collector.memory, to);
	print_allocs(&c->collector.allocs, to);
	print_cost(c, to);
	print_tables(&c->collector, to);
	print_publish(&c->publish, to);
	print_store(&c->store, to);
	print_pressure(proc, to);
}
