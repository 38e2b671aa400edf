/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim - the kernel's side of BPF for the host: maps as plain memory under the names of bpf/maps.bpf.h, and the helpers that our .bpf.h files call.
 *
 * Included before any of them, it stands in for bpf/maps.bpf.h and bpf/kernel.bpf.h, whose guards it defines. An index past the end of an array
 * gives NULL, as in the kernel; what is written through a value that was looked up is seen by AddressSanitizer.
 */
#ifndef EVERPROF_TESTS_BPF_SHIM_H
#define EVERPROF_TESTS_BPF_SHIM_H

#define EVERPROF_BPF_MAPS_BPF_H
#define EVERPROF_BPF_KERNEL_BPF_H
#define EVERPROF_BPF_TASK_BPF_H

#include <asm/ptrace.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi.h"

/* Ports have one shape, whether they need all of it or not; the kernel's build allows that, too. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

struct frame_chunk {
	__u64 words[FRAME_CHUNK_WORDS];
};

#define __noinline __attribute__((noinline))
#define SHIM       static __attribute__((unused)) /* not every test calls every helper */

#include "tests/bpf/shim_task.h"

enum shim_kind { SHIM_ARRAY, SHIM_HASH, SHIM_ARRAY_OF_MAPS };

struct shim_map {
	enum shim_kind kind;
	__u32 key_size, value_size, max;
	__u8 *keys, *values;
	__u32 n; /* of a hash */
	__u64 n_lookups;
};

struct shim_map losses, processes, targets, mappings, row_pages, row_segments, row_memo, row_page_memo,
	row_trails, count_slots, count_frames, waker_stacks;
struct settings settings;
struct gate gate;
struct count_half halves[COUNT_HALVES];

SHIM void shim__open(struct shim_map *m, enum shim_kind kind, __u32 key_size, __u32 value_size, __u32 max)
{
	*m = (struct shim_map){.kind = kind, .key_size = key_size, .value_size = value_size, .max = max};
	m->values = calloc(max, value_size);
	m->keys = kind == SHIM_HASH ? calloc(max, key_size) : NULL;
	if (!m->values || (kind == SHIM_HASH && !m->keys))
		abort();
}

SHIM void shim__close(struct shim_map *m)
{
	free(m->values);
	free(m->keys);
	*m = (struct shim_map){0};
}

/* What others do meanwhile: called at each look into a map, where the one that looks may be kept from its CPU. */
void (*shim_meanwhile)(const struct shim_map *m);

SHIM void *bpf_map_lookup_elem(struct shim_map *m, const void *key)
{
	__u32 at = 0;

	if (shim_meanwhile)
		shim_meanwhile(m);

	__atomic_fetch_add(&m->n_lookups, 1, __ATOMIC_RELAXED);
	if (m->kind == SHIM_HASH) {
		while (at < m->n && memcmp(m->keys + (size_t)at * m->key_size, key, m->key_size))
			at++;
		return at < m->n ? m->values + (size_t)at * m->value_size : NULL;
	}
	memcpy(&at, key, sizeof(at));
	if (at >= m->max)
		return NULL;
	if (m->kind == SHIM_ARRAY_OF_MAPS)
		return *(void **)(m->values + (size_t)at * m->value_size);
	return m->values + (size_t)at * m->value_size;
}

SHIM void shim__put(struct shim_map *m, const void *key, const void *value)
{
	void *at = bpf_map_lookup_elem(m, key);

	if (!at) {
		if (m->kind != SHIM_HASH || m->n == m->max)
			abort();
		memcpy(m->keys + (size_t)m->n * m->key_size, key, m->key_size);
		at = m->values + (size_t)m->n++ * m->value_size;
	}
	memcpy(at, value, m->value_size);
}

SHIM long bpf_probe_read_kernel(void *to, __u32 len, const void *from)
{
	return memcpy(to, from, len) != to;
}

SHIM void lose(__u32 event, enum loss reason, __u64 n)
{
	__u32 key = event * LOSS_MAX + reason;

	*(__u64 *)bpf_map_lookup_elem(&losses, &key) += n;
}

/* Of the event of the CPU's clock. */
SHIM __u64 shim__lost(enum loss reason)
{
	return ((__u64 *)losses.values)[EVENT_CPU * LOSS_MAX + reason];
}

#endif
