// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/trace_ring.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "user/kernel/loader.h"

struct trace_ring {
	struct loader *loader;
	struct perf_buffer *rings;
	trace_ring_fn fn;
	void *ctx;
};

/* What bpf_perf_event_output leaves, see PERF_SAMPLE_RAW in include/uapi/linux/perf_event.h. */
struct raw_sample {
	struct perf_event_header header;
	uint32_t size;
	char bytes[];
};

static enum bpf_perf_event_ret on_record(void *ctx, int cpu, struct perf_event_header *h)
{
	struct trace_ring *t = ctx;
	struct trace_record r;

	(void)cpu;
	if (h->type == PERF_RECORD_SAMPLE && h->size >= sizeof(struct raw_sample) + sizeof(r)) {
		memcpy(&r, ((const struct raw_sample *)(const void *)h)->bytes, sizeof(r));
		t->fn(&r, t->ctx);
	}
	return LIBBPF_PERF_EVENT_CONT;
}

int trace_ring__open(struct loader *l, trace_ring_fn fn, void *ctx, struct trace_ring **ret)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW,
		.watermark = 1,
		.wakeup_watermark = TRACE_RING_BYTES / 2,
	};
	struct trace_ring *t = calloc(1, sizeof(*t));
	int err = 0;

	if (!t)
		return -ENOMEM;
	*t = (struct trace_ring){.loader = l, .fn = fn, .ctx = ctx};
	t->rings = perf_buffer__new_raw(loader__maps(l)->trace_rings_fd,
					TRACE_RING_BYTES / (size_t)sysconf(_SC_PAGESIZE), &attr, on_record, t,
					NULL);
	if (!t->rings)
		err = -errno;
	if (!err)
		err = loader__hook(l, HOOK_trace_waking, true);
	if (!err)
		err = loader__hook(l, HOOK_trace_switch, true);
	if (err)
		trace_ring__close(t);
	else
		*ret = t;
	return err;
}

void trace_ring__close(struct trace_ring *t)
{
	if (!t)
		return;
	loader__hook(t->loader, HOOK_trace_switch, false);
	loader__hook(t->loader, HOOK_trace_waking, false);
	perf_buffer__free(t->rings);
	free(t);
}

int trace_ring__epoll_fd(const struct trace_ring *t)
{
	return perf_buffer__epoll_fd(t->rings);
}

void trace_ring__drain(struct trace_ring *t)
{
	perf_buffer__consume(t->rings);
}

uint64_t trace_ring__lost(const struct trace_ring *t)
{
	return __atomic_load_n(&loader__maps(t->loader)->gate->n_trace_lost, __ATOMIC_RELAXED);
}
