// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/busy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"

#define STAT_MAX (1u << 20)
/* What a slice counts after one more: the last ten slices or so make the value. */
#define DECAY     0.9
#define TICKS_MIN 30.0

int parse_proc_stat_away(const char *text, size_t len, uint64_t *ret_ns)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	long hz = sysconf(_SC_CLK_TCK);
	char line[256];
	size_t n = len < sizeof(line) - 1 ? len : sizeof(line) - 1;

	memcpy(line, text, n);
	line[n] = '\0';
	if (sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait,
		   &irq, &softirq, &steal) != 8)
		return -EBADMSG;
	*ret_ns = (idle + iowait + steal) * (NS_PER_SEC / (uint64_t)hz);
	return 0;
}

int read_proc_stat_away(const char *proc_root, uint64_t *ret_ns)
{
	char path[256];
	struct buf b;
	int err;

	snprintf(path, sizeof(path), "%s/stat", proc_root);
	buf__init(&b, STAT_MAX);
	err = io__read_at(-1, path, STAT_MAX, &b);
	if (!err)
		err = parse_proc_stat_away((const char *)b.data, b.len, ret_ns);
	buf__done(&b);
	return err;
}

void busy__add(struct busy *b, uint64_t now_ns, uint64_t away_ns, uint64_t ticks, uint32_t n_cpus)
{
	if (b->seen_ns && now_ns > b->seen_ns && away_ns >= b->seen_away_ns && ticks >= b->seen_ticks) {
		double wall = (double)(now_ns - b->seen_ns) * n_cpus,
		       away = (double)(away_ns - b->seen_away_ns);

		b->busy_ns = b->busy_ns * DECAY + (wall > away ? wall - away : 0);
		b->ticks = b->ticks * DECAY + (double)(ticks - b->seen_ticks);
	}
	busy__skip(b, now_ns, away_ns, ticks);
}

void busy__skip(struct busy *b, uint64_t now_ns, uint64_t away_ns, uint64_t ticks)
{
	b->seen_ns = now_ns;
	b->seen_away_ns = away_ns;
	b->seen_ticks = ticks;
}

void busy__forget(struct busy *b)
{
	b->busy_ns = b->ticks = 0;
}

uint64_t busy__tick_ns(const struct busy *b, uint64_t period_ns)
{
	double ns;

	if (b->ticks < TICKS_MIN)
		return period_ns;
	ns = b->busy_ns / b->ticks;
	/* a tenth to ten periods: past that something else is wrong than the counter's pace */
	if (ns < (double)period_ns / 10)
		return period_ns / 10;
	if (ns > (double)period_ns * 10)
		return period_ns * 10;
	return (uint64_t)ns;
}

int busy__read_ticks(int cpu_ticks_fd, uint64_t *ret_ticks)
{
	int n_cpus = libbpf_num_possible_cpus(), err;
	struct cpu_ticks *per_cpu;
	uint64_t ticks = 0;
	uint32_t zero = 0;

	if (n_cpus <= 0)
		return -ENODEV;
	per_cpu = calloc((size_t)n_cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	err = bpf_map_lookup_elem(cpu_ticks_fd, &zero, per_cpu);
	for (int i = 0; i < n_cpus && !err; i++)
		ticks += per_cpu[i].n;
	free(per_cpu);
	if (!err)
		*ret_ticks = ticks;
	return err;
}
