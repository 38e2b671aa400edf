// SPDX-License-Identifier: Apache-2.0
/*
 * probe_perf - perf events, tried: the clocks, the side-band of mappings, and the limits on both.
 */
#include "user/kernel/probe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/perf_event.h>

#include "bpf/abi.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/kernel/perf_event.h"
#include "user/kernel/perf_ring.h"

#define FREQUENCY_DEFAULT 99

static int perf__open(uint32_t type, uint64_t config, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = type,
		.config = config,
		.sample_period = NS_PER_MS,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A clock of the whole CPU that runs a program: what the profiler is. The first tick is waited for. */
static void perf__clock(struct probe *p, const struct probe_subject *s)
{
	int fd, prog_fd = FD_CLOSED, map_fd = FD_CLOSED, err;

	fd = perf__open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, (int)p->first_cpu);
	if (fd < 0) {
		probe__refuse(p, s, "a perf event for a CPU", fd);
		return;
	}
	err = probe__load_counter(BPF_PROG_TYPE_PERF_EVENT, 0, &prog_fd, &map_fd);
	if (err)
		probe__refuse(p, s, "a program for perf events", err);
	else if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd))
		probe__say(p, s, PROBE_MISSING, "running a program at each tick: %s", strerror(errno));
	else if (!probe__has_run(map_fd))
		probe__say(p, s, PROBE_MISSING, "the clock of CPU %u does not tick", p->first_cpu);
	else
		probe__say(p, s, PROBE_OK, "cpu-clock ticks and runs a program");
	io__close(&fd);
	io__close(&prog_fd);
	io__close(&map_fd);
}

static void perf__cycles(struct probe *p, const struct probe_subject *s)
{
	struct perf_clocks *c;
	struct err e = {0};
	int err = perf_clocks__new(CLOCK_CYCLES, FREQUENCY_DEFAULT, &c, &e);

	if (err == -EACCES || err == -EPERM) {
		probe__refuse(p, s, "hardware events", err);
		return;
	}
	if (err == -ENOSYS) {
		probe__say(p, s, PROBE_REDUCED,
			   "no account of how long CPUs run (CONFIG_SCHEDSTATS), so cycles are no time: the "
			   "kernel's own timer is the clock");
		return;
	}
	if (err) {
		probe__say(p, s, PROBE_REDUCED, "no hardware counter: the kernel's own timer is the clock");
		return;
	}
	perf_clocks__free(c);
	probe__say(p, s, PROBE_OK, "hardware cycles");
}

/* What the side-band said about a mapping that we made to see it. */
struct seen {
	uint32_t tgid;
	bool mapped, with_inode;
};

static int perf__on_record(const struct perf_event_header *record, void *ctx)
{
	struct seen *seen = ctx;
	struct sideband_event e;

	if (parse_sideband_record(record, record->size, &e) || e.type != SIDEBAND_MMAP ||
	    e.mmap.tgid != seen->tgid)
		return 0;
	seen->mapped = true;
	seen->with_inode |= e.mmap.ino != 0;
	return 0;
}

/* Maps our own program as code, on the CPU whose ring is open. */
static int perf__map_something(uint32_t cpu)
{
	cpu_set_t *old = CPU_ALLOC(CPUS_MAX), *one = CPU_ALLOC(CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX), page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), err = -ENOMEM;
	void *at;

	if (!old || !one)
		goto out;
	CPU_ZERO_S(size, one);
	CPU_SET_S(cpu, size, one);
	err = fd < 0 || sched_getaffinity(0, size, old) || sched_setaffinity(0, size, one) ? -errno : 0;
	if (err)
		goto out;
	at = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	err = at == MAP_FAILED ? -errno : 0;
	if (!err)
		munmap(at, page);
	sched_setaffinity(0, size, old);
out:
	CPU_FREE(old);
	CPU_FREE(one);
	io__close(&fd);
	return err;
}

