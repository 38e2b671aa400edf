// SPDX-License-Identifier: Apache-2.0
/*
 * collector_process - keeps the table of processes in step with the kernel, and the kernel's view in step with the table.
 *
 * Events change the table; what changed there is remembered as dirty and pushed into the kernel once, after the batch: an exec with its ten
 * mappings is one push. Of a new process not before it has lived for YOUNG_NS, unless a sample met it: half of a build's or a
 * shell's processes end sooner, and to make and push what they map would be all for nothing.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user/base/aside.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/kernel/task_list.h"

#define EVENT_ROUNDS 4
#define YOUNG_NS     (5 * NS_PER_MS)

bool collector__labels(const struct collector *c, uint32_t pid, struct process_labels *ret)
{
	const struct process *p = process_table__find_pid(c->processes, pid, clock__mono_ns());

	if (p)
		process__labels(p, ret);
	return p != NULL;
}

enum verdict collector__verdict(const struct collector *c, const struct process *p)
{
	struct process_labels labels;

	process__labels(p, &labels);
	return selector__process(&c->opts.selector, p->key.tgid, &labels);
}

/* Tells the kernel what the patterns say of the process; processes without a verdict have no entry. */
static void collector__push_verdict(struct collector *c, const struct process *p)
{
	enum verdict v = collector__verdict(c, p);
	struct target t = {.start_ns = p->key.start_ns,
			   .verdict = v == VERDICT_INCLUDE ? TARGET_INCLUDE : TARGET_EXCLUDE};

	if (v != VERDICT_NONE)
		bpf_map_update_elem(c->maps->targets_fd, &p->key.tgid, &t, BPF_ANY);
	else if (!c->opts.selector.only_tree)
		bpf_map_delete_elem(c->maps->targets_fd, &p->key.tgid);
	kernel_maps__changed(c->maps);
}

void collector__rename(struct collector *c, struct process *p, const char *comm)
{
	/* of kernel threads /proc says more: what a worker works on */
	if (p->flags & PROCESS_KERNEL_THREAD || !strcmp(p->comm, comm))
		return;
	process__set_comm(p, comm);
	if (!selector__is_everything(&c->opts.selector))
		collector__push_verdict(c, p);
}

static void collector__mark_dirty_from(struct collector *c, const struct task_key *key, uint64_t due_ns)
{
	struct dirty_process *last = c->n_dirty ? &c->dirty[c->n_dirty - 1] : NULL;

	/* an exec's mappings come in a row: the last one is mostly the same process */
	if (last && process_key__eq(&last->key, key)) {
		if (due_ns < last->due_ns)
			last->due_ns = due_ns;
		return;
	}
	if (c->n_dirty == c->cap_dirty) {
		uint32_t cap = c->cap_dirty ? c->cap_dirty * 2 : 64;
		struct dirty_process *dirty = realloc(c->dirty, cap * sizeof(*dirty));

		if (!dirty)
			return; /* the kernel goes on with the old mappings; the next change tries again */
		c->dirty = dirty;
		c->cap_dirty = cap;
	}
	c->dirty[c->n_dirty++] = (struct dirty_process){.key = *key, .due_ns = due_ns};
}

void collector__mark_dirty(struct collector *c, const struct process *p)
{
	/* its first stacks would have to be finished in user space meanwhile: not where few may be */
	uint64_t wait_ns = c->orders.defer_shift ? 0 : YOUNG_NS;

	collector__mark_dirty_from(c, &p->key, p->born_ns + wait_ns);
}

static void collector__push(struct collector *c, struct process *p)
{
	const struct code_mapping *m;
	uint32_t n, kept = 0;
	bool has_jit = false;

	if (p->flags & (PROCESS_KERNEL_THREAD | PROCESS_ENDED))
		return;
	if (!selector__is_everything(&c->opts.selector))
		collector__push_verdict(c, p);
	process_table__settle(c->processes, p);
	collector__look_at_build(c, p);
	m = mapping_set__mappings(p->mappings, &n);
	for (uint32_t i = 0; i < n && kept < MAPPINGS_MAX - 1; i++) {
		c->scratch[kept++] = (struct mapping_entry){
			.start = m[i].start,
			.bias = m[i].bias,
			.pages = (uint32_t)((m[i].end - m[i].start) >> MAPPING_PAGE_SHIFT),
			.object = m[i].object,
		};
		has_jit |= !m[i].object;
	}
	if (has_jit)
		collector__meet_jit(c, p);
	/* on failure its stacks are finished in user space; the store counts it */
	mapping_store__set_process(c->mappings, &p->key, mapping_set__id(p->mappings), c->scratch, kept);
}

