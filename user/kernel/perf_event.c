// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/perf_event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"

struct perf_clocks {
	enum clock_kind kind;
	uint32_t frequency_hz;
	bool enabled;
	int fds[CPUS_MAX]; /* by CPU, FD_CLOSED where there is none */
	uint32_t n_open;
};

static int perf_event_open(struct perf_event_attr *attr, int pid, int cpu)
{
	int fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* "0-3,5,7-8" */
static int parse_cpu_list(const char *list, uint32_t *cpus, uint32_t max)
{
	uint32_t n = 0;

	while (*list && *list != '\n') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return -EBADMSG;
		if (*end == '-') {
			list = end + 1;
			last = strtoul(list, &end, 10);
			if (end == list)
				return -EBADMSG;
		}
		if (first > last || last >= CPUS_MAX)
			return -E2BIG;
		for (; first <= last; first++, n++)
			if (n < max)
				cpus[n] = (uint32_t)first;
		list = *end == ',' ? end + 1 : end;
		if (*end && *end != ',' && *end != '\n')
			return -EBADMSG;
	}
	return (int)n;
}

int cpus__online(uint32_t *cpus, uint32_t max)
{
	struct buf b;
	int ret;

	buf__init(&b, 65536);
	ret = io__read_at(-1, "/sys/devices/system/cpu/online", 65536, &b);
	if (!ret)
		ret = parse_cpu_list(buf__str(&b), cpus, max);
	buf__done(&b);
	return ret;
}

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

static int perf_clocks__explain(struct err *err, int code)
{
	if (code == -EACCES || code == -EPERM)
		return err__set(err, code,
				"kernel: opening perf events is not permitted: run as root, or give "
				"CAP_PERFMON (kernel.perf_event_paranoid "
				"and the container's seccomp profile may forbid it too)");
	if (code == -EMFILE)
		return err__set(err, code,
				"kernel: too many open files for one perf event a CPU: raise RLIMIT_NOFILE");
	if (code == -ENOENT || code == -EOPNOTSUPP || code == -ENODEV)
		return err__set(err, code,
				"kernel: this machine has no hardware cycle counter: use clock 'cpu-clock' "
				"or 'auto'");
	return err__set(err, code, "kernel: cannot open a perf event: %s", strerror(-code));
}

int perf_clocks__new(enum clock_kind kind, uint32_t frequency_hz, struct perf_clocks **ret, struct err *err)
{
	struct perf_clocks *c = calloc(1, sizeof(*c));
	struct perf_event_attr attr;
	int fd;

	if (!c)
		return -ENOMEM;
	for (uint32_t i = 0; i < CPUS_MAX; i++)
		c->fds[i] = FD_CLOSED;
	c->frequency_hz = frequency_hz;
	c->kind = kind == CLOCK_AUTO ? CLOCK_CYCLES : kind;
	if (c->kind == CLOCK_CYCLES) {
		perf_clocks__attr(c, &attr);
		fd = perf_event_open(&attr, 0, -1); /* on ourselves: tells whether there is a PMU */
		if (fd >= 0) {
			io__close(&fd);
		} else if (kind == CLOCK_AUTO) {
			c->kind = CLOCK_CPU;
		} else {
			free(c);
			return perf_clocks__explain(err, fd);
		}
	}
	*ret = c;
	return 0;
}

void perf_clocks__free(struct perf_clocks *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < CPUS_MAX; i++)
		io__close(&c->fds[i]);
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

static int perf_clocks__open_one(struct perf_clocks *c, uint32_t cpu, int prog_fd)
{
	struct perf_event_attr attr;
	int fd;

	perf_clocks__attr(c, &attr);
	fd = perf_event_open(&attr, -1, (int)cpu);
	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd) ||
	    (c->enabled && ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))) {
		int code = -errno;

		io__close(&fd);
		return code;
	}
	c->fds[cpu] = fd;
	c->n_open++;
	return 0;
}

int perf_clocks__attach(struct perf_clocks *c, int prog_fd, struct err *err)
{
	static uint32_t cpus[CPUS_MAX]; /* one collector, one thread */
	bool online[CPUS_MAX] = {false};
	int n = cpus__online(cpus, CPUS_MAX), ret;

	if (n < 0)
		return err__set(err, n, "kernel: cannot read which CPUs are online: %s", strerror(-n));
	for (int i = 0; i < n; i++) {
		online[cpus[i]] = true;
		if (c->fds[cpus[i]] >= 0)
			continue;
		ret = perf_clocks__open_one(c, cpus[i], prog_fd);
		if (ret == -ENODEV || ret == -ENXIO)
			continue; /* went offline in between */
		if (ret)
			return perf_clocks__explain(err, ret);
	}
	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (c->fds[cpu] >= 0 && !online[cpu]) {
			io__close(&c->fds[cpu]);
			c->n_open--;
		}
	}
	return 0;
}

uint32_t perf_clocks__n_open(const struct perf_clocks *c)
{
	return c->n_open;
}

void perf_clocks__enable(struct perf_clocks *c, bool on)
{
	c->enabled = on;
	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++)
		if (c->fds[cpu] >= 0)
			ioctl(c->fds[cpu], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

int perf_clocks__set_frequency(struct perf_clocks *c, uint32_t frequency_hz)
{
	uint64_t period;
	int ret = 0;

	c->frequency_hz = frequency_hz;
	period = c->kind == CLOCK_CYCLES ? frequency_hz : perf_clocks__period_ns(c);
	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++)
		if (c->fds[cpu] >= 0 && ioctl(c->fds[cpu], PERF_EVENT_IOC_PERIOD, &period))
			ret = -errno;
	return ret;
}
