// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: rules, captures and the page want to know of every process and control group, every second, what it uses; from /proc that is five files a
 *   process, of 5 to 11 us each, and a percent of a CPU with 300 processes.
 * Idea: one walk over all threads in the kernel (bpf/usage.bpf.c) tells everything of processes. What only the files of control groups and of the host tell
 *   is read where somebody looks at it. All values are levels of now, or rates of the time since the pass before.
 * Layout: records -> processes (usage_process.c) -> groups (usage_group.c) and the host (usage_host.c) -> a sample each, and a point of its series.
 *   Where rules have thresholds of pressure, the kernel watches them as well (pressure_trigger), and what it tells is the least of the next pass.
 * Rejected: averages that the kernel keeps (PSI avg10, load): their windows are not those of rules. Sums over processes for the CPU time and memory of
 *   groups: they miss processes that came and went, and count shared memory often; they stand in where nobody wants the exact ones.
 * Invariants: a value that was not measured is not known, and never 0. Targets are the same between passes where pid and start, or path, are.
 * Cost: measured in docs/how-it-works.md.
 * What it does not do: judge, and smooth: but for the growth that the time to a limit is told from.
 */
#include "user/pipeline/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/pipeline/usage_impl.h"
#include "user/process/process.h"

#define SERIES_BYTES ((size_t)2 << 20)

int usage__new(const struct usage_opts *opts, const struct usage_port *port, struct usage **ret)
{
	struct usage *u = calloc(1, sizeof(*u));
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!u)
		return -ENOMEM;
	u->opts = *opts;
	u->port = *port;
	u->proc = opts->proc ? opts->proc : "/proc";
	u->root = opts->root ? opts->root : "";
	u->proc_fd = open(u->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < HOST_FILE_N; i++)
		u->host.files[i] = FD_CLOSED;
	u->n_cpus = n_cpus > 0 ? (uint32_t)n_cpus : 1;
	u->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	u->allowance.limit_bytes = opts->series_bytes ? opts->series_bytes : SERIES_BYTES;
	u->has_tree = !read_cgroup_tree(u->proc, &u->tree);
	hashmap__init(&u->by_pid);
	hashmap__init(&u->by_path);
	sleepers__init(&u->sleepers);
	*ret = u;
	return 0;
}

void usage__free(struct usage *u)
{
	if (!u)
		return;
	usage__free_processes(u);
	sleepers__done(&u->sleepers);
	usage__free_groups(u);
	usage_series__done(&u->host.series, &u->allowance);
	usage__close_host(u);
	io__close(&u->proc_fd);
	free(u);
}

void usage__want(struct usage *u, const uint64_t metrics[SCOPE_N])
{
	u->want_any = 0;
	for (int s = 0; s < SCOPE_N; s++) {
		u->want[s] = metrics[s];
		u->want_any |= metrics[s];
	}
}

void usage__arm(struct usage *u, const double above[SCOPE_N][PRESSURE_LINES])
{
	if (!memcmp(u->arm_above, above, sizeof(u->arm_above)))
		return;
	memcpy(u->arm_above, above, sizeof(u->arm_above));
	u->arm_turn++;
}

/* ---- series ------------------------------------------------------------------------------------------------------ */

static double clamp(double v, double most)
{
	return v > most ? most : v > 0 ? v : 0;
}

static double value_of(const double values[METRIC_N], uint64_t known, enum metric_id id)
{
	return known >> id & 1 ? values[id] : 0;
}