static uint64_t collector__n_gone(const struct collector *c)
{
	return __atomic_load_n(&c->maps->gate->n_gone, __ATOMIC_SEQ_CST);
}

/* Pushes what is due as long as the kernel forgot nothing since it said n_gone; what is left stays dirty. False: it did forget. */
static bool collector__push_until(struct collector *c, uint64_t n_gone)
{
	uint64_t now = clock__mono_ns();
	uint32_t kept = 0;
	bool same = true;

	for (uint32_t i = 0; i < c->n_dirty; i++) {
		struct process *p = process_table__find(c->processes, &c->dirty[i].key);

		if (!p || p->flags & PROCESS_ENDED)
			continue;
		same = same && collector__n_gone(c) == n_gone;
		if (same && c->dirty[i].due_ns <= now)
			collector__push(c, p);
		else
			c->dirty[kept++] = c->dirty[i];
	}
	c->n_dirty = kept;
	return same;
}

void collector__push_dirty(struct collector *c)
{
	while (!collector__push_until(c, collector__n_gone(c)))
		;
}

void collector__show(struct collector *c, const struct task_key *key)
{
	const struct process *p = process_table__find(c->processes, key);

	if (p && !(p->flags & PROCESS_ENDED))
		collector__mark_dirty_from(c, key, 0);
}

void collector__rescan_stale(struct collector *c, uint64_t budget_ns)
{
	uint64_t until_ns = clock__thread_cpu_ns() + budget_ns;
	struct process *p;

	while ((p = process_table__next(c->processes, &c->rescan_cursor))) {
		if ((p->flags & (PROCESS_STALE | PROCESS_ENDED)) != PROCESS_STALE ||
		    process_table__rescan_maps(c->processes, clock__mono_ns(), p, NULL) == -EAGAIN)
			continue;
		if (clock__thread_cpu_ns() >= until_ns)
			return;
	}
	c->rescan_cursor = 0;
}

void collector__push_verdicts(struct collector *c)
{
	const struct process *p;
	uint32_t cursor = 0;

	while ((p = process_table__next(c->processes, &cursor)))
		if (!(p->flags & (PROCESS_KERNEL_THREAD | PROCESS_ENDED)))
			collector__push_verdict(c, p);
	c->maps->gate->filter = selector__kernel_only_included(&c->opts.selector);
}

void collector__forget(struct collector *c, const struct process *p)
{
	mapping_store__drop_process(c->mappings, &p->key);
}

void collector__forget_verdict(struct collector *c, const struct process *p)
{
	const struct process *now = process_table__find_pid(c->processes, p->key.tgid, clock__mono_ns());
	struct target t;

	if (selector__is_everything(&c->opts.selector) || (now && !(now->flags & PROCESS_ENDED)))
		return;
	if (!bpf_map_lookup_elem(c->maps->targets_fd, &p->key.tgid, &t) && t.start_ns == p->key.start_ns)
		bpf_map_delete_elem(c->maps->targets_fd, &p->key.tgid);
}

static void collector__on_fork(void *ctx, const struct process_record *r)
{
	struct collector *c = ctx;

	process_table__fork(c->processes, r->time_ns, &r->parent, &r->key, r->cgroup, r->comm);
}

static void collector__on_exec(void *ctx, const struct process_record *r)
{
	struct collector *c = ctx;

	aside__forget(r->key.tgid);
	process_table__exec(c->processes, r->time_ns, &r->key, r->cgroup, r->comm);
	/* where it runs decides whether it is wanted */
	if (!selector__is_everything(&c->opts.selector))
		process_table__learn_place(c->processes, process_table__find(c->processes, &r->key));
}

static void collector__on_exit(void *ctx, const struct process_record *r)
{
	struct collector *c = ctx;

	if (r->signal)
		collector__tell_end(c, r);
	collector__look_at_last(c, r);
	process_table__exit(c->processes, r->time_ns, &r->key);
}

