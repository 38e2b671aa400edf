/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: samples name a process incarnation; by the time they are read it may have forked, mapped, exec'ed or
 * ended, and its pid may be another's.
 *
 * Idea: every incarnation is an entry of its own under (tgid, start, exec id), and stays a while after its end.
 * Events come with times and are applied to the incarnation of that time:
 *
 *      process_index   by (tgid, start, exec id); by tgid: the incarnations of one pid, newest first
 *      ended           oldest end first: first their mappings go, then, after linger_ns or when room is needed, they
 *
 *      fork    child = parent's set, one reference more                    O(1), no /proc
 *      exec    the old incarnation ends; the new one has its place         O(1), no /proc; its mappings come as events
 *      mmap    set = set with the mapping (process_table_mapping.c)        copy of the set
 *
 * Most processes live for milliseconds: a shell's, a compiler's driver. Asking /proc where each runs costs more than all
 * else, and the answer is that of its parent. So it is asked only of those that run after a while, that a sample names, or
 * whose control group is another one than before; cgroup_id tells that only for the unified hierarchy.
 *
 * Invariants: all incarnations of a pid but the newest have ended; an entry is on the `ended` list iff it has
 * PROCESS_ENDED.
 *
 * Cost: a fork 0.3 us, an exec 0.5 us; 230 bytes a process, and its share of a set.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/object/object_cache.h"
#include "user/process/proc_dir.h"
#include "user/process/process_index.h"
#include "user/process/process_table_impl.h"

#define VERIFY_WHEN_FULL 64

/* ---- finding ----------------------------------------------------------------------------------------------------- */

struct process *process_table__find(const struct process_table *t, const struct task_key *key)
{
	return process_index__find(&t->index, key);
}

struct process *process_table__next(const struct process_table *t, uint32_t *cursor)
{
	return process_index__next(&t->index, cursor);
}

struct process *process_table__find_pid(const struct process_table *t, uint32_t tgid, uint64_t time_ns)
{
	struct process *p = process_index__newest(&t->index, tgid);

	for (int i = 0; p && i < PROCESS_INCARNATIONS_LOOKED_AT; i++, p = p->older)
		if (process__alive_at(p, time_ns))
			return p;
	return NULL;
}

/* ---- the end of a process ---------------------------------------------------------------------------------------- */

static void table__end(struct process_table *t, struct process *p, uint64_t time_ns)
{
	if (p->flags & PROCESS_ENDED)
		return;
	p->flags |= PROCESS_ENDED;
	p->died_ns = time_ns > p->born_ns ? time_ns : p->born_ns;
	if (t->ended_last)
		t->ended_last->ended_next = p;
	else
		t->ended_first = p;
	t->ended_last = p;
	if (!t->mapped_first)
		t->mapped_first = p;
	t->stats.ended++;
	if (t->opts.port.ended)
		t->opts.port.ended(t->opts.port.ctx, p);
}

/*
 * Mappings turn addresses of unfinished stacks into places; those come at once, while samples that were counted, which hold
 * the process itself longer, have their places already.
 */
void process_table__drop_mappings(struct process_table *t, uint64_t before_ns)
{
	struct process *p = t->mapped_first;

	for (; p && p->died_ns < before_ns; p = p->ended_next) {
		pending_mappings__done(&p->pending);
		mapping_set__unref(p->mappings);
		p->mappings = mapping_pool__empty(t->reader.pool);
	}
	t->mapped_first = p;
}

static void table__free_process(struct process_table *t, struct process *p)
{
	pending_mappings__done(&p->pending);
	mapping_set__unref(p->mappings);
	container_table__put(t->reader.containers, p->container);
	free(p->exe);
	free(p);
}

/* Forgets the one that ended first. */
static void table__forget_first(struct process_table *t)
{
	struct process *p = t->ended_first;

	t->ended_first = p->ended_next;
	if (!t->ended_first)
		t->ended_last = NULL;
	if (t->mapped_first == p)
		t->mapped_first = p->ended_next;
	if (t->opts.port.retired)
		t->opts.port.retired(t->opts.port.ctx, p);
	process_index__remove(&t->index, p);
	t->stats.ended--;
	table__free_process(t, p);
}

