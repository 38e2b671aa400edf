// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as one record of the side-band, in memory of exactly its size, and as the contents of a ring. Paths end inside of their
 * record; a ring is always read to its head.
 *
 *      first byte: what the rest is | record, or: u16 tail | the ring's bytes
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "user/kernel/perf_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRAILER_BYTES 16

static void check_record(const struct perf_event_header *record, size_t len)
{
	const char *start = (const char *)record, *end = start + len;
	struct sideband_event e;

	if (parse_sideband_record(record, len, &e))
		return;
	if (e.type != SIDEBAND_MMAP)
		return;
	if (e.mmap.path < start || e.mmap.path >= end ||
	    e.mmap.path + strlen(e.mmap.path) >= end - TRAILER_BYTES)
		abort();
}

static void one_record(const uint8_t *data, size_t size)
{
	struct perf_event_header *record = malloc(size ? size : 1); /* exact: a byte too far is seen */

	if (!record)
		return;
	memcpy(record, data, size);
	check_record(record, size);
	free(record);
}

static int on_record(const struct perf_event_header *record, void *ctx)
{
	/* copied, so that reading past it is seen here, too */
	one_record((const uint8_t *)record, record->size);
	(*(uint64_t *)ctx)++;
	return 0;
}

static void whole_ring(const uint8_t *data, size_t size)
{
	static uint8_t scratch[PERF_RECORD_BYTES_MAX] __attribute__((aligned(8)));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct perf_ring r = {.fd = -1, .data_bytes = page};
	struct perf_event_mmap_page *control;
	uint64_t n = 0, tail;

	if (size < 2 || posix_memalign(&r.at, page, 2 * page))
		return;
	memset(r.at, 0, 2 * page);
	control = r.at;
	/* the kernel keeps both in steps of eight */
	tail = (data[0] | (uint64_t)data[1] << 8) & ~7ull;
	size = size - 2 > page ? page : (size - 2) & ~(size_t)7;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)r.at + page)[(tail + i) % page] = data[2 + i];
	control->data_tail = tail;
	control->data_head = tail + size;
	if (perf_ring__read(&r, scratch, on_record, &n) || control->data_tail != control->data_head)
		abort();
	if (n > page / sizeof(struct perf_event_header))
		abort();
	free(r.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		whole_ring(data + 1, size - 1);
	else
		one_record(data + 1, size - 1);
	return 0;
}