static void usage__add_point(struct usage *u, struct usage_series *s, const double values[METRIC_N],
			     uint64_t known, bool is_of_all_cpus)
{
	double cpu =
		value_of(values, known, METRIC_cpu_usage_percent) * 10 * (is_of_all_cpus ? u->n_cpus : 1);
	const struct usage_point p = {
		.pass = u->pass,
		.rss_kib = (uint32_t)clamp(value_of(values, known, METRIC_rss) / 1024, UINT32_MAX),
		.cpu_millis = (uint32_t)clamp(cpu + 0.5, UINT32_MAX),
		.major = (uint16_t)clamp(value_of(values, known, METRIC_major_fault_rate), UINT16_MAX),
		.threads = (uint16_t)clamp(value_of(values, known, METRIC_thread_count), UINT16_MAX),
	};

	usage_series__add(s, &u->allowance, &p);
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static void usage__tell(struct usage *u, const struct metric_target *target, const double values[METRIC_N],
			uint64_t known, usage_fn fn, void *ctx)
{
	if (!fn)
		return;
	u->sample.target = *target;
	u->sample.at_ns = u->now_ns;
	u->sample.known = known;
	memcpy(u->sample.values, values, sizeof(u->sample.values));
	fn(&u->sample, ctx);
}

static void usage__tell_groups(struct usage *u, usage_fn fn, void *ctx)
{
	for (uint32_t i = 0; i < u->n_groups; i++) {
		struct usage_group *g = u->groups[i];
		struct metric_target t = {.scope = SCOPE_CGROUP,
					  .cgroup_id = g->id,
					  .cgroup = g->path,
					  .unit = g->unit,
					  .container = g->container,
					  .pod = g->pod};

		if (g->pass != u->pass)
			continue;
		usage__add_point(u, &g->series, g->values, g->known, false);
		usage__tell(u, &t, g->values, g->known, fn, ctx);
		t.scope = SCOPE_CONTAINER;
		if (g->is_container)
			usage__tell(u, &t, g->values, g->known, fn, ctx);
	}
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

static void usage__tell_process(struct usage *u, struct usage_process *p, usage_fn fn, void *ctx)
{
	const struct task_key key = {.start_ns = p->start_ns, .tgid = p->pid, .exec_id = p->exec_id};
	struct metric_target t = {.scope = SCOPE_PROCESS,
				  .pid = p->pid,
				  .start_ns = p->start_ns,
				  .exec_id = p->exec_id,
				  .cgroup_id = p->group ? p->group->id : p->cgroup_id,
				  .comm = p->comm};
	double values[METRIC_N];
	struct process_labels l;
	uint64_t known;

	usage_process__values(u, p, values, &known);
	usage__add_point(u, &p->series, values, known, false);
	if (!fn)
		return;
	if (u->port.labels && u->port.labels(u->port.ctx, &key, p->cgroup_id, &l)) {
		t.exe = or_null(l.exe);
		t.cgroup = or_null(l.cgroup);
		t.unit = or_null(l.unit);
		t.container = or_null(l.container);
		t.pod = or_null(l.pod);
	}
	usage__tell(u, &t, values, known, fn, ctx);
}

/* 0, or a little more or less, on a host that was never suspended. */
static int64_t boot_offset_ns(void)
{
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (int64_t)((uint64_t)boot.tv_sec * NS_PER_SEC + (uint64_t)boot.tv_nsec - clock__mono_ns());
}

int usage__pass(struct usage *u, uint64_t now_ns, usage_fn fn, void *ctx)
{
	const struct metric_target host = {.scope = SCOPE_SYSTEM};
	const uint64_t fds = 1ull << METRIC_fd_count | 1ull << METRIC_fd_limit_percent;
	uint64_t began = clock__thread_cpu_ns();
	int err;

	u->pass++;
	u->last_ns = u->now_ns;
	u->now_ns = now_ns;
	u->boot_offset_ns = boot_offset_ns();
	u->pass_at[u->pass % USAGE_SERIES_MAX] = now_ns;
	err = u->port.list(u->port.ctx, u->want_any & fds, usage__on_record, u);
	if (err) {
		u->pass--;
		u->now_ns = u->last_ns;
		return err;
	}
	sleepers__end_pass(&u->sleepers, u->pass);
	usage__settle_processes(u);
	usage__settle_groups(u);
	usage__settle_host(u);
	usage__add_point(u, &u->host.series, u->host.values, u->host.known, true);
	usage__tell(u, &host, u->host.values, u->host.known, fn, ctx);
	usage__tell_groups(u, fn, ctx);
	for (uint32_t i = 0; i < u->n_processes; i++)
		usage__tell_process(u, &u->processes[i], fn, ctx);
	u->stats.passes++;
	u->stats.pass_ns += clock__thread_cpu_ns() - began;
	return 0;
}

void usage__stats(const struct usage *u, struct usage_stats *ret)
{
	*ret = u->stats;
	ret->processes = u->n_processes;
	ret->groups = u->n_groups;
	ret->series_bytes = u->allowance.used_bytes;
	ret->bytes = sizeof(*u) + u->cap_processes * sizeof(*u->processes) +
		     u->n_groups * sizeof(struct usage_group) + hashmap__bytes(&u->by_pid) +
		     hashmap__bytes(&u->by_path) + u->allowance.used_bytes;
}
