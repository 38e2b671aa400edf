// SPDX-License-Identifier: Apache-2.0
/*
 * usage_host - the host as a whole: what its processes use together, and what only the kernel's own sums tell.
 *
 * /proc/stat costs 80 us and more (each interrupt of the machine is in it), so that it is read where somebody looks at the host; else CPU time is the sum over
 * processes, without those that came and went between two passes.
 */
#include "user/pipeline/usage_impl.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/io.h"

#define MEMORY_EVERY 5                 /* passes, where nobody looks */
#define STAT_MAX     ((size_t)1 << 20) /* a line a CPU, a number an interrupt */
#define BIT(m)       (1ull << METRIC_##m)
#define WANT_QUEUE   (BIT(run_queue_latency_p50) | BIT(run_queue_latency_p95) | BIT(run_queue_latency_p99))
#define WANT_CPU     (BIT(cpu_usage_percent) | BIT(context_switch_rate))
#define WANT_MEMORY  (BIT(rss) | BIT(memory_growth_rate))
#define WANT_OWN     (BIT(everprof_lost_percent) | BIT(everprof_cpu_percent))

static void host__set(struct usage_host *h, enum metric_id id, double v)
{
	usage__set(h->values, &h->known, id, v);
}

/* Into u->text; its length, negative: it cannot be read. */
static ssize_t host__read(struct usage *u, int file)
{
	static const char *const names[HOST_FILE_N] = {"meminfo", "pressure/cpu", "pressure/memory",
						       "pressure/io"};
	int *fd = &u->host.files[file];

	if (*fd < 0)
		*fd = openat(u->proc_fd, names[file], O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -1 : pread(*fd, u->text, sizeof(u->text) - 1, 0);
}

/* Whole: how long it is, is the machine's to say. */
static int host__read_stat(const struct usage *u, struct host_cpu *ret)
{
	struct buf b;
	int err;

	buf__init(&b, STAT_MAX);
	err = io__read_at(u->proc_fd, "stat", STAT_MAX, &b);
	if (!err)
		err = parse_host_cpu(buf__str(&b), b.len, ret);
	buf__done(&b);
	return err;
}

static void host__cpu(struct usage *u)
{
	struct usage_host *h = &u->host;
	double s = usage__seconds(h->cpu_at, u->now_ns);
	struct host_cpu now;

	if (h->rates.n_timed)
		host__set(h, METRIC_cpu_usage_percent, fmin(h->rates.cpu / u->n_cpus, 1) * 100);
	if (!(u->want[SCOPE_SYSTEM] & WANT_CPU) || host__read_stat(u, &now)) {
		h->cpu_at = 0;
		return;
	}
	if (h->cpu_at && s > 0) {
		double all = usage__rate(now.all_ns, h->cpu.all_ns, s);

		if (all > 0)
			host__set(h, METRIC_cpu_usage_percent,
				  fmin(usage__rate(now.busy_ns, h->cpu.busy_ns, s) / all, 1) * 100);
		if (now.has_switches)
			host__set(h, METRIC_context_switch_rate,
				  usage__rate(now.switches, h->cpu.switches, s));
	}
	h->cpu = now;
	h->cpu_at = u->now_ns;
}

void usage__read_memory(struct usage *u)
{
	ssize_t n = host__read(u, HOST_FILE_MEMORY);

	if (n >= 0)
		parse_host_memory(u->text, (size_t)n,
				  &u->host.memory); /* what is no such file leaves it as it was */
}

static void host__available(struct usage_host *h)
{
	if (h->memory.total_bytes && h->memory.available_bytes)
		host__set(h, METRIC_memory_available_percent,
			  (double)h->memory.available_bytes / (double)h->memory.total_bytes * 100);
}

static void host__memory(struct usage *u)
{
	struct usage_host *h = &u->host;
	double s = usage__seconds(h->rss_at, u->now_ns), rss;
	ssize_t n;

	h->known &= ~WANT_MEMORY; /* shared memory would count for each that has it */
	if (h->rss_at && !(u->want[SCOPE_SYSTEM] & WANT_MEMORY) && u->pass % MEMORY_EVERY) {
		host__set(h, METRIC_rss, h->rss_bytes);
		host__available(h);
		return;
	}
	n = host__read(u, HOST_FILE_MEMORY);
	if (n < 0 || parse_host_memory(u->text, (size_t)n, &h->memory))
		return;
	rss = (double)h->memory.anon_bytes + (double)h->memory.mapped_bytes;
	host__set(h, METRIC_rss, rss);
	host__available(h);
	if (h->rss_at && s > 0) {
		h->growth = (rss - h->rss_bytes) / s;
		host__set(h, METRIC_memory_growth_rate, h->growth);
	}
	h->rss_bytes = rss;
	h->rss_at = u->now_ns;
}

static bool host__pressure_path(void *ctx, enum pressure_kind kind, char *ret_path, size_t size)
{
	const struct usage *u = ctx;

	return (size_t)snprintf(ret_path, size, "%s/pressure/%s", u->proc, pressure_kind__name(kind)) < size;
}

static void host__pressure(struct usage *u)
{
	static const uint64_t bits[PRESSURE_N] = {
		BIT(psi_cpu_some_percent),
		BIT(psi_memory_some_percent) | BIT(psi_memory_full_percent),
		BIT(psi_io_some_percent) | BIT(psi_io_full_percent),
	};
	struct usage_host *h = &u->host;

	for (int k = 0; k < PRESSURE_N; k++) {
		struct pressure now;
		ssize_t n;

		if (!(u->want[SCOPE_SYSTEM] & bits[k]))
			continue;
		n = host__read(u, HOST_FILE_PRESSURE + k);
		if (n < 0 || parse_pressure(u->text, (size_t)n, &now))
			continue;
		if (h->pressure_at[k])
			usage__set_pressure(h->values, &h->known, (enum pressure_kind)k, &h->pressure[k],
					    &now, usage__seconds(h->pressure_at[k], u->now_ns));
		h->pressure[k] = now;
		h->pressure_at[k] = u->now_ns;
	}
	if (!u->opts.triggers)
		return;
	usage_pressed__arm(&h->pressed, u->opts.triggers, u->arm_turn, u->arm_above[SCOPE_SYSTEM],
			   host__pressure_path, u);
	usage_pressed__raise(&h->pressed, h->values, &h->known);
}

static void host__run_queue(struct usage *u)
{
	struct usage_host *h = &u->host;
	struct run_queue now;

	if (!(u->want[SCOPE_SYSTEM] & WANT_QUEUE) || !u->port.run_queue ||
	    !u->port.run_queue(u->port.ctx, &now))
		return;
	if (h->run_queue_at)
		usage__set_run_queue(h->values, &h->known, &h->run_queue, &now);
	h->run_queue = now;
	h->run_queue_at = u->now_ns;
}

static void host__own(struct usage *u)
{
	struct usage_host *h = &u->host;
	double s = usage__seconds(h->own_at, u->now_ns), lost, taken;
	struct usage_own now = {0};

	if (!(u->want[SCOPE_SYSTEM] & WANT_OWN) || !u->port.own)
		return;
	u->port.own(u->port.ctx, &now);
	if (u->port.asides.bpf_ns)
		now.cpu_ns += u->port.asides.bpf_ns(u->port.asides.ctx);
	if (h->own_at && s > 0) {
		lost = usage__rate(now.lost, h->own.lost, s);
		taken = usage__rate(now.samples, h->own.samples, s);
		host__set(h, METRIC_everprof_lost_percent,
			  lost + taken > 0 ? lost / (lost + taken) * 100 : 0);
		host__set(h, METRIC_everprof_cpu_percent,
			  usage__rate(now.cpu_ns, h->own.cpu_ns, s) / 1e9 / u->n_cpus * 100);
	}
	h->own = now;
	h->own_at = u->now_ns;
}

void usage__settle_host(struct usage *u)
{
	struct usage_host *h = &u->host;

	h->known = 0;
	usage_rates__values(&h->rates, h->values, &h->known);
	host__cpu(u);
	host__memory(u);
	host__pressure(u);
	host__run_queue(u);
	host__own(u);
}

void usage__close_host(struct usage *u)
{
	for (int i = 0; i < HOST_FILE_N; i++)
		io__close(&u->host.files[i]);
	usage_pressed__disarm(&u->host.pressed);
}
