/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * current - the process that an event met: is it wanted, and which mappings does it have?
 *
 * Both are hash tables, which at a hundred events a second are cold every time. But mostly the process is that of the last event on this CPU:
 * what was found then is kept with the walk, and holds until the collector, or process.bpf.c where it takes something back, counts a change.
 * Fork, exec and exit need not count one: theirs is another incarnation, with another key.
 *
 * Invariants: the count is read before the tables are, so what is kept is never older than it says; the mapping set is still asked for its id
 * each time (mapping.bpf.h), because runs of `mappings` are used again.
 */
#ifndef EVERPROF_BPF_CURRENT_BPF_H
#define EVERPROF_BPF_CURRENT_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/walk.h"

static __always_inline __u64 gate__changes(void)
{
	return *(volatile __u64 *)&gate.n_changes + *(volatile __u64 *)&gate.n_gone;
}

/* What the configuration says of the process; 0: nothing. */
static __always_inline __u8 target__verdict(const struct task_key *key)
{
	const struct target *t = bpf_map_lookup_elem(&targets, &key->tgid);

	return t && t->start_ns == key->start_ns ? t->verdict : 0;
}

static __always_inline int verdict__wanted(__u8 verdict)
{
	return gate.filter ? verdict == TARGET_INCLUDE : verdict != TARGET_EXCLUDE;
}

/* Does the configuration want it? */
static __always_inline int target__wanted(const struct task_key *key)
{
	return verdict__wanted(target__verdict(key));
}

/* Reads what is known of the process into the walk. */
static __noinline int current__look(struct walk *w, const struct task_key *key)
{
	struct walk_process *c = &w->process;
	const struct process_entry *p;

	c->changes = gate__changes();
	c->key = *key;
	c->verdict = target__verdict(key);
	c->set_first = 0;
	w->mapping.start = 0;
	w->mapping.end = 0;
	p = bpf_map_lookup_elem(&processes, &key->tgid);
	if (p && p->key.start_ns == key->start_ns && p->key.exec_id == key->exec_id) {
		c->set_first = p->set_first;
		c->set_count = p->set_count;
		c->set_id = p->set_id;
	}
	return 0;
}

/* Makes w->process that of the key; true: the configuration wants it. */
static __always_inline int current__wanted(struct walk *w, const struct task_key *key)
{
	const struct walk_process *c = &w->process;

	if (c->key.start_ns != key->start_ns || c->key.tgid != key->tgid || c->key.exec_id != key->exec_id ||
	    c->changes != gate__changes())
		current__look(w, key);
	return verdict__wanted(c->verdict);
}

#endif