static void perf__sideband(struct probe *p, const struct probe_subject *s)
{
	struct seen seen = {.tgid = (uint32_t)getpid()};
	struct perf_ring ring = {.fd = FD_CLOSED};
	void *scratch = malloc(PERF_RECORD_BYTES_MAX);
	int err = scratch ? perf_ring__open(&ring, p->first_cpu, PERF_RING_PAGES) : -ENOMEM;

	if (err) {
		probe__refuse(p, s, "a ring for mappings", err);
		goto out;
	}
	err = perf__map_something(p->first_cpu);
	if (err) {
		/* this CPU is not ours to run on; the ring is there, and that is what counts */
		probe__say(p, s, PROBE_OK, "the ring opens");
		goto out;
	}
	perf_ring__read(&ring, scratch, perf__on_record, &seen);
	if (seen.with_inode)
		probe__say(p, s, PROBE_OK, "mappings are told, with their files");
	else if (seen.mapped)
		probe__say(p, s, PROBE_REDUCED, "mappings are told, without their files");
	else
		probe__say(p, s, PROBE_REDUCED,
			   "a mapping that was made for it was not told, or with another pid");
out:
	perf_ring__close(&ring);
	free(scratch);
}

static void perf__stack_depth(struct probe *p, const struct probe_subject *s)
{
	long long n = KERNEL_FRAMES_MAX;

	probe__read_number(p, "proc/sys/kernel/perf_event_max_stack", &n);
	probe__say(p, s, n < KERNEL_FRAMES_MAX ? PROBE_REDUCED : PROBE_OK, "%lld kernel frames", n);
}

static void perf__sample_rate(struct probe *p, const struct probe_subject *s)
{
	long long want = p->opts->frequency_hz ? p->opts->frequency_hz : FREQUENCY_DEFAULT, n = want;

	probe__read_number(p, "proc/sys/kernel/perf_event_max_sample_rate", &n);
	probe__say(p, s, n < want ? PROBE_REDUCED : PROBE_OK, "up to %lld Hz, %lld are wanted", n, want);
}

static void perf__page_faults(struct probe *p, const struct probe_subject *s)
{
	int fd = perf__open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, (int)p->first_cpu);

	if (fd < 0)
		probe__refuse(p, s, "", fd);
	else
		probe__say(p, s, PROBE_OK, "can be counted");
	io__close(&fd);
}

#define PERF "perf events"

const struct probe_subject probe_perf_subjects[] = {
	{PERF, "clock", "clock", PROBE_VITAL, perf__clock, "everything: no CPU can be sampled",
	 "run as root, or give CAP_PERFMON and CAP_BPF; let the container's seccomp profile allow "
	 "perf_event_open and bpf"},
	{PERF, "cycles", "cycle counter", PROBE_FEATURE, perf__cycles,
	 "a look into code that has interrupts off: its time is shown where they come on again",
	 "a virtual machine needs its PMU exposed (vPMU); nothing to do else, times are right without it"},
	{PERF, "sideband", "mappings", PROBE_VITAL, perf__sideband,
	 "which file an address belongs to; without build-ids each file is opened to read it (Linux 5.12 "
	 "tells them)",
	 "give CAP_PERFMON, and CAP_IPC_LOCK or a higher kernel.perf_event_mlock_kb"},
	{PERF, "stack_depth", "kernel stacks", PROBE_FEATURE, perf__stack_depth,
	 "the callers in deeper kernel stacks", "sysctl kernel.perf_event_max_stack=127"},
	{PERF, "sample_rate", "sampling rate", PROBE_FEATURE, perf__sample_rate,
	 "samples: the kernel allows fewer a second",
	 "sysctl kernel.perf_event_max_sample_rate=100000, or a lower cpu.frequency"},
	{PERF, "page_faults", "page faults", PROBE_FEATURE, perf__page_faults,
	 "where resident memory grew (memory)", "give CAP_PERFMON"},
	{0},
};
