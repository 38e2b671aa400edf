/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_ring - reads the records of one perf event's ring buffer, and the fields of those that we ask for.
 *
 * Owns: the descriptor and its memory mapping. Thread: one reader. Limit: PERF_RECORD_BYTES_MAX bytes a record. Errors: -errno; damaged records are skipped.
 */
#ifndef EVERPROF_KERNEL_PERF_RING_H
#define EVERPROF_KERNEL_PERF_RING_H

#include <stddef.h>
#include <stdint.h>

#include "user/kernel/life_order.h"

#define PERF_RECORD_BYTES_MAX 65536
#define PERF_RING_PAGES       32 /* 128 KiB: some 1200 mappings */

struct perf_event_header;

struct perf_ring {
	int fd;
	void *at; /* the control page, the data after it */
	size_t data_bytes;
	uint64_t ran_ns; /* cpu_event__has_stopped() */
};

/* A dummy event on that CPU which tells of mappings and execs of all processes. */
int perf_ring__open(struct perf_ring *r, uint32_t cpu, uint32_t n_pages);
void perf_ring__close(struct perf_ring *r);
/* Calls fn for each record that was there when the call began; record is contiguous and borrowed. A negative return stops. */
typedef int (*perf_ring_fn)(const struct perf_event_header *record, void *ctx);
int perf_ring__read(struct perf_ring *r, void *scratch /* PERF_RECORD_BYTES_MAX */, perf_ring_fn fn,
		    void *ctx);

/* Pure: what a record says. 0, -EBADMSG, or -ENOENT for records of other types. `path` points into the record. */
enum sideband_type { SIDEBAND_MMAP, SIDEBAND_COMM_EXEC, SIDEBAND_LOST };
struct sideband_event {
	enum sideband_type type;
	uint64_t lost;
	struct life_mmap mmap; /* time and tgid for SIDEBAND_COMM_EXEC too */
};
int parse_sideband_record(const struct perf_event_header *record, size_t len,
			  struct sideband_event *ret_event);

#endif
