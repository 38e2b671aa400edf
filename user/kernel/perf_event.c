// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/perf_event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <linux/perf_event.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/kernel/pace.h"

struct perf_clocks {
	enum clock_kind kind;
	struct pace pace; /* of cycles */
	uint32_t frequency_hz;
	struct cpu_events *events;
};

static uint64_t perf_clocks__period(const struct perf_clocks *c)
{
	return c->kind == CLOCK_CYCLES ? c->pace.cycles_per_s / c->frequency_hz : perf_clocks__period_ns(c);
}

static void perf_clocks__attr(const struct perf_clocks *c, struct perf_event_attr *attr)
{
	*attr = (struct perf_event_attr){
		.size = sizeof(*attr),
		.disabled = 1,
		.sample_period = perf_clocks__period(c),
	};
	if (c->kind == CLOCK_CYCLES) {
		attr->type = PERF_TYPE_HARDWARE;
		attr->config = PERF_COUNT_HW_CPU_CYCLES;
	} else {
		attr->type = PERF_TYPE_SOFTWARE;
		attr->config = PERF_COUNT_SW_CPU_CLOCK;
	}
}

static bool has_field(const struct btf *btf, const char *of, const char *name)
{
	int32_t id = btf__find_by_name_kind(btf, of, BTF_KIND_STRUCT);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (int i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), name))
			return true;
	return false;
}

bool perf_clocks__can_weigh(const struct btf *btf)
{
	return has_field(btf, "rq", "rq_cpu_time") && has_field(btf, "sched_entity", "cfs_rq");
}

static int perf_clocks__look_at_kernel(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int ret = btf && perf_clocks__can_weigh(btf) ? 0 : -ENOSYS;

	btf__free(btf);
	return ret;
}

/* Is there a PMU, and an account that says what its ticks are worth? */
static int perf_clocks__choose(struct perf_clocks *c, enum clock_kind wanted)
{
	struct perf_event_attr attr;
	int code;

	c->kind = wanted == CLOCK_CPU ? CLOCK_CPU : CLOCK_CYCLES;
	if (c->kind == CLOCK_CPU)
		return 0;
	perf_clocks__attr(c, &attr);
	code = cpu_events__try(&attr);
	if (!code)
		code = perf_clocks__look_at_kernel();
	if (code && wanted == CLOCK_AUTO) {
		c->kind = CLOCK_CPU;
		return 0;
	}
	return code;
}

int perf_clocks__new(enum clock_kind kind, uint32_t frequency_hz, struct perf_clocks **ret, struct err *err)
{
	struct perf_clocks *c = calloc(1, sizeof(*c));
	struct perf_event_attr attr;
	int code;

	if (!c)
		return -ENOMEM;
	c->frequency_hz = frequency_hz;
	pace__init(&c->pace);
	code = perf_clocks__choose(c, kind);
	if (code == -ENOENT || code == -EOPNOTSUPP || code == -ENODEV)
		err__set(err, code,
			 "kernel: this machine has no hardware cycle counter: use clock 'cpu-clock' "
			 "or 'auto'");
	else if (code == -ENOSYS)
		err__set(err, code,
			 "kernel: it does not account for how long its CPUs run (CONFIG_SCHEDSTATS), so "
			 "cycles are no time: use clock 'cpu-clock' or 'auto'");
	else if (code)
		cpu_events__explain(err, code);
	if (!code) {
		perf_clocks__attr(c, &attr);
		code = cpu_events__new(&attr, &c->events);
	}
	if (code) {
		free(c);
		return code;
	}
	*ret = c;
	return 0;
}

void perf_clocks__free(struct perf_clocks *c)
{
	if (!c)
		return;
	cpu_events__free(c->events);
	free(c);
}

enum clock_kind perf_clocks__kind(const struct perf_clocks *c)
{
	return c->kind;
}

const char *perf_clocks__name(const struct perf_clocks *c)
{
	return c->kind == CLOCK_CYCLES ? "cycles" : "cpu-clock";
}

uint64_t perf_clocks__period_ns(const struct perf_clocks *c)
{
	return (NS_PER_SEC + c->frequency_hz / 2) / c->frequency_hz;
}

int perf_clocks__attach(struct perf_clocks *c, int prog_fd, struct err *err)
{
	return cpu_events__attach(c->events, prog_fd, err);
}

void perf_clocks__enable(struct perf_clocks *c, bool on)
{
	cpu_events__enable(c->events, on);
}

int perf_clocks__set_frequency(struct perf_clocks *c, uint32_t frequency_hz)
{
	c->frequency_hz = frequency_hz;
	pace__forget(&c->pace);
	return cpu_events__set_period(c->events, perf_clocks__period(c));
}

int perf_clocks__keep_pace(struct perf_clocks *c, int cpu_ticks_fd)
{
	uint64_t ticks, ns;
	int err;

	if (c->kind != CLOCK_CYCLES)
		return 0;
	err = pace__read(cpu_ticks_fd, &ticks, &ns);
	if (err || !pace__judge(&c->pace, ticks, ns, perf_clocks__period_ns(c)))
		return err;
	return cpu_events__set_period(c->events, perf_clocks__period(c));
}
