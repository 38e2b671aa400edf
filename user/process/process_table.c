/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: samples name a process incarnation; by the time they are read it may have forked, mapped, exec'ed or
 * ended, and its pid may be another's.
 *
 * Idea: every incarnation is an entry of its own under (tgid, start, exec id), and stays a while after its end.
 * Events come with times and are applied to the incarnation of that time:
 *
 *      process_index   by (tgid, start, exec id); by tgid: the incarnations of one pid, newest first
 *      ended           oldest end first: retired after linger_ns, evicted when room is needed
 *
 *      fork    child = parent's set, one reference more                    O(1), no /proc
 *      exec    the old incarnation ends; the new one starts with names     O(1), its mappings come as events
 *      mmap    set = set with the mapping                                  copy of the set
 *
 * A process that maps code as fast as it can would make us copy its set each time; what events may cost is bounded
 * per process and second, then it is stale until a rescan, and rescans are spaced by 100 ms, doubling to 25.6 s until
 * it was quiet for 5 s.
 *
 * Invariants: all incarnations of a pid but the newest have ended; an entry is on the `ended` list iff it has
 * PROCESS_ENDED.
 *
 * Cost: a fork 0.3 us, an event of a known mapping 1.4 us; 230 bytes a process, and its share of a set.
 *
 * What it does not do: see munmap. A mapping that is gone stays until something else takes its place or a rescan; no
 * PC lies in it meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/object/object_cache.h"
#include "user/process/proc_dir.h"
#include "user/process/process_index.h"
#include "user/process/process_table.h"

#define VERIFY_WHEN_FULL 64

struct process_table {
	struct process_table_opts opts;
	struct process_reader reader;
	struct process_index index;
	uint32_t verify_cursor;
	struct process *ended_first, *ended_last;
	struct process_table_stats stats;
};

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
	t->stats.ended++;
	if (t->opts.port.ended)
		t->opts.port.ended(t->opts.port.ctx, p);
}

static void table__free_process(struct process_table *t, struct process *p)
{
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

	for (uint32_t looked = 0; looked < t->index.n_slots && budget > 0; looked++) {
		struct process *p = t->index.slots[t->verify_cursor++ % t->index.n_slots];
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
	if (t->index.n < t->opts.max_processes)
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
	p->mappings = mapping_pool__empty(t->reader.pool);
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

static void table__tell_mappings(struct process_table *t, const struct process *p)
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
		table__tell_mappings(t, p);
	}
	*ret_process = p;
	return 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* A place is kept over fork and exec, until /proc tells otherwise. */
static void inherit_place(struct process *to, const struct process *from)
{
	to->uid = from->uid;
	to->container = container__ref(from->container);
}

static void inherit_program(struct process *to, const struct process *from, const char *comm)
{
	process__set_comm(to, comm ? comm : from->comm);
	if (from->exe)
		process__set_exe(to, from->exe, strlen(from->exe));
	mapping_set__unref(to->mappings);
	to->mappings = mapping_set__ref(from->mappings);
	to->flags |= PROCESS_FORKED | (from->flags & (PROCESS_KERNEL_THREAD | PROCESS_CUT | PROCESS_STALE));
}

int process_table__fork(struct process_table *t, uint64_t time_ns, const struct task_key *parent,
			const struct task_key *child, const char *comm)
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
	table__tell_mappings(t, p);
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
			const char *comm)
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
	if (old) {
		inherit_place(p, old);
		p->ppid = old->ppid;
		p->ns_pid = old->ns_pid;
	} else {
		t->stats.n_unknown++;
	}
	process__set_comm(p, comm);
	/*
	 * Its mappings come as events. Reading them would wait for the new program, which holds its own lock as often as it maps, and on a busy machine is
	 * off the CPU with it.
	 */
	if (table__learn(t, p, time_ns, !old) == -ESRCH && !old)
		p->flags |= PROCESS_UNLEARNT;
	table__tell_mappings(t, p);
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

int process_table__comm(struct process_table *t, const struct task_key *key, const char *comm)
{
	struct process *p = process_table__find(t, key);

	if (!p)
		return -ESRCH;
	process__set_comm(p, comm);
	return 0;
}

/* ---- mappings ---------------------------------------------------------------------------------------------------- */

/* May this event cost what it will? */
static bool process__afford(struct process *p, uint64_t time_ns)
{
	uint64_t second = time_ns / NS_PER_SEC;
	uint32_t n;

	mapping_set__mappings(p->mappings, &n);
	if (p->mmap_second != second) {
		p->mmap_second = second;
		p->mmap_cost = 0;
	}
	if (p->mmap_cost >= PROCESS_MMAP_COST_MAX)
		return false;
	p->mmap_cost += 1 + n / 64;
	return true;
}

static int table__map_code(struct process_table *t, struct process *p, const struct process_mmap *m,
			   struct mapping_set **ret_set)
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
		.build_id = m->build_id,
		.build_id_len = m->build_id_len,
	};
	struct code_mapping cm;
	enum maps_kind kind;
	int r;

	strncpy(path, m->path ? m->path : "", sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	kind = parse_maps_name(path, &om.deleted);
	process_reader__resolve(&t->reader, kind, &om, &cm);
	/* The program itself is mapped first, its interpreter second. */
	if (!p->exe && kind == MAPS_FILE && !(p->flags & PROCESS_FORKED))
		process__set_exe(p, path, strlen(path));
	r = mapping_set__with(p->mappings, &cm, ret_set);
	object_cache__put(t->reader.objects, cm.object);
	return r;
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
	if (!process__afford(p, m->time_ns)) {
		p->flags |= PROCESS_STALE;
		t->stats.n_mmaps_skipped++;
		return -EAGAIN;
	}
	t->reader.now_ns = m->time_ns;
	if (m->prot & PROT_EXEC)
		r = table__map_code(t, p, m, &set);
	else
		r = mapping_set__without(p->mappings, m->addr, m->addr + m->len, &set);
	if (r < 0) {
		p->flags |= PROCESS_STALE;
		t->stats.n_mmaps_skipped++;
		return r;
	}
	/* Equal sets are one. */
	bool changed = set != p->mappings;

	mapping_set__unref(p->mappings);
	p->mappings = set;
	p->flags &= ~PROCESS_UNLEARNT;
	if (changed)
		table__tell_mappings(t, p);
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
	before = mapping_set__ref(p->mappings);
	r = read_process_mappings(p, &t->reader);
	changed = p->mappings != before;
	mapping_set__unref(before);
	if (r < 0)
		return r;
	if (changed)
		table__tell_mappings(t, p);
	if (ret_changed)
		*ret_changed = changed;
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
	    read_proc_status(fd, &status) == 0)
		p->ns_pid = status.ns_pid;
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
	t->opts.linger_ns = opts->linger_ns ? opts->linger_ns : 30 * NS_PER_SEC;
	t->reader.objects = opts->objects;
	process_index__init(&t->index);
	t->reader.proc_root_fd = fcntl(opts->proc_root_fd, F_DUPFD_CLOEXEC, 0);
	r = t->reader.proc_root_fd < 0 ? -errno : mapping_pool__new(&pool, &t->reader.pool);
	if (r == 0) {
		t->reader.containers = container_table__new();
		r = t->reader.containers ? 0 : -ENOMEM;
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
	ret_stats->processes = t->index.n;
	ret_stats->bytes = pool.bytes + container_table__bytes(t->reader.containers) +
			   process_index__bytes(&t->index) + t->index.n * sizeof(struct process);
	while ((p = process_index__next(&t->index, &cursor)))
		ret_stats->bytes += p->exe ? strlen(p->exe) + 1 : 0;
}
