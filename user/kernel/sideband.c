// SPDX-License-Identifier: Apache-2.0
/*
 * sideband - Problem: a mapping belongs to the program that made it, but side-band records carry only a pid, come from one ring per CPU, and
 *   those of an exec come *before* the exec's own tracepoint (the kernel maps the new program and its loader first).
 * Idea: gather everything there is into one batch, sort it by time, hand on what is older than the moment at which the reading began (of what came
 *   while we read, one source may have been read already), and hold a process's mappings back from the side-band's own mark of an exec
 *   (PERF_RECORD_COMM with the exec flag) until our exec record, which has the new incarnation's key, has been handed on.
 * Invariants: `held` outlives a batch, since a drain may fall between mark and record; an exit drops what is held for the process, and HOLD_NS of
 *   events without an exec record hand it on.
 * Cost: nothing per event in the kernel beyond perf's own record; one sort a drain.
 */
#include "user/kernel/sideband.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "user/base/arena.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/kernel/cpu_events.h"
#include "user/kernel/loader.h"
#include "user/kernel/perf_ring.h"

#define HELD_MAX    4096
#define BATCH_BYTES (32u << 20)
#define HOLD_NS     (1000ull * 1000 * 1000)

/* One event of the batch. */
struct item {
	uint64_t time_ns;
	uint32_t order; /* of arrival: equal times keep it */
	enum { ITEM_PROCESS, ITEM_MMAP, ITEM_COMM_EXEC } kind;
	union {
		struct process_record *process;
		struct sideband_mmap *mmap;
		uint32_t tgid;
	};
};

/* A mapping made by an exec that has not been told yet; tgid 0 with no path marks the exec itself. */
struct held {
	bool is_mark;
	struct sideband_mmap mmap;
	char *path;
};

struct sideband {
	const struct kernel_maps *maps;
	struct sideband_handler handler;
	struct perf_ring *rings; /* [CPUS_MAX], fd < 0 where there is none */
	uint32_t n_rings;        /* one more than the highest CPU that has one */
	int epoll_fd;            /* of the rings */
	struct ring_buffer *process_ring;
	void *scratch;
	struct arena arena, next_arena; /* of the batch, and of what stays for the next one */
	struct item *items;
	uint32_t n_items, cap_items;
	struct held *held;
	uint32_t n_held;
	bool lost, unfollowed;
	struct sideband_stats stats;
};

static int sideband__add(struct sideband *s, struct item item)
{
	if (s->n_items == s->cap_items) {
		uint32_t cap = s->cap_items ? s->cap_items * 2 : 256;
		struct item *items;

		if (cap > SIDEBAND_BATCH_MAX)
			goto lost;
		items = realloc(s->items, cap * sizeof(*items));
		if (!items)
			goto lost;
		s->items = items;
		s->cap_items = cap;
	}
	item.order = s->n_items;
	s->items[s->n_items++] = item;
	return 0;
lost:
	s->lost = true;
	s->stats.lost++;
	return 0;
}

static int sideband__on_record(const struct perf_event_header *record, void *ctx)
{
	const size_t size = ((const uint16_t *)record)[3]; /* header: u32 type, u16 misc, u16 size */
	struct sideband *s = ctx;
	struct sideband_event e;

	if (parse_sideband_record(record, size, &e))
		return 0;
	if (e.type == SIDEBAND_LOST) {
		s->lost = true;
		s->stats.lost += e.lost;
		return 0;
	}
	if (e.type == SIDEBAND_COMM_EXEC)
		return sideband__add(s,
				     (struct item){e.mmap.time_ns, 0, ITEM_COMM_EXEC, .tgid = e.mmap.tgid});
	struct sideband_mmap *m = arena__alloc(&s->arena, sizeof(*m));
	char *path = m ? arena__strndup(&s->arena, e.mmap.path, strlen(e.mmap.path)) : NULL;

	if (!path) {
		s->lost = true;
		s->stats.lost++;
		return 0;
	}
	*m = e.mmap;
	m->path = path;
	return sideband__add(s, (struct item){m->time_ns, 0, ITEM_MMAP, .mmap = m});
}

static int sideband__on_process(void *ctx, void *data, size_t size)
{
	struct sideband *s = ctx;
	struct process_record *r;

	if (size < sizeof(*r))
		return 0;
	r = arena__alloc(&s->arena, sizeof(*r));
	if (!r) {
		s->lost = true;
		s->stats.lost++;
		return 0;
	}
	memcpy(r, data, sizeof(*r));
	return sideband__add(s, (struct item){r->time_ns, 0, ITEM_PROCESS, .process = r});
}

static int item__compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool sideband__is_held(const struct sideband *s, uint32_t tgid)
{
	for (uint32_t i = 0; i < s->n_held; i++)
		if (s->held[i].mmap.tgid == tgid && s->held[i].is_mark)
			return true;
	return false;
}

static void sideband__hold(struct sideband *s, uint64_t time_ns, uint32_t tgid, const struct sideband_mmap *m)
{
	struct held h = {.is_mark = !m};

	if (s->n_held == HELD_MAX) {
		s->stats.held_dropped++;
		s->lost = true;
		return;
	}
	if (m) {
		h.path = strdup(m->path);
		if (!h.path) {
			s->lost = true;
			return;
		}
		h.mmap = *m;
		h.mmap.path = h.path;
	}
	h.mmap.tgid = tgid;
	h.mmap.time_ns = time_ns;
	s->held[s->n_held++] = h;
}

