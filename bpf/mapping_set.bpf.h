/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping_set - the sorted mappings that the collector pushed for a process, and how to search them.
 *
 * A process's mappings are one sorted run of `mappings`; the entry of `processes` that names it holds for one incarnation only,
 * and the run's header must still carry the id of the set that the entry names: a run that was given to another set is not looked at.
 */
#ifndef EVERPROF_BPF_MAPPING_SET_BPF_H
#define EVERPROF_BPF_MAPPING_SET_BPF_H

#include "bpf/maps.bpf.h"

/* Is the set in place whose header this is? */
static __always_inline int mapping_set__is(__u32 first, __u64 set_id)
{
	const struct mapping_entry *header = bpf_map_lookup_elem(&mappings, &first);

	return header && header->start == set_id;
}

/* Is the entry this incarnation's, and its set still in place? */
static __always_inline int mapping_set__holds(const struct process_entry *p, const struct task_key *key)
{
	return p->key.start_ns == key->start_ns && p->key.exec_id == key->exec_id &&
	       mapping_set__is(p->set_first, p->set_id);
}

/* Of the mappings [low, high), the first that starts above addr. Global, so that the verifier looks at the search once. */
__attribute__((weak, noinline)) __u32 mapping_set__above(__u32 low, __u32 high, __u64 addr)
{
	const struct mapping_entry *m;
	__u32 i, at;

	for (i = 0; i < MAPPING_SEARCH_STEPS; i++) {
		if (low >= high)
			break;
		at = low + (high - low) / 2;
		m = bpf_map_lookup_elem(&mappings, &at);
		if (!m)
			break;
		if (m->start <= addr)
			low = at + 1;
		else
			high = at;
	}
	return low;
}

/* Does this incarnation have a mapping, as far as the collector knows, that begins before `end` and goes beyond `start`? */
static __always_inline int mapping_set__overlaps(const struct task_key *key, __u64 start, __u64 end)
{
	const struct process_entry *p = bpf_map_lookup_elem(&processes, &key->tgid);
	const struct mapping_entry *m;
	__u32 first, at;

	if (!p || !mapping_set__holds(p, key))
		return 0;
	first = p->set_first + 1;
	at = mapping_set__above(first, first + p->set_count, end - 1) - 1;
	if (at < first)
		return 0;
	m = bpf_map_lookup_elem(&mappings, &at);
	return m && m->start + ((__u64)m->pages << MAPPING_PAGE_SHIFT) > start;
}

#endif
