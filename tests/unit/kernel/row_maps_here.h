/* SPDX-License-Identifier: Apache-2.0 */
/* row_maps_here - the maps of a row store for a test, real ones (tests/unit/kernel/bpf_here.h). */
#ifndef EVERPROF_TESTS_ROW_MAPS_HERE_H
#define EVERPROF_TESTS_ROW_MAPS_HERE_H

#include <unistd.h>

#include "tests/unit/kernel/bpf_here.h"
#include "user/kernel/loader.h"
#include "user/kernel/row_store.h"

static inline void row_maps_here__open(struct kernel_maps *maps, struct gate *gate)
{
	LIBBPF_OPTS(bpf_map_create_opts, mapped, .map_flags = BPF_F_MMAPABLE);
	LIBBPF_OPTS(bpf_map_create_opts, outer);
	int inner = bpf_here__map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), ROW_SEGMENT_BYTES, 1, &mapped);

	outer.inner_map_fd = (uint32_t)inner;
	maps->gate = gate;
	maps->row_segments_fd = bpf_here__map(BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(uint32_t), sizeof(uint32_t),
					      ROW_SEGMENTS_MAX, &outer);
	close(inner);
	maps->row_pages_fd = bpf_here__map(BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct row_page),
					   ROW_PAGES_MAX, NULL);
}

static inline void row_maps_here__close(struct kernel_maps *maps)
{
	close(maps->row_pages_fd);
	close(maps->row_segments_fd);
}

#endif