/* The kernel forgot the process too: mark it, even if we knew of nothing there. */
static void collector__on_gone(void *ctx, const struct process_record *r)
{
	struct collector *c = ctx;
	const struct process_mmap nothing = {
		.time_ns = r->time_ns,
		.tgid = r->key.tgid,
		.addr = r->gone[0],
		.len = r->gone[1] - r->gone[0],
	};
	const struct process *p;

	process_table__mmap(c->processes, &nothing);
	p = process_table__find(c->processes, &r->key);
	if (p)
		collector__mark_dirty_from(c, &r->key, 0);
}

static void collector__on_mmap(void *ctx, const struct life_mmap *m)
{
	struct collector *c = ctx;
	const struct process_mmap pm = {
		.time_ns = m->time_ns,
		.tgid = m->tgid,
		.prot = m->prot,
		.addr = m->addr,
		.len = m->len,
		.pgoff = m->pgoff,
		.path = m->path,
		.dev = m->dev,
		.ino = m->ino,
		.generation = m->generation,
	};

	process_table__mmap(c->processes, &pm);
}

const struct life_handler collector_life_handler = {
	.fork = collector__on_fork,
	.exec = collector__on_exec,
	.exit = collector__on_exit,
	.gone = collector__on_gone,
	.oom = collector__on_oom,
	.mmap = collector__on_mmap,
};

int collector__read_sideband(struct collector *c, uint64_t until_ns)
{
	uint64_t began = clock__thread_cpu_ns();
	int err = sideband__drain(c->sideband, until_ns);

	c->stats.follow_ns += clock__thread_cpu_ns() - began;
	return err;
}

/*
 * The last thing to give up: a process is then read from /proc when a sample of it comes, if it is still there. Keys tell incarnations apart, and new code in
 * the place of old is still told of processes that are known, so nothing is mixed up. With the return all is read again (on_upkeep, as after a loss).
 */
void collector__follow_processes(struct collector *c, bool follow)
{
	c->maps->gate->unfollowed = !follow;
	sideband__follow(c->sideband, follow);
}

/*
 * What the kernel forgot since we read must not come back with a push of what we knew (see process_gone): then everything once more. Where libraries come
 * and go faster than we read, the last round pushes all the same; the next reading puts it right.
 */
void collector__read_events(struct collector *c)
{
	uint64_t before;
	int round = 0, err;

	do {
		before = collector__n_gone(c);
		err = collector__read_sideband(c, UINT64_MAX);
		if (err)
			log_warn("collector: read process events: %s, ignoring", strerror(-err));
		if (round == EVENT_ROUNDS)
			collector__push_dirty(c);
		else
			collector__push_until(c, before);
	} while (round++ < EVENT_ROUNDS && collector__n_gone(c) != before);
}

/*
 * A stack that waited for a millisecond may be of a library that is closed by now, with another one in its place: each is finished when events were
 * read up to its own time and no further. Nothing is pushed in between: the kernel would be told of the past.
 */
void collector__catch_up(struct collector *c)
{
	ring_buffer__consume(c->unfinished);
	collector__read_events(c);
}

static int learn(const struct task_record *r, void *ctx)
{
	struct collector *c = ctx;
	struct process *p;
	int err;

	if (r->is_kernel_thread)
		return 0;
	p = process_table__find(c->processes, &r->key);
	if (!p) {
		process_table__scan_one(c->processes, clock__mono_ns(), &r->key, &p);
		return 0;
	}
	err = process_table__rescan_maps(c->processes, clock__mono_ns(), p, NULL);
	if (err && err != -ESRCH)
		p->flags |= PROCESS_STALE; /* events were lost: what is known of it may be old */
	return 0;
}

int collector__learn_all(struct collector *c)
{
	int err = task_list__read(c->loader, learn, c);

	collector__push_dirty(c);
	return err;
}

struct process *collector__process(struct collector *c, const struct task_key *key)
{
	struct process *p = process_table__find(c->processes, key);

	if (p || !c->scans_left)
		return p;
	c->scans_left--;
	return process_table__scan_one(c->processes, clock__mono_ns(), key, &p) ? NULL : p;
}
