/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping - which file, and where in it, is this address of this process at this moment?
 *
 * Decided here and not later in user space, because a millisecond later the library may be closed, the program replaced, the pid used again.
 * A process's mappings are one sorted run of `mappings`; the entry of `processes` that names it holds for one incarnation only,
 * and the run's header must still carry the id of the set that the entry names: a run that was given to another set is not looked at.
 */
#ifndef EVERPROF_BPF_MAPPING_BPF_H
#define EVERPROF_BPF_MAPPING_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

/* Readies the walk for this incarnation; false: the collector does not know it yet. */
static __always_inline int mapping__begin(struct walk *w, const struct task_key *key)
{
	const struct process_entry *p = bpf_map_lookup_elem(&processes, &key->tgid);
	const struct mapping_entry *header;

	w->set_first = 0;
	w->set_count = 0;
	w->mapping.start = 0;
	w->mapping.end = 0;
	if (!p || p->key.start_ns != key->start_ns || p->key.exec_id != key->exec_id)
		return 0;
	header = bpf_map_lookup_elem(&mappings, &p->set_first);
	if (!header || header->start != p->set_id)
		return 0;
	w->set_first = p->set_first + 1;
	w->set_count = p->set_count;
	return 1;
}

static int unwind_find_mapping(struct walk *w, __u64 pc)
{
	const struct mapping_entry *m;
	__u32 low = w->set_first, high = w->set_first + w->set_count;
	__u32 i, at;

	if (low == 0)
		return END_NO_PROCESS;
	/* the first mapping that starts above pc */
	for (i = 0; i < MAPPING_SEARCH_STEPS; i++) {
		if (low >= high)
			break;
		at = low + (high - low) / 2;
		m = bpf_map_lookup_elem(&mappings, &at);
		if (!m)
			return END_NO_MAPPING;
		if (m->start <= pc)
			low = at + 1;
		else
			high = at;
	}
	at = low - 1;
	if (at < w->set_first)
		return END_NO_MAPPING;
	m = bpf_map_lookup_elem(&mappings, &at);
	if (!m || pc - m->start >= (__u64)m->pages << MAPPING_PAGE_SHIFT)
		return END_NO_MAPPING;
	w->mapping.start = m->start;
	w->mapping.end = m->start + ((__u64)m->pages << MAPPING_PAGE_SHIFT);
	w->mapping.bias = m->bias;
	w->mapping.object = m->object;
	return 0;
}

#endif
