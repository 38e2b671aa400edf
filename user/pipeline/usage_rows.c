// SPDX-License-Identifier: Apache-2.0
/* usage_rows - what the last pass saw, as rows for the page and for scrapes. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/config/usage_row.h"
#include "user/pipeline/usage_impl.h"
#include "user/process/process.h"

#define ROWS_NS (600 * NS_PER_SEC) /* of a series */

static double known_or_nan(const double values[METRIC_N], uint64_t known, enum metric_id id)
{
	return known >> id & 1 ? values[id] : NAN;
}

static double timed(const struct usage_rates *r, double v)
{
	return r->n_timed ? v : NAN;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = from ? strnlen(from, size - 1) : 0;

	if (len)
		memcpy(to, from, len);
	to[len] = '\0';
}

static void row__rates(struct usage_row *row, const struct usage_rates *r)
{
	row->minor_faults = timed(r, r->minor);
	row->major_faults = timed(r, r->major);
	row->cpu_percent = timed(r, r->cpu * 100);
	row->threads = r->threads;
	row->swap_bytes = r->swap_bytes;
}

static void process__row(struct usage *u, const struct usage_process *p, struct usage_row *row)
{
	const struct task_key key = {.start_ns = p->start_ns, .tgid = p->pid, .exec_id = p->exec_id};
	const int64_t *pages = p->rss_pages;
	struct process_labels l;

	*row = (struct usage_row){.pid = p->pid};
	row__rates(row, &p->rates);
	row->growth_bytes = timed(&p->rates, p->growth.rate);
	row->rss_bytes = p->rates.rss_bytes;
	row->anon_bytes = pages[USAGE_ANON] > 0 ? (double)pages[USAGE_ANON] * u->page_bytes : 0;
	row->file_bytes = pages[USAGE_FILE] > 0 ? (double)pages[USAGE_FILE] * u->page_bytes : 0;
	row->shmem_bytes = pages[USAGE_SHMEM] > 0 ? (double)pages[USAGE_SHMEM] * u->page_bytes : 0;
	copy_text(row->comm, sizeof(row->comm), p->comm);
	if (!u->port.labels || !u->port.labels(u->port.ctx, &key, p->cgroup_id, &l))
		return;
	copy_text(row->exe, sizeof(row->exe), l.exe);
	copy_text(row->cgroup, sizeof(row->cgroup), l.cgroup);
	copy_text(row->unit, sizeof(row->unit), l.unit);
	copy_text(row->container, sizeof(row->container), l.container);
	copy_text(row->pod, sizeof(row->pod), l.pod);
}

static void group__row(struct usage *u, struct usage_group *g, struct usage_row *row)
{
	struct cgroup_memory m;

	*row = (struct usage_row){.is_group = 1};
	row__rates(row, &g->rates);
	row->cpu_percent = known_or_nan(g->values, g->known, METRIC_cpu_usage_percent);
	/* of the group's own account, where a rule wants it: a sum over processes would not see those that end */
	row->growth_bytes = known_or_nan(g->values, g->known, METRIC_memory_growth_rate);
	row->rss_bytes = row->anon_bytes = row->file_bytes = row->shmem_bytes = NAN;
	if (!usage_group__memory(u, g, &m)) {
		row->rss_bytes = (double)m.anon_bytes + (double)m.mapped_bytes;
		row->anon_bytes = (double)m.anon_bytes;
		row->shmem_bytes = (double)m.shmem_bytes;
		row->file_bytes = (double)m.mapped_bytes;
	}
	copy_text(row->cgroup, sizeof(row->cgroup), g->path);
	copy_text(row->unit, sizeof(row->unit), g->unit);
	copy_text(row->container, sizeof(row->container), g->container);
	copy_text(row->pod, sizeof(row->pod), g->pod);
}

static void host__head(struct usage *u, struct usage_head *h)
{
	const struct usage_host *host = &u->host;
	const struct host_memory *m = &host->memory;

	*h = (struct usage_head){
		.magic = USAGE_ROWS_MAGIC,
		.at_ns = u->now_ns + (uint64_t)clock__mono_to_real_ns(),
		.total_bytes = m->total_bytes,
		.free_bytes = m->free_bytes,
		.available_bytes = m->available_bytes,
		.anon_bytes = m->anon_bytes,
		.mapped_bytes = m->mapped_bytes,
		.cached_bytes = m->cached_bytes,
		.shmem_bytes = m->shmem_bytes,
		.swap_total_bytes = m->swap_total_bytes,
		.swap_free_bytes = m->swap_free_bytes,
		.cpu_percent = known_or_nan(host->values, host->known, METRIC_cpu_usage_percent),
		.growth_bytes = host->growth,
		.major_faults = timed(&host->rates, host->rates.major),
		.psi_some_percent = known_or_nan(host->values, host->known, METRIC_psi_memory_some_percent),
		.psi_full_percent = known_or_nan(host->values, host->known, METRIC_psi_memory_full_percent),
		.n_processes = u->n_processes,
		.n_threads = (uint32_t)host->rates.threads,
	};
}

