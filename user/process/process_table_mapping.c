/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes map, as events tell it.
 *
 * Problem: most processes live for milliseconds, and each maps a dozen files to begin with; and one that maps code as fast as it can would make us copy its set
 * each time.
 *
 * Idea: what a new program maps is only written down. It is resolved when a stack needs it, when the kernel is to know it, or when it has a child; of those that end
 * before, nothing is left to do. What events may cost is bounded per process and second, then it is stale until a rescan; where it mapped meanwhile what was another file's before, nothing is
 * known, and of one that goes on so, nothing of it at all. Rescans are spaced by 100 ms,
 * doubling to 25.6 s until it was quiet for 5 s; a child that is stale from its birth goes on with the spacing of its parent.
 *
 * Cost: an event of a known mapping 1.4 us.
 *
 * What it does not do: see munmap. A mapping that is gone stays until something else takes its place or a rescan; no
 * PC lies in it meanwhile.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/object/object_cache.h"
#include "user/process/process_table_impl.h"

/* Its name, cut off from " (deleted)", and what kind of mapping it tells. */
static enum maps_kind event__kind(const struct process_mmap *m, char ret_path[MAPS_PATH_MAX],
				  bool *ret_deleted)
{
	size_t len = m->path ? strnlen(m->path, MAPS_PATH_MAX - 1) : 0;

	memcpy(ret_path, m->path ? m->path : "", len);
	ret_path[len] = '\0';
	return parse_maps_name(ret_path, ret_deleted);
}

/* May this event cost what it will, of `most` a second? */
static bool process__afford(struct process *p, uint64_t time_ns, uint32_t most)
{
	uint64_t second = time_ns / NS_PER_SEC;
	uint32_t n;

	mapping_set__mappings(p->mappings, &n);
	if (p->mmap_second != second) {
		p->mmap_second = second;
		p->mmap_cost = 0;
	}
	if (p->mmap_cost >= most)
		return false;
	p->mmap_cost += 1 + n / 64;
	return true;
}

/* What the event is about, with a reference on its object. */
static void table__resolve(struct process_table *t, const struct process *p, const struct process_mmap *m,
			   struct code_mapping *ret_mapping)
{
	char path[MAPS_PATH_MAX];
	struct object_mapping om = {
		.tgid = p->key.tgid,
		.pid_dir_fd = FD_CLOSED,
		.start = m->addr,
		.end = m->addr + m->len,
		.pgoff = m->pgoff,
		.path = path,
		.ino = m->ino,
		.dev = m->dev,
		.generation = m->generation,
	};
	enum maps_kind kind = event__kind(m, path, &om.deleted);

	t->reader.now_ns = m->time_ns;
	process_reader__resolve(&t->reader, &p->rule, kind, &om, ret_mapping);
}

/* The program itself is mapped first, its interpreter second. */
static void process__name_by_event(struct process *p, const struct process_mmap *m)
{
	char path[MAPS_PATH_MAX];
	enum maps_kind kind;
	bool deleted;

	if (p->exe || p->flags & PROCESS_FORKED || !(m->prot & PROT_EXEC))
		return;
	kind = event__kind(m, path, &deleted);
	if (kind == MAPS_FILE || kind == MAPS_MEMFD)
		process__set_exe(p, path, strlen(path));
}

static int table__map_code(struct process_table *t, const struct process *p, const struct process_mmap *m,
			   struct mapping_set **ret_set)
{
	struct code_mapping cm;
	int r;

	table__resolve(t, p, m, &cm);
	r = mapping_set__with(p->mappings, &cm, ret_set);
	object_cache__put(t->reader.objects, cm.object);
	return r;
}

static void process__set_mappings(struct process *p, struct mapping_set *set)
{
	mapping_set__unref(p->mappings);
	p->mappings = set;
}

/* Does none of them overlap another? */
static bool mappings__are_apart(const struct code_mapping *m, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t j = 0; j < i; j++)
			if (m[i].start < m[j].end && m[j].start < m[i].end)
				return false;
	return true;
}

/* `set` with the n mappings one after the other, in their order. */
static int table__map_all(struct mapping_set *set, const struct code_mapping *m, uint32_t n,
			  struct mapping_set **ret_set)
{
	struct mapping_set *next;
	int r = 0;

	mapping_set__ref(set);
	for (uint32_t i = 0; i < n && r == 0; i++) {
		r = mapping_set__with(set, &m[i], &next);
		if (r == 0) {
			mapping_set__unref(set);
			set = next;
		}
	}
	if (r < 0)
		mapping_set__unref(set);
	else
		*ret_set = set;
	return r;
}

void process_table__settle(struct process_table *t, struct process *p)
{
	struct code_mapping mappings[PENDING_MAPPINGS_MAX], sorted[PENDING_MAPPINGS_MAX];
	const struct pending_mapping *pending = p->pending.first;
	struct mapping_set *set;
	uint32_t n = 0, n_before;
	int r;

	p->flags &= ~PROCESS_YOUNG;
	if (!pending)
		return;
	for (; pending; pending = pending->next)
		table__resolve(t, p, &pending->event, &mappings[n++]);
	pending_mappings__done(&p->pending);
	mapping_set__mappings(p->mappings, &n_before);
	if (n_before == 0 && mappings__are_apart(mappings, n)) {
		memcpy(sorted, mappings, n * sizeof(*mappings));
		r = mapping_set__build(t->reader.pool, sorted, n, &set);
	} else {
		r = table__map_all(p->mappings, mappings, n, &set);
	}
	for (uint32_t i = 0; i < n; i++)
		object_cache__put(t->reader.objects, mappings[i].object);
	if (r < 0) {
		p->flags |= PROCESS_STALE;
		t->stats.n_mmaps_skipped++;
		return;
	}
	process__set_mappings(p, set);
}

