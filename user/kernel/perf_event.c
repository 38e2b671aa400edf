// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/perf_event.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/perf_event.h>

#include "user/base/clock.h"
#include "user/base/err.h"

struct perf_clocks {
	enum clock_kind kind;
	uint32_t frequency_hz;
	struct cpu_events *events;
};

static void perf_clocks__attr(const struct perf_clocks *c, struct perf_event_attr *attr)
{
	*attr = (struct perf_event_attr){
		.size = sizeof(*attr),
		.disabled = 1,
	};
	if (c->kind == CLOCK_CYCLES) {
		attr->type = PERF_TYPE_HARDWARE;
		attr->config = PERF_COUNT_HW_CPU_CYCLES;
		attr->freq = 1;
		attr->sample_freq = c->frequency_hz;
	} else {
		attr->type = PERF_TYPE_SOFTWARE;
		attr->config = PERF_COUNT_SW_CPU_CLOCK;
		attr->sample_period = perf_clocks__period_ns(c);
	}
}

/* Is there a PMU? */
static int perf_clocks__choose(struct perf_clocks *c, enum clock_kind wanted)
{
	struct perf_event_attr attr;
	int code;

	c->kind = wanted == CLOCK_CPU ? CLOCK_CPU : CLOCK_CYCLES;
	if (c->kind == CLOCK_CPU)
		return 0;
	perf_clocks__attr(c, &attr);
	code = cpu_events__try(&attr);
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
	code = perf_clocks__choose(c, kind);
	if (code == -ENOENT || code == -EOPNOTSUPP || code == -ENODEV)
		err__set(err, code,
			 "kernel: this machine has no hardware cycle counter: use clock 'cpu-clock' "
			 "or 'auto'");
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

uint32_t perf_clocks__n_open(const struct perf_clocks *c)
{
	return cpu_events__n_open(c->events);
}

void perf_clocks__enable(struct perf_clocks *c, bool on)
{
	cpu_events__enable(c->events, on);
}

int perf_clocks__set_frequency(struct perf_clocks *c, uint32_t frequency_hz)
{
	c->frequency_hz = frequency_hz;
	return cpu_events__set_period(c->events,
				      c->kind == CLOCK_CYCLES ? frequency_hz : perf_clocks__period_ns(c));
}
