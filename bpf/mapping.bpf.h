/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping - which file, and where in it, is this address of this process at this moment?
 *
 * Decided here and not later in user space, because a millisecond later the library may be closed, the program replaced, the pid used again.
 */
#ifndef EVERPROF_BPF_MAPPING_BPF_H
#define EVERPROF_BPF_MAPPING_BPF_H

#include "bpf/mapping_set.bpf.h"
#include "bpf/walk.h"

/* Readies the walk for w->process; false: the collector does not know it yet. */
static __always_inline int mapping__begin(struct walk *w)
{
	const struct walk_process *p = &w->process;

	w->set_first = 0;
	if (!p->set_first || !mapping_set__is(p->set_first, p->set_id)) {
		w->mapping.start = 0;
		w->mapping.end = 0;
		return 0;
	}
	w->set_first = p->set_first + 1;
	w->set_count = p->set_count;
	return 1;
}

static __noinline int unwind_find_mapping(struct walk *w, __u64 pc)
{
	const struct mapping_entry *m;
	__u32 at;

	if (w->set_first == 0)
		return END_NO_PROCESS;
	at = mapping_set__above(w->set_first, w->set_first + w->set_count, pc) - 1;
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

/*
 * Is what the walk looked in still the process's set, or one that nobody has written to since it was given back? Asked after a walk that may be kept from its CPU, or wait for a page
 * of its stack, for longer than the collector leaves a run alone.
 */
static __always_inline int mapping__kept(const struct walk *w)
{
	__u32 header = w->set_first - 1;
	const struct mapping_entry *m = w->set_first ? bpf_map_lookup_elem(&mappings, &header) : NULL;

	return !m || m->start == w->process.set_id || m->start == MAPPING_SET_GIVEN_BACK(w->process.set_id);
}

#endif
