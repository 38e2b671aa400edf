// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/cpu_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"

struct cpu_events {
	struct perf_event_attr attr;
	bool enabled;
	int fds[CPUS_MAX];         /* by CPU, FD_CLOSED where there is none */
	uint64_t ran_ns[CPUS_MAX]; /* of each, when it was looked at last; 0: not since it was enabled */
};

static int perf_event_open(const struct perf_event_attr *attr, int pid, int cpu)
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

int cpu_events__explain(struct err *err, int code)
{
	if (code == -EACCES || code == -EPERM)
		return err__set(err, code,
				"kernel: opening perf events is not permitted: run as root, or give "
				"CAP_PERFMON (kernel.perf_event_paranoid "
				"and the container's seccomp profile may forbid it too)");
	if (code == -EMFILE)
		return err__set(err, code,
				"kernel: too many open files for one perf event a CPU: raise RLIMIT_NOFILE");
	return err__set(err, code, "kernel: cannot open a perf event: %s", strerror(-code));
}

int cpu_events__try(const struct perf_event_attr *attr)
{
	int fd = perf_event_open(attr, 0, -1);

	if (fd < 0)
		return fd;
	io__close(&fd);
	return 0;
}

bool cpu_event__has_stopped(int fd, uint64_t *ran_ns)
{
	struct {
		uint64_t count, enabled_ns;
	} now;
	uint64_t before = *ran_ns;

	if (read(fd, &now, sizeof(now)) != sizeof(now))
		return false; /* nothing is known: it is not closed for that */
	*ran_ns = now.enabled_ns;
	return before && now.enabled_ns == before;
}

int cpu_events__new(const struct perf_event_attr *attr, struct cpu_events **ret)
{
	struct cpu_events *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	for (uint32_t i = 0; i < CPUS_MAX; i++)
		e->fds[i] = FD_CLOSED;
	e->attr = *attr;
	e->attr.size = sizeof(e->attr);
	e->attr.disabled = 1;
	e->attr.read_format = CPU_EVENT_READ_FORMAT;
	*ret = e;
	return 0;
}

void cpu_events__free(struct cpu_events *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < CPUS_MAX; i++)
		io__close(&e->fds[i]);
	free(e);
}

static void cpu_events__close(struct cpu_events *e, uint32_t cpu)
{
	io__close(&e->fds[cpu]);
	e->ran_ns[cpu] = 0;
}

static int open_one(struct cpu_events *e, uint32_t cpu, int prog_fd)
{
	int fd = perf_event_open(&e->attr, -1, (int)cpu);

	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd) ||
	    (e->enabled && ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))) {
		int code = -errno;

		io__close(&fd);
		return code;
	}
	e->fds[cpu] = fd;
	return 0;
}

int cpu_events__attach(struct cpu_events *e, int prog_fd, struct err *err)
{
	static uint32_t cpus[CPUS_MAX]; /* one collector, one thread */
	bool online[CPUS_MAX] = {false};
	int n = cpus__online(cpus, CPUS_MAX), ret;

	if (n < 0)
		return err__set(err, n, "kernel: cannot read which CPUs are online: %s", strerror(-n));
	for (int i = 0; i < n; i++) {
		online[cpus[i]] = true;
		if (e->fds[cpus[i]] >= 0 && e->enabled &&
		    cpu_event__has_stopped(e->fds[cpus[i]], &e->ran_ns[cpus[i]]))
			cpu_events__close(e, cpus[i]);
		if (e->fds[cpus[i]] >= 0)
			continue;
		ret = open_one(e, cpus[i], prog_fd);
		if (ret == -ENODEV || ret == -ENXIO)
			continue; /* went offline in between */
		if (ret)
			return cpu_events__explain(err, ret);
	}
	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++)
		if (e->fds[cpu] >= 0 && !online[cpu])
			cpu_events__close(e, cpu);
	return 0;
}

void cpu_events__enable(struct cpu_events *e, bool on)
{
	e->enabled = on;
	memset(e->ran_ns, 0, sizeof(e->ran_ns)); /* what stood still by our will has not stopped */
	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++)
		if (e->fds[cpu] >= 0)
			ioctl(e->fds[cpu], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

int cpu_events__set_period(struct cpu_events *e, uint64_t period)
{
	int ret = 0;

	e->attr.sample_period = period;
	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++)
		if (e->fds[cpu] >= 0 && ioctl(e->fds[cpu], PERF_EVENT_IOC_PERIOD, &period))
			ret = -errno;
	return ret;
}