uint32_t process_table__retire(struct process_table *t, uint64_t now_ns)
{
	uint32_t n = 0;

	while (t->ended_first && t->ended_first->died_ns + t->opts.linger_ns <= now_ns) {
		table__forget_first(t);
		n++;
	}
	t->stats.n_retired += n;
	return n;
}

uint32_t process_table__verify(struct process_table *t, uint64_t now_ns, uint32_t budget)
{
	uint32_t n = 0;

	for (uint32_t looked = 0; looked < t->index.slots.n && budget > 0; looked++) {
		struct process *p = t->index.slots.items[t->verify_cursor++ % t->index.slots.n];
		struct proc_stat st;
		int fd = FD_CLOSED;

		if (!p || (p->flags & PROCESS_ENDED))
			continue;
		budget--;
		if (proc_dir__open(t->reader.proc_root_fd, p->key.tgid, p->key.start_ns, &fd, &st) ==
		    -ESRCH) {
			t->stats.n_vanished++;
			table__end(t, p, now_ns);
			n++;
		}
		io__close(&fd);
	}
	return n;
}

/* ---- a new process ----------------------------------------------------------------------------------------------- */

static int table__make_room(struct process_table *t, uint64_t now_ns)
{
	if (slots__count(&t->index.slots) < t->opts.max_processes)
		return 0;
	if (!t->ended_first)
		process_table__verify(t, now_ns, VERIFY_WHEN_FULL);
	if (!t->ended_first) {
		t->stats.n_refused++;
		return -E2BIG;
	}
	table__forget_first(t);
	t->stats.n_evicted++;
	return 0;
}

static int table__add(struct process_table *t, const struct task_key *key, uint64_t born_ns, uint64_t now_ns,
		      struct process **ret_process)
{
	struct process *p;
	int r;

	r = table__make_room(t, now_ns);
	if (r < 0)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->key = *key;
	p->born_ns = born_ns;
	p->rule = t->opts.rule;
	p->mappings = mapping_pool__empty(t->reader.pool);
	pending_mappings__init(&p->pending, &t->pending_bytes);
	r = process_index__add(&t->index, p);
	if (r < 0) {
		table__free_process(t, p);
		return r;
	}
	/* Only the newest incarnation of a pid can be running. */
	if (p->older)
		table__end(t, p->older, born_ns);
	if (p->newer)
		table__end(t, p, now_ns);
	*ret_process = p;
	return 0;
}

void process_table__tell_mappings(struct process_table *t, const struct process *p)
{
	if (t->opts.port.mappings_changed && !(p->flags & PROCESS_ENDED))
		t->opts.port.mappings_changed(t->opts.port.ctx, p);
}

/* What /proc has; -ESRCH is counted and is the caller's to judge. */
static int table__learn(struct process_table *t, struct process *p, uint64_t now_ns, bool with_mappings)
{
	int r;

	t->reader.now_ns = now_ns;
	t->stats.n_scans++;
	r = read_process(p, &t->reader, with_mappings);
	if (r == -ESRCH)
		t->stats.n_gone++;
	if (r == -ETIMEDOUT) /* once more when it is not refused any longer */
		p->flags |= PROCESS_STALE | PROCESS_UNASKED;
	return r;
}

int process_table__scan_one(struct process_table *t, uint64_t now_ns, const struct task_key *key,
			    struct process **ret_process)
{
	struct process *p = process_table__find(t, key), *before;
	uint64_t boot_to_mono = clock__boot_ns() - clock__mono_ns();
	uint64_t born_ns = key->start_ns > boot_to_mono ? key->start_ns - boot_to_mono : 0;
	int r;