/* ---- series ------------------------------------------------------------------------------------------------------ */

static double value_of(const struct usage *u, const struct usage_point *p, enum metric_id metric,
		       bool is_of_all_cpus)
{
	switch (metric) {
	case METRIC_cpu_usage_percent:
		return (double)p->cpu_millis / 10 / (is_of_all_cpus ? u->n_cpus : 1);
	case METRIC_rss:
		return (double)p->rss_kib * 1024;
	case METRIC_major_fault_rate:
		return p->major;
	case METRIC_thread_count:
		return p->threads;
	default:
		return NAN;
	}
}

static const struct usage_process *find_process(const struct usage *u, uint32_t pid, uint64_t start_ns)
{
	for (uint32_t i = 0; i < u->n_processes; i++)
		if (u->processes[i].pid == pid && (!start_ns || u->processes[i].start_ns == start_ns))
			return &u->processes[i];
	return NULL;
}

static const struct usage_series *series_of(const struct usage *u, const struct metric_target *t)
{
	const struct usage_process *p;

	if (t->scope == SCOPE_SYSTEM)
		return &u->host.series;
	if (t->scope == SCOPE_PROCESS) {
		p = find_process(u, t->pid, t->start_ns);
		return p ? &p->series : NULL;
	}
	for (uint32_t i = 0; i < u->n_groups; i++)
		if (u->groups[i]->id == t->cgroup_id)
			return &u->groups[i]->series;
	return NULL;
}

/* The first pass whose time is still known. */
static uint32_t first_pass(const struct usage *u)
{
	return u->pass >= USAGE_SERIES_MAX ? u->pass - USAGE_SERIES_MAX + 1 : 1;
}

uint32_t usage__points(const struct usage *u, const struct metric_target *target, enum metric_id metric,
		       uint64_t from_ns, struct usage_value *ret, uint32_t max)
{
	const struct usage_series *s = series_of(u, target);
	uint32_t n = 0;

	for (uint32_t pass = first_pass(u); s && pass <= u->pass && n < max; pass++) {
		const struct usage_point *p = usage_series__at(s, pass);
		uint64_t at = u->pass_at[pass % USAGE_SERIES_MAX];
		double v = p && at >= from_ns ? value_of(u, p, metric, target->scope == SCOPE_SYSTEM) : NAN;

		if (!isnan(v))
			ret[n++] = (struct usage_value){.at_ns = at, .value = v};
	}
	return n;
}

int usage__rows_of(struct usage *u, uint32_t pid, struct buf *to)
{
	const struct usage_process *process = pid ? find_process(u, pid, 0) : NULL;
	const struct usage_series *s = process ? &process->series : &u->host.series;
	uint64_t to_real = (uint64_t)clock__mono_to_real_ns();
	struct usage_head head;
	struct usage_row row;
	size_t at = to->len;

	if (!u->pass)
		return -EAGAIN;
	if (pid && !process)
		return -ESRCH;
	host__head(u, &head);
	head.n_rows = process != NULL;
	buf__append(to, &head, sizeof(head));
	if (process) {
		process__row(u, process, &row);
		buf__append(to, &row, sizeof(row));
	}
	for (uint32_t pass = first_pass(u); pass <= u->pass; pass++) {
		const struct usage_point *p = usage_series__at(s, pass);
		struct usage_row_point out;

		if (!p || u->now_ns - u->pass_at[pass % USAGE_SERIES_MAX] > ROWS_NS)
			continue;
		out = (struct usage_row_point){
			.at_ns = u->pass_at[pass % USAGE_SERIES_MAX] + to_real,
			.rss_bytes = value_of(u, p, METRIC_rss, !pid),
			.cpu_percent = value_of(u, p, METRIC_cpu_usage_percent, !pid),
			.major_faults = value_of(u, p, METRIC_major_fault_rate, !pid),
			.threads = value_of(u, p, METRIC_thread_count, !pid),
		};
		buf__append(to, &out, sizeof(out));
		head.n_points++;
	}
	if (!buf__err(to))
		memcpy(to->data + at, &head, sizeof(head));
	return buf__err(to);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

int usage__rows(struct usage *u, struct buf *to)
{
	struct usage_head head;
	struct usage_row row;
	size_t at = to->len;

	if (!u->pass)
		return -EAGAIN;
	usage__read_memory(u);
	host__head(u, &head);
	buf__append(to, &head, sizeof(head));
	for (uint32_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i]->pass != u->pass)
			continue;
		group__row(u, u->groups[i], &row);
		buf__append(to, &row, sizeof(row));
		head.n_rows++;
	}
	for (uint32_t i = 0; i < u->n_processes; i++) {
		process__row(u, &u->processes[i], &row);
		buf__append(to, &row, sizeof(row));
		head.n_rows++;
	}
	if (!buf__err(to))
		memcpy(to->data + at, &head, sizeof(head));
	return buf__err(to);
}
