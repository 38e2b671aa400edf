// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/pace.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"
#include "bpf/tick.h"

#define TICKS_MIN 30
/* CPUs change their speed all the time: who follows every move only moves. */
#define SLOW 1.25
#define FAST 0.8

void pace__init(struct pace *p)
{
	*p = (struct pace){.cycles_per_s = PACE_START};
}

void pace__forget(struct pace *p)
{
	p->is_seen = false;
}

bool pace__judge(struct pace *p, uint64_t ticks, uint64_t ns, uint64_t period_ns)
{
	double late, cycles;

	if (p->is_seen && ticks - p->seen_ticks < TICKS_MIN)
		return false;
	late = p->is_seen ? (double)(ns - p->seen_ns) / (double)(ticks - p->seen_ticks) / (double)period_ns
			  : 1;
	p->seen_ticks = ticks;
	p->seen_ns = ns;
	p->is_seen = true;
	if (late > FAST && late < SLOW)
		return false;
	cycles = (double)p->cycles_per_s / late;
	cycles = cycles < (double)PACE_MIN ? (double)PACE_MIN : cycles;
	cycles = cycles > (double)PACE_MAX ? (double)PACE_MAX : cycles;
	p->cycles_per_s = (uint64_t)cycles;
	return true;
}

int pace__read(int cpu_ticks_fd, uint64_t *ret_ticks, uint64_t *ret_ns)
{
	int n_cpus = libbpf_num_possible_cpus(), err;
	uint64_t ticks = 0, ns = 0;
	struct cpu_ticks *per_cpu;
	uint32_t zero = 0;

	if (n_cpus <= 0)
		return -ENODEV;
	per_cpu = calloc((size_t)n_cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	err = bpf_map_lookup_elem(cpu_ticks_fd, &zero, per_cpu);
	for (int i = 0; i < n_cpus && !err; i++) {
		ticks += per_cpu[i].n;
		ns += per_cpu[i].sum_ns;
	}
	free(per_cpu);
	if (err)
		return err;
	*ret_ticks = ticks;
	*ret_ns = ns;
	return 0;
}