	if (p) {
		*ret_process = p;
		return 0;
	}
	/* An exec that we were not told of: the start is that of the first incarnation, not of this one. */
	before = process_index__newest(&t->index, key->tgid);
	if (before && before->key.start_ns == key->start_ns)
		born_ns = now_ns;
	r = table__add(t, key, born_ns, now_ns, &p);
	if (r < 0)
		return r;
	r = table__learn(t, p, now_ns, true);
	if (r == -ESRCH) {
		p->flags |= PROCESS_UNLEARNT;
		table__end(t, p, now_ns);
	} else {
		process_table__tell_mappings(t, p);
	}
	*ret_process = p;
	return 0;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static void table__read_place(struct process_table *t, struct process *p)
{
	p->flags &= ~PROCESS_PLACE_DUE;
	if (p->flags & PROCESS_ENDED)
		return;
	t->stats.n_places++;
	t->reader.now_ns = clock__mono_ns();
	read_process_place(p, &t->reader);
}

/* After an exec, with the place of what ran before. */
static void table__place_is_due(struct process_table *t, struct process *p, uint64_t cgroup_id)
{
	if (cgroup_id && cgroup_id == p->cgroup_id && p->container && p->container->only_unified)
		return;
	p->flags |= PROCESS_PLACE_DUE;
	if (cgroup_id != p->cgroup_id)
		table__read_place(t, p);
	else if (t->n_due < PROCESS_PLACES_DUE_MAX)
		t->due[t->n_due++] = p->key;
}

void process_table__learn_place(struct process_table *t, struct process *p)
{
	if (p->flags & PROCESS_PLACE_DUE)
		table__read_place(t, p);
}

void process_table__learn_places(struct process_table *t)
{
	for (uint32_t i = 0; i < t->n_due; i++) {
		struct process *p = process_table__find(t, &t->due[i]);

		if (p)
			process_table__learn_place(t, p);
	}
	t->n_due = 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* A place is kept over fork and exec, until /proc tells otherwise. */
static void inherit_place(struct process *to, const struct process *from)
{
	to->uid = from->uid;
	to->cgroup_id = from->cgroup_id;
	to->container = container__ref(from->container);
}

static void inherit_program(struct process *to, const struct process *from, const char *comm)
{
	process__set_comm(to, comm ? comm : from->comm);
	if (from->exe)
		process__set_exe(to, from->exe, strlen(from->exe));
	mapping_set__unref(to->mappings);
	to->mappings = mapping_set__ref(from->mappings);
	to->rule = from->rule;
	if (from->flags & PROCESS_STALE) { /* who maps like mad and has children is not read anew for each */
		to->rescan_at_ns = from->rescan_at_ns;
		to->rescan_backoff = from->rescan_backoff;
	}
	to->flags |= PROCESS_FORKED |
		     (from->flags & (PROCESS_KERNEL_THREAD | PROCESS_CUT | PROCESS_STALE | PROCESS_UNASKED));
}

int process_table__fork(struct process_table *t, uint64_t time_ns, const struct task_key *parent,
			const struct task_key *child, uint64_t cgroup_id, const char *comm)
{
	struct process *from, *p;
	int r;

	t->stats.n_forks++;
	if (process_table__find(t, child))
		return 0;
	r = table__add(t, child, time_ns, time_ns, &p);
	if (r < 0)
		return r;
	/* Not before: making room may have retired the parent. */
	from = process_table__find(t, parent);
	if (from && !(from->flags & PROCESS_UNLEARNT)) {
		/* it moved since we looked: systemd and container runtimes do that before they start what belongs there */
		if (cgroup_id != from->cgroup_id) {
			table__read_place(t, from);
			from->cgroup_id = cgroup_id;
		}
		process_table__settle(t, from);
		inherit_place(p, from);
		inherit_program(p, from, comm);
		p->ppid = parent->tgid;
		if (t->opts.port.forked)
			t->opts.port.forked(t->opts.port.ctx, from, p);
		return 0;
	}
	t->stats.n_unknown++;
	process__set_comm(p, comm ? comm : "");
	p->flags |= PROCESS_FORKED;
	p->ppid = parent->tgid;
	if (table__learn(t, p, time_ns, true) == -ESRCH)
		p->flags |= PROCESS_UNLEARNT;
	process_table__tell_mappings(t, p);
	return 0;
}

/* A sample's scan may have seen the program before the event that says since when it runs. */
static void table__date_back(struct process *p, uint64_t time_ns)
{
	struct process *before = p->older;

	if (time_ns >= p->born_ns)
		return;
	if (before && before->died_ns == p->born_ns)
		before->died_ns = time_ns > before->born_ns ? time_ns : before->born_ns;
	p->born_ns = time_ns;
}

int process_table__exec(struct process_table *t, uint64_t time_ns, const struct task_key *key,
			uint64_t cgroup_id, const char *comm)
{
	struct process *p = process_table__find(t, key), *old;
	int r;

	t->stats.n_execs++;
	if (p) {
		process__set_comm(p, comm);
		p->flags &= ~PROCESS_FORKED;
		table__date_back(p, time_ns);
		return 0;
	}
	r = table__add(t, key, time_ns, time_ns, &p);
	if (r < 0)
		return r;
	old = p->older;
	if (old && old->key.start_ns != key->start_ns)
		old = NULL;
	process__set_comm(p, comm);
	/*
	 * Its mappings come as events. Reading them would wait for the new program, which holds its own lock as often as it maps, and on a busy machine is
	 * off the CPU with it.
	 */
	if (old) {
		inherit_place(p, old);
		p->ppid = old->ppid;
		p->flags |= PROCESS_YOUNG;
		table__place_is_due(t, p, cgroup_id);
	} else {
		t->stats.n_unknown++;
		if (table__learn(t, p, time_ns, true) == -ESRCH)
			p->flags |= PROCESS_UNLEARNT;
	}
	p->cgroup_id = cgroup_id;
	process_table__tell_mappings(t, p);
	return 0;
}

int process_table__exit(struct process_table *t, uint64_t time_ns, const struct task_key *key)
{
	struct process *p = process_table__find(t, key);

	t->stats.n_exits++;
	if (!p) {
		t->stats.n_unknown++;
		return -ESRCH;
	}
	table__end(t, p, time_ns);
	return 0;
}

uint32_t process_table__ns_pid(struct process_table *t, struct process *p)
{
	struct proc_status status;
	struct proc_stat st;
	int fd = FD_CLOSED;

	if (p->ns_pid || (p->flags & PROCESS_ENDED))
		return p->ns_pid;
	if (proc_dir__open(t->reader.proc_root_fd, p->key.tgid, p->key.start_ns, &fd, &st) == 0 &&
	    read_proc_status(fd, &status) == 0) {
		p->ns_pid = status.ns_pid;
		p->uid = status.uid;
	}
	io__close(&fd);
	return p->ns_pid;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

int process_table__new(const struct process_table_opts *opts, struct process_table **ret_table)
{
	struct process_table *t = calloc(1, sizeof(*t));
	struct mapping_pool_opts pool = {.objects = opts->objects, .max_mappings = opts->max_mappings};
	int r;

	if (!t)
		return -ENOMEM;
	t->opts = *opts;
	t->opts.max_processes = opts->max_processes ? opts->max_processes : 65536;
	t->opts.linger_ns = opts->linger_ns ? opts->linger_ns : 5 * NS_PER_SEC;
	t->reader.objects = opts->objects;
	process_index__init(&t->index);
	t->reader.proc_root_fd = fcntl(opts->proc_root_fd, F_DUPFD_CLOEXEC, 0);
	r = t->reader.proc_root_fd < 0 ? -errno : mapping_pool__new(&pool, &t->reader.pool);
	if (r == 0) {
		t->reader.containers = container_table__new();
		t->due = malloc(PROCESS_PLACES_DUE_MAX * sizeof(*t->due));
		r = t->reader.containers && t->due ? 0 : -ENOMEM;
	}
	if (r < 0) {
		process_table__free(t);
		return r;
	}
	*ret_table = t;
	return 0;
}

void process_table__free(struct process_table *t)
{
	struct process *p;
	uint32_t cursor = 0;

	if (!t)
		return;
	while ((p = process_index__next(&t->index, &cursor)))
		table__free_process(t, p);
	mapping_pool__free(t->reader.pool);
	container_table__free(t->reader.containers);
	process_index__done(&t->index);
	io__close(&t->reader.proc_root_fd);
	free(t->due);
	free(t);
}

void process_table__stats(const struct process_table *t, struct process_table_stats *ret_stats)
{
	struct mapping_pool_stats pool;
	const struct process *p;
	uint32_t cursor = 0;

	mapping_pool__stats(t->reader.pool, &pool);
	*ret_stats = t->stats;
	ret_stats->mapping_sets = pool.sets;
	ret_stats->mappings = pool.mappings;
	ret_stats->containers = container_table__count(t->reader.containers);
	ret_stats->processes = slots__count(&t->index.slots);
	ret_stats->bytes = pool.bytes + container_table__bytes(t->reader.containers) +
			   process_index__bytes(&t->index) + t->pending_bytes +
			   slots__count(&t->index.slots) * sizeof(struct process);
	while ((p = process_index__next(&t->index, &cursor)))
		ret_stats->bytes += p->exe ? strlen(p->exe) + 1 : 0;
}
