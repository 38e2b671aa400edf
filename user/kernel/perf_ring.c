// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/perf_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "user/base/cursor.h"
#include "user/base/io.h"
#include "user/kernel/cpu_events.h"

/* linux/perf_event.h of Debian 12 has them; named here for the reader: pid, tid and time follow each record (sample_id_all). */
#define TRAILER_BYTES  16
#define PATH_FIELD_MAX 4096

/*
 * Build-ids are not asked for (attr.build_id): the kernel builds one record for all readers of a mapping, and what marks a record as one
 * with a build-id (PERF_RECORD_MISC_MMAP_BUILD_ID) stays set for the readers after us, who did not ask and misread it; a `perf record` beside us then
 * aborts. For the same reason the mark means nothing to us: another tool may have asked. Seen up to Linux 6.18, perf_event_mmap_output().
 */
int perf_ring__open(struct perf_ring *r, uint32_t cpu, uint32_t n_pages)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.read_format = CPU_EVENT_READ_FORMAT,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = n_pages * 4096 / 2, /* else it is read by time */
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	r->at = NULL;
	r->ran_ns = 0;
	r->data_bytes = n_pages * page;
	r->fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	r->at = mmap(NULL, page + r->data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->at == MAP_FAILED) {
		int code = -errno;

		r->at = NULL;
		io__close(&r->fd);
		return code;
	}
	return 0;
}

void perf_ring__close(struct perf_ring *r)
{
	if (r->at)
		munmap(r->at, (size_t)sysconf(_SC_PAGESIZE) + r->data_bytes);
	r->at = NULL;
	io__close(&r->fd);
}

/* The record at `tail`, copied to scratch where it wraps around the end. */
static const struct perf_event_header *perf_ring__record(const struct perf_ring *r, uint64_t tail,
							 uint64_t head, void *scratch)
{
	const uint8_t *data = (const uint8_t *)r->at + sysconf(_SC_PAGESIZE);
	size_t mask = r->data_bytes - 1, at = tail & mask, first = r->data_bytes - at;
	const struct perf_event_header *h =
		(const void *)(data + at); /* headers are 8-aligned and never wrap */
	size_t size = h->size;

	if (size < sizeof(*h) || size % 8 || size > head - tail || size > r->data_bytes ||
	    size > PERF_RECORD_BYTES_MAX)
		return NULL;
	if (size <= first)
		return h;
	memcpy(scratch, data + at, first);
	memcpy((uint8_t *)scratch + first, data, size - first);
	return scratch;
}

int perf_ring__read(struct perf_ring *r, void *scratch, perf_ring_fn fn, void *ctx)
{
	struct perf_event_mmap_page *control = r->at;
	uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = control->data_tail;
	int ret = 0;

	while (tail < head && !ret) {
		const struct perf_event_header *h = perf_ring__record(r, tail, head, scratch);

		if (!h) { /* cannot happen with a sound kernel; nothing after it can be trusted */
			tail = head;
			break;
		}
		ret = fn(h, ctx);
		tail += h->size;
	}
	__atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
	return ret;
}

static int parse_mmap2(struct cursor *c, struct life_mmap *m)
{
	uint32_t major;

	m->tgid = cursor__u32(c);
	cursor__u32(c); /* tid */
	m->addr = cursor__u64(c);
	m->len = cursor__u64(c);
	m->pgoff = cursor__u64(c);
	major = cursor__u32(c);
	m->dev = makedev(major, cursor__u32(c)); /* overlayfs and btrfs show another one than stat(2) does */
	m->ino = cursor__u64(c);
	m->generation = cursor__u64(c);
	m->prot = cursor__u32(c);
	cursor__u32(c); /* flags */
	m->path = cursor__cstr(c);
	return c->bad ? -EBADMSG : 0;
}

int parse_sideband_record(const struct perf_event_header *record, size_t len,
			  struct sideband_event *ret_event)
{
	struct sideband_event e = {};
	struct cursor c, trailer;
	int ret = 0;

	if (len < sizeof(*record) + TRAILER_BYTES || record->size > len)
		return -EBADMSG;
	cursor__init(&c, record + 1, len - sizeof(*record) - TRAILER_BYTES);
	cursor__init(&trailer, (const uint8_t *)record + len - TRAILER_BYTES, TRAILER_BYTES);
	switch (record->type) {
	case PERF_RECORD_MMAP2:
		e.type = SIDEBAND_MMAP;
		ret = parse_mmap2(&c, &e.mmap);
		break;
	case PERF_RECORD_COMM:
		if (!(record->misc & PERF_RECORD_MISC_COMM_EXEC))
			return -ENOENT;
		e.type = SIDEBAND_COMM_EXEC;
		e.mmap.tgid = cursor__u32(&c);
		break;
	case PERF_RECORD_LOST:
		e.type = SIDEBAND_LOST;
		cursor__u64(&c); /* id */
		e.lost = cursor__u64(&c);
		break;
	default:
		return -ENOENT;
	}
	if (ret || c.bad)
		return -EBADMSG;
	cursor__skip(&trailer, 8);
	e.mmap.time_ns = cursor__u64(&trailer);
	*ret_event = e;
	return 0;
}