/* Takes the process's held mappings out, handing them on (as things of exec_ns: the program they belong to begins then) or not. */
static void sideband__release(struct sideband *s, uint32_t tgid, uint64_t exec_ns)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n_held; i++) {
		struct held h = s->held[i];

		if (h.mmap.tgid != tgid) {
			s->held[kept++] = h;
			continue;
		}
		h.mmap.time_ns = exec_ns;
		if (exec_ns && !h.is_mark)
			s->handler.mmap(s->handler.ctx, &h.mmap);
		free(h.path);
	}
	s->n_held = kept;
}

/*
 * An exec whose record was lost: its mappings are better late than never. Lost is what has not come among all that was told up to told_ns; that the mark is
 * old says nothing where we come late ourselves.
 */
static void sideband__release_old(struct sideband *s, uint64_t told_ns)
{
	for (uint32_t i = 0; i < s->n_held;) {
		if (s->held[i].is_mark && s->held[i].mmap.time_ns + HOLD_NS < told_ns) {
			sideband__release(s, s->held[i].mmap.tgid, s->held[i].mmap.time_ns);
			i = 0;
		} else {
			i++;
		}
	}
}

static void sideband__deliver_process(struct sideband *s, const struct process_record *r)
{
	switch (r->type) {
	case RECORD_FORK:
		s->handler.fork(s->handler.ctx, r);
		break;
	case RECORD_EXEC:
		s->handler.exec(s->handler.ctx, r);
		sideband__release(s, r->key.tgid, r->time_ns);
		break;
	case RECORD_EXIT:
		sideband__release(s, r->key.tgid, 0);
		s->handler.exit(s->handler.ctx, r);
		break;
	case RECORD_GONE:
		s->handler.gone(s->handler.ctx, r);
		break;
	case RECORD_OOM:
		if (s->handler.oom)
			s->handler.oom(s->handler.ctx, r);
		break;
	default:
		break;
	}
}

static void sideband__deliver(struct sideband *s, const struct item *item)
{
	s->stats.events++;
	if (item->kind == ITEM_PROCESS)
		sideband__deliver_process(s, item->process);
	else if (item->kind == ITEM_COMM_EXEC)
		sideband__hold(s, item->time_ns, item->tgid, NULL);
	else if (s->n_held && sideband__is_held(s, item->mmap->tgid))
		sideband__hold(s, item->time_ns, item->mmap->tgid, item->mmap);
	else
		s->handler.mmap(s->handler.ctx, item->mmap);
}

/* Moves an item's payload to where the next batch finds it. */
static bool sideband__keep(struct sideband *s, struct item *item)
{
	struct sideband_mmap *m;
	char *path;

	if (item->kind == ITEM_COMM_EXEC)
		return true;
	if (item->kind == ITEM_PROCESS) {
		struct process_record *r = arena__alloc(&s->next_arena, sizeof(*r));

		if (r)
			*r = *item->process;
		item->process = r;
		return r;
	}
	m = arena__alloc(&s->next_arena, sizeof(*m));
	path = m ? arena__strndup(&s->next_arena, item->mmap->path, strlen(item->mmap->path)) : NULL;
	if (!path)
		return false;
	*m = *item->mmap;
	m->path = path;
	item->mmap = m;
	return true;
}

int sideband__drain(struct sideband *s, uint64_t until_ns)
{
	uint64_t began_ns = clock__mono_ns(), before_ns = until_ns < began_ns ? until_ns : began_ns;
	struct arena empty;
	uint32_t kept = 0, i;
	int ret;

	for (uint32_t cpu = 0; cpu < s->n_rings; cpu++)
		if (s->rings[cpu].fd >= 0)
			perf_ring__read(&s->rings[cpu], s->scratch, sideband__on_record, s);
	ret = ring_buffer__consume(s->process_ring);
	if (ret < 0 && ret != -EINTR)
		return ret;
	if (s->n_items)
		qsort(s->items, s->n_items, sizeof(*s->items), item__compare);
	for (i = 0; i < s->n_items && s->items[i].time_ns <= before_ns; i++)
		sideband__deliver(s, &s->items[i]);
	for (; i < s->n_items; i++) {
		if (sideband__keep(s, &s->items[i])) {
			s->items[kept] = s->items[i];
			s->items[kept].order = kept;
			kept++;
		}
	}
	s->n_items = kept;
	sideband__release_old(s, before_ns);
	arena__done(&s->arena);
	arena__init(&empty, BATCH_BYTES);
	s->arena = s->next_arena;
	s->next_arena = empty;
	return 0;
}

static int sideband__open_ring(struct sideband *s, uint32_t cpu)
{
	struct epoll_event event = {.events = EPOLLIN};
	int ret = perf_ring__open(&s->rings[cpu], cpu, SIDEBAND_RING_PAGES);

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

int sideband__open(const struct kernel_maps *maps, const struct sideband_handler *handler,
		   struct sideband **ret, struct err *err)
{
	struct sideband *s = calloc(1, sizeof(*s));
	int code = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->maps = maps;
	s->handler = *handler;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	arena__init(&s->arena, BATCH_BYTES);
	arena__init(&s->next_arena, BATCH_BYTES);
	s->rings = calloc(CPUS_MAX, sizeof(*s->rings));
	s->held = calloc(HELD_MAX, sizeof(*s->held));
	s->scratch = malloc(PERF_RECORD_BYTES_MAX);
	if (!s->rings || !s->held || !s->scratch)
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
	for (uint32_t i = 0; i < s->n_held; i++)
		free(s->held[i].path);
	io__close(&s->epoll_fd);
	ring_buffer__free(s->process_ring);
	arena__done(&s->arena);
	arena__done(&s->next_arena);
	free(s->rings);
	free(s->held);
	free(s->scratch);
	free(s->items);
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
	bool lost = s->lost;

	s->lost = false;
	return lost;
}

const struct sideband_stats *sideband__stats(const struct sideband *s)
{
	return &s->stats;
}
