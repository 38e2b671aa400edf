// SPDX-License-Identifier: Apache-2.0
/*
 * sideband - the rings of process events, read in one go.
 *
 * All rings are read, and what is older than the moment at which that began is put in order and handed on (life_order): of what came while we read, one ring may have
 * been read already. In the kernel nothing is done per event beyond perf's own record.
 */
#include "user/kernel/sideband.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/kernel/cpu_events.h"
#include "user/kernel/loader.h"
#include "user/kernel/perf_ring.h"

struct sideband {
	struct life_order *order;
	struct perf_ring *rings; /* [CPUS_MAX], fd < 0 where there is none */
	uint32_t n_rings;        /* one more than the highest CPU that has one */
	int epoll_fd;            /* of the rings */
	struct ring_buffer *process_ring;
	void *scratch;
	uint64_t n_ring_lost, n_lost_taken;
	bool lost, unfollowed;
};

static int sideband__on_record(const struct perf_event_header *record, void *ctx)
{
	const size_t size = ((const uint16_t *)record)[3]; /* header: u32 type, u16 misc, u16 size */
	struct sideband *s = ctx;
	struct sideband_event e;

	if (parse_sideband_record(record, size, &e))
		return 0;
	if (e.type == SIDEBAND_LOST)
		s->n_ring_lost += e.lost;
	else if (e.type == SIDEBAND_COMM_EXEC)
		life_order__add_exec_mark(s->order, e.mmap.time_ns, e.mmap.tgid);
	else
		life_order__add_mmap(s->order, &e.mmap);
	return 0;
}

static int sideband__on_process(void *ctx, void *data, size_t size)
{
	const struct sideband *s = ctx;

	if (size >= sizeof(struct process_record))
		life_order__add_record(s->order, data);
	return 0;
}

int sideband__drain(struct sideband *s, uint64_t until_ns)
{
	uint64_t began_ns = clock__mono_ns();
	int ret;

	for (uint32_t cpu = 0; cpu < s->n_rings; cpu++)
		if (s->rings[cpu].fd >= 0)
			perf_ring__read(&s->rings[cpu], s->scratch, sideband__on_record, s);
	ret = ring_buffer__consume(s->process_ring);
	if (ret < 0 && ret != -EINTR)
		return ret;
	life_order__tell(s->order, until_ns < began_ns ? until_ns : began_ns);
	return 0;
}

static int sideband__open_ring(struct sideband *s, uint32_t cpu)
{
	struct epoll_event event = {.events = EPOLLIN};
	int ret = perf_ring__open(&s->rings[cpu], cpu, PERF_RING_PAGES);

	if (ret)
		return ret;
	if (cpu >= s->n_rings)
		s->n_rings = cpu + 1;
	/* without it the ring is read by time */
	epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->rings[cpu].fd, &event);
	return 0;
}

/* Of a CPU that went and came: what its ring still has is read, what was mapped meanwhile is not known. */
static void sideband__close_stopped(struct sideband *s, struct perf_ring *r)
{
	if (r->fd < 0 || !cpu_event__has_stopped(r->fd, &r->ran_ns))
		return;
	perf_ring__read(r, s->scratch, sideband__on_record, s);
	perf_ring__close(r);
	s->lost = true;
}

int sideband__refresh_cpus(struct sideband *s, struct err *err)
{
	static uint32_t cpus[CPUS_MAX];
	int n = cpus__online(cpus, CPUS_MAX);

	if (s->unfollowed)
		return 0; /* their time stands still, and a new one would tell */
	if (n < 0)
		return err__set(err, n, "kernel: cannot read which CPUs are online: %s", strerror(-n));
	for (int i = 0; i < n; i++) {
		int ret;

		sideband__close_stopped(s, &s->rings[cpus[i]]);
		if (s->rings[cpus[i]].fd >= 0)
			continue;
		ret = sideband__open_ring(s, cpus[i]);
		if (ret && ret != -ENODEV && ret != -ENXIO)
			return err__set(
				err, ret, "kernel: cannot open the side-band of CPU %u: %s%s", cpus[i],
				strerror(-ret),
				ret == -EPERM ? " (kernel.perf_event_mlock_kb, RLIMIT_MEMLOCK or CAP_PERFMON)"
					      : "");
	}
	return 0;
}

int sideband__open(const struct kernel_maps *maps, const struct life_handler *handler, struct sideband **ret,
		   struct err *err)
{
	struct sideband *s = calloc(1, sizeof(*s));
	int code = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->rings = calloc(CPUS_MAX, sizeof(*s->rings));
	s->scratch = malloc(PERF_RECORD_BYTES_MAX);
	if (!s->rings || !s->scratch || life_order__new(handler, &s->order))
		goto out;
	if (s->epoll_fd < 0) {
		code = err__set(err, -errno, "kernel: cannot wait for mapping events: %s", strerror(errno));
		goto out;
	}
	for (uint32_t i = 0; i < CPUS_MAX; i++)
		s->rings[i].fd = -1;
	s->process_ring = ring_buffer__new(maps->process_events_fd, sideband__on_process, s, NULL);
	if (!s->process_ring) {
		code = err__set(err, -errno, "kernel: cannot map the ring of process events: %s",
				strerror(errno));
		goto out;
	}
	code = sideband__refresh_cpus(s, err);
	if (code)
		goto out;
	*ret = s;
	return 0;
out:
	sideband__close(s);
	return code;
}

void sideband__close(struct sideband *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; s->rings && i < CPUS_MAX; i++)
		perf_ring__close(&s->rings[i]);
	io__close(&s->epoll_fd);
	ring_buffer__free(s->process_ring);
	life_order__free(s->order);
	free(s->rings);
	free(s->scratch);
	free(s);
}

void sideband__follow(struct sideband *s, bool follow)
{
	for (uint32_t cpu = 0; cpu < s->n_rings; cpu++)
		if (s->rings[cpu].fd >= 0)
			ioctl(s->rings[cpu].fd, follow ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
	s->lost |= follow && s->unfollowed;
	s->unfollowed = !follow;
}

int sideband__epoll_fd(const struct sideband *s)
{
	return s->epoll_fd;
}

bool sideband__take_lost(struct sideband *s)
{
	uint64_t n = sideband__n_lost(s);
	bool lost = s->lost || n != s->n_lost_taken;

	s->n_lost_taken = n;
	s->lost = false;
	return lost;
}

uint64_t sideband__n_lost(const struct sideband *s)
{
	return s->n_ring_lost + life_order__stats(s->order)->lost;
}

uint64_t sideband__n_told(const struct sideband *s)
{
	return life_order__stats(s->order)->told;
}