/*
 * What an event that could not be followed took the place of is there no more, and would have its code taken for what it was. To cut that out costs, too: who has used up as much again has no
 * mapping left, and nothing more to be cut out. Events of before the last rescan tell of what that has read.
 */
static void table__leave_hole(struct process_table *t, struct process *p, const struct process_mmap *m)
{
	struct mapping_set *set;
	int r = -EAGAIN;

	if (m->time_ns < p->mapped_ns || !mapping_set__overlaps(p->mappings, m->addr, m->addr + m->len))
		return;
	if (process__afford(p, m->time_ns, 2 * PROCESS_MMAP_COST_MAX))
		r = mapping_set__without(p->mappings, m->addr, m->addr + m->len, &set);
	if (r < 0)
		set = mapping_pool__empty(t->reader.pool);
	process__set_mappings(p, set);
	process_table__tell_mappings(t, p);
}

int process_table__mmap(struct process_table *t, const struct process_mmap *m)
{
	struct process *p = process_table__find_pid(t, m->tgid, m->time_ns);
	struct mapping_set *set;
	int r;

	t->stats.n_mmaps++;
	if (!p) {
		t->stats.n_unknown++;
		return -ESRCH;
	}
	if (m->len == 0 || m->addr + m->len <= m->addr)
		return -EINVAL;
	process__name_by_event(p, m);
	if (p->flags & PROCESS_YOUNG && m->prot & PROT_EXEC && pending_mappings__add(&p->pending, m) == 0) {
		p->flags &= ~PROCESS_UNLEARNT;
		process_table__tell_mappings(t, p);
		return 0;
	}
	process_table__settle(t, p);
	t->reader.now_ns = m->time_ns;
	if (!process__afford(p, m->time_ns, PROCESS_MMAP_COST_MAX))
		r = -EAGAIN;
	else if (m->prot & PROT_EXEC)
		r = table__map_code(t, p, m, &set);
	else
		r = mapping_set__without(p->mappings, m->addr, m->addr + m->len, &set);
	if (r < 0) {
		p->flags |= PROCESS_STALE;
		t->stats.n_mmaps_skipped++;
		table__leave_hole(t, p, m);
		return r;
	}
	/* Equal sets are one. */
	bool changed = set != p->mappings;

	process__set_mappings(p, set);
	p->flags &= ~PROCESS_UNLEARNT;
	if (changed)
		process_table__tell_mappings(t, p);
	return 0;
}

static bool process__rescan_due(struct process *p, uint64_t now_ns)
{
	if (now_ns < p->rescan_at_ns)
		return false;
	if (now_ns - p->rescan_at_ns > PROCESS_RESCAN_QUIET_NS)
		p->rescan_backoff = 0;
	p->rescan_at_ns = now_ns + (PROCESS_RESCAN_MIN_NS << p->rescan_backoff);
	if (p->rescan_backoff < PROCESS_RESCAN_BACKOFF_MAX)
		p->rescan_backoff++;
	return true;
}

int process_table__rescan_maps(struct process_table *t, uint64_t now_ns, struct process *p, bool *ret_changed)
{
	struct mapping_set *before;
	bool changed;
	int r;

	if (p->flags & PROCESS_ENDED)
		return -ESRCH;
	if (!process__rescan_due(p, now_ns)) {
		t->stats.n_rescans_early++;
		return -EAGAIN;
	}
	t->stats.n_rescans++;
	t->reader.now_ns = now_ns;
	process_table__settle(t, p);
	before = mapping_set__ref(p->mappings);
	r = p->flags & PROCESS_UNASKED ? read_process(p, &t->reader, true)
				       : read_process_mappings(p, &t->reader);
	if (!r || r == -ESRCH || r == -E2BIG)
		p->flags &= ~PROCESS_UNASKED;
	changed = p->mappings != before;
	mapping_set__unref(before);
	/* of all processes together: room comes as others end, and to read it once more costs as much each time */
	if (r == -E2BIG)
		p->rescan_at_ns = now_ns + PROCESS_RESCAN_FULL_NS;
	if (r < 0)
		return r;
	if (changed)
		process_table__tell_mappings(t, p);
	if (ret_changed)
		*ret_changed = changed;
	return 0;
}

int process_table__set_rule(struct process_table *t, struct process *p, const struct code_rule *rule)
{
	struct mapping_set *set = mapping_set__ref(p->mappings), *next;
	const struct code_mapping *m;
	uint32_t n;
	int err = 0;

	p->rule = *rule;
	m = mapping_set__mappings(p->mappings, &n); /* of p's set, which is held until the end */
	for (uint32_t i = 0; i < n && !err; i++) {
		struct code_mapping with = m[i];

		code_rule__apply(rule, &with);
		if (with.bias == m[i].bias)
			continue;
		err = mapping_set__with(set, &with, &next);
		if (!err) {
			mapping_set__unref(set);
			set = next;
		}
	}
	if (err || set == p->mappings) {
		mapping_set__unref(set);
		return err;
	}
	process__set_mappings(p, set);
	process_table__tell_mappings(t, p);
	return 0;
}
