/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "tests/unit/process/fixture.h"
#include "user/base/clock.h"
#include "user/object/object_cache.h"
#include "user/process/process_table.h"

#define SEC          NS_PER_SEC
#define TICK         10000000ull
#define CODE_AT_1000 "1000-2000 r-xp 00000000 00:00 0 \n"
#define CODE_AT_5000 "5000-6000 r-xp 00000000 00:00 0 \n"

struct scene {
	struct fixture_tree proc;
	struct object_cache *objects;
	struct process_table *table;
	int n_forked, n_changed, n_ended, n_retired;
	struct task_key last_changed, last_ended;
};

static void on_forked(void *ctx, const struct process *parent, const struct process *child)
{
	assert_ptr_equal(parent->mappings, child->mappings);
	((struct scene *)ctx)->n_forked++;
}

static void on_changed(void *ctx, const struct process *p)
{
	struct scene *s = ctx;

	s->n_changed++;
	s->last_changed = p->key;
}

static void on_ended(void *ctx, const struct process *p)
{
	struct scene *s = ctx;

	s->n_ended++;
	s->last_ended = p->key;
}

static void on_retired(void *ctx, const struct process *p)
{
	assert_true(p->flags & PROCESS_ENDED);
	((struct scene *)ctx)->n_retired++;
}

static void open_table(struct scene *s, struct process_table_opts opts)
{
	process_table__free(s->table);
	s->table = NULL;
	opts.proc_root_fd = s->proc.fd;
	opts.objects = s->objects;
	opts.port = (struct process_port){s, on_forked, on_changed, on_ended, on_retired};
	assert_int_equal(process_table__new(&opts, &s->table), 0);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	fixture__open(&s->proc);
	assert_int_equal(
		object_cache__new(&(struct object_cache_opts){.proc_root_fd = s->proc.fd}, &s->objects), 0);
	open_table(s, (struct process_table_opts){.linger_ns = 10 * SEC});
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	process_table__free(s->table);
	object_cache__free(s->objects);
	fixture__close(&s->proc);
	free(s);
	return 0;
}

static struct task_key key(uint32_t tgid, uint32_t exec_id, uint64_t ticks)
{
	return (struct task_key){.tgid = tgid, .exec_id = exec_id, .start_ns = ticks * TICK + 77};
}

static struct process *scan(struct scene *s, uint64_t now_ns, struct task_key k)
{
	struct process *p = NULL;

	assert_int_equal(process_table__scan_one(s->table, now_ns, &k, &p), 0);
	assert_non_null(p);
	return p;
}

static struct process_table_stats stats_of(struct scene *s)
{
	struct process_table_stats st;

	process_table__stats(s->table, &st);
	return st;
}

static int map(struct scene *s, uint64_t time_ns, uint32_t tgid, uint64_t addr, uint64_t len, uint32_t prot,
	       const char *path)
{
	struct process_mmap m = {
		.time_ns = time_ns, .tgid = tgid, .prot = prot, .addr = addr, .len = len, .path = path};

	return process_table__mmap(s->table, &m);
}

static void a_scan_learns_names_place_and_code(void **state)
{
	struct scene *s = *state;
	struct process_labels l;
	struct process *p;

	fixture__process(&s->proc, 100, "nginx", 500, 0,
			 CODE_AT_1000 "3000-4000 rw-p 0 00:00 0\n" CODE_AT_5000);
	p = scan(s, SEC, key(100, 3, 500));
	process__labels(p, &l);
	assert_string_equal(l.process, "nginx");
	assert_string_equal(l.exe, "/usr/bin/nginx");
	assert_string_equal(l.cgroup, "/system.slice/nginx.service");
	assert_string_equal(l.unit, "nginx.service");
	assert_string_equal(l.container, "");
	assert_string_equal(l.pod, "");
	assert_int_equal(p->uid, 33);
	assert_int_equal(p->ppid, 1);
	assert_int_equal(process_table__ns_pid(s->table, p), 5);
	assert_non_null(mapping_set__find(p->mappings, 0x1fff));
	assert_non_null(mapping_set__find(p->mappings, 0x5000));
	assert_null(mapping_set__find(p->mappings, 0x3000));
	assert_int_equal(p->flags, 0);
	assert_int_equal(s->n_changed, 1);
	/* known by now */
	assert_ptr_equal(scan(s, SEC, key(100, 3, 500)), p);
	assert_int_equal(stats_of(s).n_scans, 1);
}

static void another_process_with_the_pid_is_not_taken_for_it(void **state)
{
	struct scene *s = *state;
	struct process *p;

	fixture__process(&s->proc, 100, "new", 900, 0, CODE_AT_1000);
	p = scan(s, SEC, key(100, 3, 500));
	assert_true(p->flags & PROCESS_UNLEARNT);
	assert_true(p->flags & PROCESS_ENDED);
	assert_string_equal(p->comm, "");
	assert_int_equal(stats_of(s).n_gone, 1);
	/* asked again, /proc is not */
	scan(s, SEC, key(100, 3, 500));
	assert_int_equal(stats_of(s).n_scans, 1);
	assert_false(scan(s, SEC, key(100, 1, 900))->flags & PROCESS_UNLEARNT);
}

static void a_kernel_thread_has_a_name_and_no_code(void **state)
{
	struct scene *s = *state;
	struct process *p;

	fixture__process(&s->proc, 9, "kworker/0:1-mm_percpu_wq", 1, 0x00208040, CODE_AT_1000);
	p = scan(s, SEC, key(9, 0, 1));
	assert_true(p->flags & PROCESS_KERNEL_THREAD);
	assert_string_equal(p->comm, "kworker/0:1");
	assert_null(p->exe);
	assert_null(mapping_set__find(p->mappings, 0x1000));
	fixture__process(&s->proc, 10, "kworker/R-rcu_gp", 1, 0x00208040, "");
	assert_string_equal(scan(s, SEC, key(10, 0, 1))->comm, "kworker/R-rcu_g");
}

static void a_forked_child_shares_everything_without_proc(void **state)
{
	struct scene *s = *state;
	struct task_key parent = key(100, 1, 500), child = key(101, 1, 600);
	struct process *p, *c;

	fixture__process(&s->proc, 100, "bash", 500, 0, CODE_AT_1000);
	p = scan(s, SEC, parent);
	assert_int_equal(process_table__fork(s->table, 2 * SEC, &parent, &child, 0, NULL), 0);
	c = process_table__find(s->table, &child);
	assert_ptr_equal(c->mappings, p->mappings);
	assert_ptr_equal(c->container, p->container);
	assert_string_equal(c->comm, "bash");
	assert_string_equal(c->exe, "/usr/bin/bash");
	assert_int_equal(c->ppid, 100);
	assert_int_equal(c->born_ns, 2 * SEC);
	assert_true(c->flags & PROCESS_FORKED);
	assert_int_equal(s->n_forked, 1);
	assert_int_equal(stats_of(s).n_scans, 1);
	assert_int_equal(stats_of(s).mapping_sets, 2); /* the empty one is always there */
	/* what one maps is its own */
	assert_int_equal(map(s, 3 * SEC, 101, 0x9000, 0x1000, PROT_READ | PROT_EXEC, "//anon"), 0);
	assert_non_null(mapping_set__find(c->mappings, 0x9000));
	assert_null(mapping_set__find(p->mappings, 0x9000));
}

static void a_child_of_an_unknown_parent_is_read(void **state)
{
	struct scene *s = *state;
	struct task_key parent = key(1, 1, 1), child = key(101, 1, 600), gone = key(102, 1, 601);

	fixture__process(&s->proc, 101, "child", 600, 0, CODE_AT_1000);
	assert_int_equal(process_table__fork(s->table, 2 * SEC, &parent, &child, 0, "x"), 0);
	assert_string_equal(process_table__find(s->table, &child)->exe, "/usr/bin/child");
	assert_int_equal(process_table__fork(s->table, 2 * SEC, &parent, &gone, 0, "x"), 0);
	assert_true(process_table__find(s->table, &gone)->flags & PROCESS_UNLEARNT);
	assert_int_equal(stats_of(s).n_unknown, 2);
}

static void an_exec_is_a_new_incarnation_and_ends_the_old_one(void **state)
{
	struct scene *s = *state;
	struct task_key before = key(100, 1, 500), after = key(100, 2, 500);
	struct process *old, *new;

	fixture__process(&s->proc, 100, "bash", 500, 0, CODE_AT_1000);
	old = scan(s, SEC, before);
	fixture__process(&s->proc, 100, "ls", 500, 0, CODE_AT_5000);
	assert_int_equal(process_table__exec(s->table, 5 * SEC, &after, 0, "ls"), 0);
	new = process_table__find(s->table, &after);
	assert_ptr_not_equal(old, new);
	assert_string_equal(new->comm, "ls");
	/* not from /proc: its events tell */
	assert_int_equal(stats_of(s).n_scans, 1);
	assert_null(new->exe);
	process_table__settle(s->table, new);
	assert_null(mapping_set__find(new->mappings, 0x5000));
	assert_int_equal(map(s, 5 * SEC, 100, 0x5000, 0x1000, PROT_READ | PROT_EXEC, "/usr/bin/ls"), 0);
	assert_string_equal(new->exe, "/usr/bin/ls");
	assert_null(mapping_set__find(new->mappings, 0x1000));
	assert_non_null(mapping_set__find(new->mappings, 0x5000));
	assert_int_equal(new->born_ns, 5 * SEC);
	/* the old one is as it was, for samples of its time */
	assert_true(old->flags & PROCESS_ENDED);
	assert_int_equal(old->died_ns, 5 * SEC);
	assert_string_equal(old->comm, "bash");
	assert_non_null(mapping_set__find(old->mappings, 0x1000));
	assert_ptr_equal(process_table__find_pid(s->table, 100, 4 * SEC), old);
	assert_ptr_equal(process_table__find_pid(s->table, 100, 6 * SEC), new);
	assert_int_equal(s->n_ended, 1);
	assert_true(process_key__eq(&s->last_ended, &before));
	/* told twice */
	assert_int_equal(process_table__exec(s->table, 5 * SEC, &after, 0, "ls"), 0);
	assert_int_equal(stats_of(s).processes, 2);
}

static void a_short_lived_program_is_known_by_its_events_alone(void **state)
{
	struct scene *s = *state;
	struct task_key shell = key(100, 1, 500), child = key(101, 1, 600), program = key(101, 2, 600);
	struct process *p;

	fixture__process(&s->proc, 100, "bash", 500, 0, CODE_AT_1000);
	scan(s, SEC, shell);
	process_table__fork(s->table, 2 * SEC, &shell, &child, 0, "bash");
	process_table__exec(s->table, 3 * SEC, &program, 0, "true");
	assert_int_equal(map(s, 4 * SEC, 101, 0x400000, 0x1000, PROT_READ | PROT_EXEC, "/bin/true"), 0);
	assert_int_equal(
		map(s, 4 * SEC, 101, 0x700000, 0x1000, PROT_READ | PROT_EXEC, "/lib64/ld-linux-x86-64.so.2"),
		0);
	assert_int_equal(process_table__exit(s->table, 5 * SEC, &program), 0);
	p = process_table__find(s->table, &program);
	assert_false(p->flags & PROCESS_UNLEARNT);
	assert_string_equal(p->comm, "true");
	/* a stack of it comes late */
	assert_int_equal(stats_of(s).mapping_sets, 2);
	process_table__settle(s->table, p);
	assert_string_equal(p->exe, "/bin/true");
	assert_string_equal(p->container->unit, "bash.service");
	assert_int_equal(p->ppid, 100);
	assert_int_equal(mapping_set__find(p->mappings, 0x400000)->object, 1);
	assert_int_equal(mapping_set__find(p->mappings, 0x700000)->object, 2);
	assert_null(mapping_set__find(p->mappings, 0x1000));
}

static void what_a_new_program_maps_waits_until_somebody_asks(void **state)
{
	struct scene *s = *state;
	struct task_key before = key(100, 1, 500), after = key(100, 2, 500), child = key(101, 1, 600);
	struct process *p;

	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	scan(s, SEC, before);
	process_table__exec(s->table, 2 * SEC, &after, 0, "b");
	p = process_table__find(s->table, &after);
	assert_int_equal(map(s, 2 * SEC, 100, 0x5000, 0x3000, PROT_EXEC, ""), 0);
	assert_int_equal(map(s, 3 * SEC, 100, 0x6000, 0x1000, PROT_EXEC, "/lib/x.so"), 0);
	assert_null(mapping_set__find(p->mappings, 0x5000));
	assert_true(process_key__eq(&s->last_changed, &after));
	/* a child has what its parent has; of mappings in one place the later one is there */
	process_table__fork(s->table, 4 * SEC, &after, &child, 0, NULL);
	assert_ptr_equal(process_table__find(s->table, &child)->mappings, p->mappings);
	assert_int_equal(mapping_set__find(p->mappings, 0x5800)->object, 0);
	assert_int_equal(mapping_set__find(p->mappings, 0x6800)->object, 1);
	assert_int_equal(mapping_set__find(p->mappings, 0x7800)->object, 0);
	/* from then on it is followed at once, and data cuts */
	assert_int_equal(map(s, 5 * SEC, 100, 0x9000, 0x1000, PROT_EXEC, ""), 0);
	assert_int_equal(map(s, 5 * SEC, 100, 0x5000, 0x1000, PROT_READ, "/data"), 0);
	assert_non_null(mapping_set__find(p->mappings, 0x9000));
	assert_null(mapping_set__find(p->mappings, 0x5800));
	assert_non_null(mapping_set__find(p->mappings, 0x7800));
}

static void more_than_is_written_down_is_there_too(void **state)
{
	struct scene *s = *state;
	struct task_key before = key(100, 1, 500), after = key(100, 2, 500);
	struct process *p;

	fixture__process(&s->proc, 100, "a", 500, 0, "");
	scan(s, SEC, before);
	process_table__exec(s->table, 2 * SEC, &after, 0, "b");
	p = process_table__find(s->table, &after);
	for (uint64_t i = 1; i <= PENDING_MAPPINGS_MAX + 10; i++)
		assert_int_equal(map(s, 3 * SEC, 100, i * 0x10000, 0x1000, PROT_EXEC, ""), 0);
	for (uint64_t i = 1; i <= PENDING_MAPPINGS_MAX + 10; i++)
		assert_non_null(mapping_set__find(p->mappings, i * 0x10000));
	/* and one that ended without being asked for leaves nothing */
	after.exec_id++;
	process_table__exec(s->table, 4 * SEC, &after, 0, "c");
	assert_int_equal(map(s, 5 * SEC, 100, 0x10000, 0x1000, PROT_EXEC, "/c"), 0);
	process_table__exit(s->table, 6 * SEC, &after);
	p = process_table__find(s->table, &after);
	process_table__drop_mappings(s->table, 6 * SEC);
	assert_int_equal(p->pending.n, 1);
	process_table__drop_mappings(s->table, 6 * SEC + 1);
	assert_int_equal(p->pending.n, 0);
	assert_int_equal(stats_of(s).mappings, 0);
	assert_string_equal(p->exe, "/c");
}

static void a_place_is_read_when_it_is_due(void **state)
{
	struct scene *s = *state;
	struct task_key shell = key(100, 1, 500), k[4];

	fixture__process(&s->proc, 100, "sh", 500, 0, "");
	/* its place cannot be told by an id */
	fixture__write(&s->proc, "100/cgroup", "1:memory:/\n0::/system.slice/sh.service\n");
	scan(s, SEC, shell);
	for (uint32_t i = 0; i < 4; i++) {
		k[i] = key(101 + i, 1, 600);
		process_table__fork(s->table, 2 * SEC, &shell, &k[i], 0, NULL);
		fixture__process(&s->proc, 101 + i, "job", 600, 0, "");
		k[i].exec_id = 2;
		process_table__exec(s->table, 3 * SEC, &k[i], 0, "job");
		assert_string_equal(process_table__find(s->table, &k[i])->container->unit, "sh.service");
	}
	process_table__learn_place(s->table, process_table__find(s->table, &k[0])); /* a sample met it */
	assert_string_equal(process_table__find(s->table, &k[0])->container->unit, "job.service");
	process_table__exit(s->table, 4 * SEC, &k[1]);
	process_table__learn_places(s->table);
	assert_string_equal(process_table__find(s->table, &k[1])->container->unit, "sh.service");
	assert_string_equal(process_table__find(s->table, &k[2])->container->unit, "job.service");
	assert_string_equal(process_table__find(s->table, &k[3])->container->unit, "job.service");
	assert_int_equal(stats_of(s).n_places, 3);
	process_table__learn_places(s->table);
	assert_int_equal(stats_of(s).n_places, 3);
}

static void a_place_that_the_control_group_tells_is_read_once(void **state)
{
	struct scene *s = *state;
	struct task_key shell = key(100, 1, 500), a = key(101, 1, 600), b = key(102, 1, 700);
	struct process *p;

	fixture__process(&s->proc, 100, "sh", 500, 0, "");
	scan(s, SEC, shell);
	/* where the parent is was not told yet: read, and remembered with its id */
	process_table__fork(s->table, 2 * SEC, &shell, &a, 7, NULL);
	process_table__fork(s->table, 2 * SEC, &shell, &b, 7, NULL);
	assert_int_equal(stats_of(s).n_places, 1);
	fixture__process(&s->proc, 101, "same", 600, 0, "");
	fixture__process(&s->proc, 102, "moved", 700, 0, "");
	a.exec_id = b.exec_id = 2;
	process_table__exec(s->table, 3 * SEC, &a, 7, "same");
	process_table__learn_places(s->table);
	p = process_table__find(s->table, &a);
	process_table__learn_place(s->table, p);
	assert_string_equal(p->container->unit, "sh.service");
	assert_int_equal(stats_of(s).n_places, 1);
	/* another control group: at once */
	process_table__exec(s->table, 3 * SEC, &b, 8, "moved");
	assert_string_equal(process_table__find(s->table, &b)->container->unit, "moved.service");
	assert_int_equal(stats_of(s).n_places, 2);
}

static void mapping_events_go_to_the_incarnation_of_their_time(void **state)
{
	struct scene *s = *state;
	struct task_key before = key(100, 1, 500), after = key(100, 2, 500), reused = key(100, 0, 9000);
	struct process *a, *b, *c;

	fixture__process(&s->proc, 100, "a", 500, 0, "");
	a = scan(s, SEC, before);
	a->born_ns = 0;
	process_table__exec(s->table, 10 * SEC, &after, 0, "b");
	b = process_table__find(s->table, &after);
	process_table__exit(s->table, 20 * SEC, &after);
	process_table__fork(s->table, 30 * SEC, &before, &reused, 0, "c");
	c = process_table__find(s->table, &reused);
	assert_int_equal(map(s, 5 * SEC, 100, 0x10000, 0x1000, PROT_EXEC, ""), 0);
	assert_int_equal(map(s, 15 * SEC, 100, 0x20000, 0x1000, PROT_EXEC, ""), 0);
	assert_int_equal(map(s, 25 * SEC, 100, 0x30000, 0x1000, PROT_EXEC, ""), -ESRCH);
	assert_int_equal(map(s, 35 * SEC, 100, 0x40000, 0x1000, PROT_EXEC, ""), 0);
	process_table__settle(s->table, b);
	assert_non_null(mapping_set__find(a->mappings, 0x10000));
	assert_non_null(mapping_set__find(b->mappings, 0x20000));
	assert_non_null(mapping_set__find(c->mappings, 0x40000));
	assert_null(mapping_set__find(c->mappings, 0x20000));
	assert_null(mapping_set__find(b->mappings, 0x10000));
	assert_null(mapping_set__find(b->mappings, 0x30000));
}

static void repeated_mappings_change_nothing_and_data_cuts_code(void **state)
{
	struct scene *s = *state;
	struct process *p;

	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	p = scan(s, SEC, key(100, 1, 500));
	p->born_ns = 0;
	assert_int_equal(map(s, 2 * SEC, 100, 0x1000, 0x1000, PROT_READ | PROT_EXEC, "//anon"), 0);
	assert_int_equal(s->n_changed, 1);
	assert_int_equal(map(s, 2 * SEC, 100, 0x1800, 0x800, PROT_READ, "/data"), 0);
	assert_int_equal(s->n_changed, 2);
	assert_non_null(mapping_set__find(p->mappings, 0x17ff));
	assert_null(mapping_set__find(p->mappings, 0x1800));
	assert_int_equal(map(s, 2 * SEC, 100, 0x9000, 0x800, PROT_READ, "/data"), 0);
	assert_int_equal(s->n_changed, 2);
	assert_int_equal(map(s, 2 * SEC, 100, UINT64_MAX - 5, 100, PROT_EXEC, ""), -EINVAL);
	assert_int_equal(map(s, 2 * SEC, 100, 0x1000, 0, PROT_EXEC, ""), -EINVAL);
}

static void a_process_that_maps_like_mad_is_followed_by_rescans(void **state)
{
	struct scene *s = *state;
	struct process *p;
	bool changed = false;
	int r = 0, n = 0;

	fixture__process(&s->proc, 100, "jit", 500, 0, CODE_AT_1000);
	p = scan(s, SEC, key(100, 1, 500));
	p->born_ns = 0;
	for (uint64_t i = 0; r == 0 && i < 100000; i++, n++)
		r = map(s, 2 * SEC, 100, 0x100000 + i * 0x2000, 0x1000, PROT_EXEC, "");
	assert_int_equal(r, -EAGAIN);
	assert_in_range(n, 300, PROCESS_MMAP_COST_MAX + 1);
	assert_true(p->flags & PROCESS_STALE);
	/* the next second has its own allowance */
	assert_int_equal(map(s, 3 * SEC, 100, 0x90000000, 0x1000, PROT_EXEC, ""), 0);
	assert_int_equal(process_table__rescan_maps(s->table, 3 * SEC, p, &changed), 0);
	assert_true(changed);
	assert_false(p->flags & PROCESS_STALE);
	assert_null(mapping_set__find(p->mappings, 0x100000));
}

static void rescans_are_spaced_more_and_more_until_it_is_quiet(void **state)
{
	struct scene *s = *state;
	struct process *p;
	uint64_t now = 100 * SEC;
	bool changed = true;
	int n = 0;

	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	p = scan(s, SEC, key(100, 1, 500));
	assert_int_equal(process_table__rescan_maps(s->table, now, p, &changed), 0);
	assert_false(changed);
	assert_int_equal(process_table__rescan_maps(s->table, now, p, &changed), -EAGAIN);
	assert_int_equal(process_table__rescan_maps(s->table, now + PROCESS_RESCAN_MIN_NS, p, &changed), 0);
	/* somebody who asks every millisecond for a minute */
	for (uint64_t t = now; t < now + 60 * SEC; t += NS_PER_MS)
		n += process_table__rescan_maps(s->table, t, p, NULL) == 0;
	assert_in_range(n, 5, 10);
	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000 CODE_AT_5000);
	assert_int_equal(process_table__rescan_maps(s->table, now + 600 * SEC, p, &changed), 0);
	assert_true(changed);
	assert_int_equal(
		process_table__rescan_maps(s->table, now + 600 * SEC + PROCESS_RESCAN_MIN_NS, p, &changed),
		0);
}

static void a_child_of_a_stale_process_waits_as_its_parent_does(void **state)
{
	struct scene *s = *state;
	const struct task_key parent = key(100, 1, 500), child = key(101, 1, 600);
	uint64_t now = 100 * SEC;
	struct process *p, *c;

	fixture__process(&s->proc, 100, "jit", 500, 0, CODE_AT_1000);
	fixture__process(&s->proc, 101, "jit", 600, 0, CODE_AT_1000);
	p = scan(s, SEC, parent);
	for (int i = 0; i <= PROCESS_RESCAN_BACKOFF_MAX; i++) {
		assert_int_equal(process_table__rescan_maps(s->table, now, p, NULL), 0);
		now = p->rescan_at_ns;
	}
	assert_int_equal(process_table__rescan_maps(s->table, now, p, NULL), 0);
	p->flags |= PROCESS_STALE;
	assert_int_equal(process_table__fork(s->table, now, &parent, &child, p->cgroup_id, NULL), 0);
	c = process_table__find(s->table, &child);
	assert_non_null(c);
	assert_true(c->flags & PROCESS_STALE);
	assert_int_equal(process_table__rescan_maps(s->table, now + 20 * SEC, c, NULL), -EAGAIN);
	now += PROCESS_RESCAN_MIN_NS << PROCESS_RESCAN_BACKOFF_MAX;
	assert_int_equal(process_table__rescan_maps(s->table, now, c, NULL), 0);
	assert_int_equal(process_table__rescan_maps(s->table, now + 20 * SEC, c, NULL), -EAGAIN);
}

/* There is room for two: what is known, and the two that are read, are three. */
static void mappings_without_room_are_not_read_again_for_a_minute(void **state)
{
	struct scene *s = *state;
	uint64_t now = 100 * SEC;
	struct process *p;

	open_table(s, (struct process_table_opts){.linger_ns = 10 * SEC, .max_mappings = 2});
	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	p = scan(s, SEC, key(100, 1, 500));
	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000 CODE_AT_5000);
	p->flags |= PROCESS_STALE;
	assert_int_equal(process_table__rescan_maps(s->table, now, p, NULL), -E2BIG);
	assert_int_equal(process_table__rescan_maps(s->table, now + 59 * SEC, p, NULL), -EAGAIN);
	assert_true(p->flags & PROCESS_STALE);
	now += PROCESS_RESCAN_FULL_NS;
	assert_int_equal(process_table__rescan_maps(s->table, now, p, NULL), -E2BIG);
	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_5000);
	now += PROCESS_RESCAN_FULL_NS;
	assert_int_equal(process_table__rescan_maps(s->table, now, p, NULL), 0);
	assert_false(p->flags & PROCESS_STALE);
}

static void ended_processes_stay_a_while_and_give_everything_back(void **state)
{
	struct scene *s = *state;
	struct task_key k = key(100, 1, 500);
	struct process *p;
	uint32_t cursor = 0;

	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	p = scan(s, SEC, k);
	p->born_ns = 0;
	assert_int_equal(process_table__exit(s->table, 20 * SEC, &k), 0);
	assert_int_equal(process_table__exit(s->table, 21 * SEC, &k), 0);
	assert_int_equal(s->n_ended, 1);
	assert_int_equal(process_table__retire(s->table, 29 * SEC), 0);
	assert_ptr_equal(process_table__find(s->table, &k), p);
	assert_ptr_equal(process_table__next(s->table, &cursor), p);
	assert_int_equal(process_table__retire(s->table, 30 * SEC), 1);
	assert_int_equal(s->n_retired, 1);
	assert_null(process_table__find(s->table, &k));
	assert_null(process_table__find_pid(s->table, 100, 15 * SEC));
	cursor = 0;
	assert_null(process_table__next(s->table, &cursor));
	assert_int_equal(stats_of(s).processes, 0);
	assert_int_equal(stats_of(s).mappings, 0);
	assert_int_equal(stats_of(s).containers, 0);
	k.exec_id++;
	assert_int_equal(process_table__exit(s->table, 20 * SEC, &k), -ESRCH);
}

static void a_lost_exec_is_noticed_when_the_new_incarnation_shows_up(void **state)
{
	struct scene *s = *state;
	struct process *a, *b, *late;

	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	a = scan(s, 40 * SEC, key(100, 1, 500));
	b = scan(s, 50 * SEC, key(100, 5, 500));
	assert_true(a->flags & PROCESS_ENDED);
	assert_int_equal(a->died_ns, 50 * SEC);
	assert_ptr_equal(process_table__find_pid(s->table, 100, 60 * SEC), b);
	/* a sample of one in between comes late: it does not end the newest */
	late = scan(s, 51 * SEC, key(100, 3, 500));
	assert_true(late->flags & PROCESS_ENDED);
	assert_false(b->flags & PROCESS_ENDED);
	assert_ptr_equal(process_table__find_pid(s->table, 100, 60 * SEC), b);
	/* exec ids wrap around */
	fixture__process(&s->proc, 200, "b", 1, 0, CODE_AT_1000);
	b = scan(s, 60 * SEC, key(200, UINT32_MAX, 1));
	assert_false(b->flags & PROCESS_ENDED);
	late = scan(s, 61 * SEC, key(200, 0, 1));
	assert_true(b->flags & PROCESS_ENDED);
	assert_false(late->flags & PROCESS_ENDED);
}

static void an_exec_event_that_comes_after_a_scan_still_dates_the_incarnation(void **state)
{
	struct scene *s = *state;
	struct task_key after = key(100, 2, 500);
	struct process *a, *b;

	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	a = scan(s, SEC, key(100, 1, 500));
	a->born_ns = 0;
	b = scan(s, 50 * SEC, after);
	assert_int_equal(process_table__exec(s->table, 48 * SEC, &after, 0, "b"), 0);
	assert_int_equal(b->born_ns, 48 * SEC);
	assert_int_equal(a->died_ns, 48 * SEC);
	assert_string_equal(b->comm, "b");
	assert_int_equal(map(s, 49 * SEC, 100, 0x70000, 0x1000, PROT_EXEC, ""), 0);
	assert_non_null(mapping_set__find(b->mappings, 0x70000));
	assert_null(mapping_set__find(a->mappings, 0x70000));
}

static void a_lost_exit_is_found_by_looking(void **state)
{
	struct scene *s = *state;
	struct task_key k[10];

	for (uint32_t i = 0; i < 10; i++) {
		k[i] = key(100 + i, 1, 500);
		fixture__process(&s->proc, 100 + i, "a", 500, 0, CODE_AT_1000);
		scan(s, SEC, k[i]);
	}
	fixture__end(&s->proc, 103);
	fixture__process(&s->proc, 107, "b", 999, 0, "");
	uint32_t n = 0;

	for (int i = 0; i < 5; i++)
		n += process_table__verify(s->table, 50 * SEC, 2);
	assert_int_equal(n, 2);
	assert_true(process_table__find(s->table, &k[3])->flags & PROCESS_ENDED);
	assert_true(process_table__find(s->table, &k[7])->flags & PROCESS_ENDED);
	assert_false(process_table__find(s->table, &k[0])->flags & PROCESS_ENDED);
	assert_int_equal(stats_of(s).n_vanished, 2);
}

static void a_full_table_evicts_the_ended_and_then_refuses(void **state)
{
	struct scene *s = *state;
	struct task_key k[5];
	struct process *p = NULL;

	open_table(s, (struct process_table_opts){.max_processes = 3});
	for (uint32_t i = 0; i < 5; i++) {
		k[i] = key(100 + i, 1, 500);
		fixture__process(&s->proc, 100 + i, "a", 500, 0, CODE_AT_1000);
	}
	for (int i = 0; i < 3; i++)
		scan(s, SEC, k[i]);
	assert_int_equal(process_table__scan_one(s->table, SEC, &k[3], &p), -E2BIG);
	assert_null(p);
	assert_int_equal(process_table__fork(s->table, SEC, &k[0], &k[3], 0, NULL), -E2BIG);
	process_table__exit(s->table, 2 * SEC, &k[1]);
	scan(s, 3 * SEC, k[3]);
	assert_null(process_table__find(s->table, &k[1]));
	/* one that is gone without an event makes room too */
	fixture__end(&s->proc, 102);
	scan(s, 3 * SEC, k[4]);
	assert_null(process_table__find(s->table, &k[2]));
	assert_int_equal(stats_of(s).n_evicted, 2);
	assert_int_equal(stats_of(s).n_refused, 2);
	assert_int_equal(stats_of(s).processes, 3);
}

static void an_exec_loop_of_one_pid_stays_bounded_and_quick(void **state)
{
	struct scene *s = *state;
	uint64_t began = clock__thread_cpu_ns();

	open_table(s, (struct process_table_opts){.max_processes = 1000, .linger_ns = 1000 * SEC});
	fixture__process(&s->proc, 100, "loop", 500, 0, CODE_AT_1000);
	for (uint32_t i = 1; i <= 5000; i++) {
		struct task_key k = key(100, i, 500);

		assert_int_equal(process_table__exec(s->table, i * NS_PER_MS, &k, 0, "loop"), 0);
	}
	assert_int_equal(stats_of(s).processes, 1000);
	assert_int_equal(stats_of(s).n_evicted, 4000);
	assert_int_equal(stats_of(s).mapping_sets, 1); /* none of them has any by now */
	assert_true(clock__thread_cpu_ns() - began < 20 * SEC);
}

static void a_name_change_is_kept_over_a_rescan_and_a_fork(void **state)
{
	struct scene *s = *state;
	struct task_key k = key(100, 1, 500), child = key(101, 1, 501);
	struct process *p;

	fixture__process(&s->proc, 100, "a", 500, 0, CODE_AT_1000);
	p = scan(s, SEC, k);
	process__set_comm(p, "a name longer than fits");
	assert_string_equal(p->comm, "a name longer t");
	assert_int_equal(process_table__rescan_maps(s->table, SEC, p, NULL), 0);
	process_table__fork(s->table, SEC, &k, &child, 0, NULL);
	assert_string_equal(process_table__find(s->table, &child)->comm, "a name longer t");
}

static void too_many_mappings_are_cut_and_said_so(void **state)
{
	struct scene *s = *state;
	size_t size = 48 * (MAPPING_SET_MAX + 100);
	char *maps = malloc(size), *at = maps;
	struct process *p;
	uint32_t n;

	/* offsets in files that cannot be had, so that nothing joins them */
	for (uint64_t i = 1; i < MAPPING_SET_MAX + 100; i++)
		at += sprintf(at, "%lx-%lx r-xp 0 00:00 0\n", i * 0x2000, i * 0x2000 + 0x1000);
	fixture__process(&s->proc, 100, "a", 500, 0, maps);
	p = scan(s, SEC, key(100, 1, 500));
	mapping_set__mappings(p->mappings, &n);
	assert_int_equal(n, MAPPING_SET_MAX);
	assert_true(p->flags & PROCESS_CUT);
	free(maps);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_scan_learns_names_place_and_code),
		T(another_process_with_the_pid_is_not_taken_for_it),
		T(a_kernel_thread_has_a_name_and_no_code),
		T(a_forked_child_shares_everything_without_proc),
		T(a_child_of_an_unknown_parent_is_read),
		T(an_exec_is_a_new_incarnation_and_ends_the_old_one),
		T(a_short_lived_program_is_known_by_its_events_alone),
		T(what_a_new_program_maps_waits_until_somebody_asks),
		T(more_than_is_written_down_is_there_too),
		T(a_place_is_read_when_it_is_due),
		T(a_place_that_the_control_group_tells_is_read_once),
		T(mapping_events_go_to_the_incarnation_of_their_time),
		T(repeated_mappings_change_nothing_and_data_cuts_code),
		T(a_process_that_maps_like_mad_is_followed_by_rescans),
		T(rescans_are_spaced_more_and_more_until_it_is_quiet),
		T(a_child_of_a_stale_process_waits_as_its_parent_does),
		T(mappings_without_room_are_not_read_again_for_a_minute),
		T(ended_processes_stay_a_while_and_give_everything_back),
		T(a_lost_exec_is_noticed_when_the_new_incarnation_shows_up),
		T(an_exec_event_that_comes_after_a_scan_still_dates_the_incarnation),
		T(a_lost_exit_is_found_by_looking),
		T(a_full_table_evicts_the_ended_and_then_refuses),
		T(an_exec_loop_of_one_pid_stays_bounded_and_quick),
		T(a_name_change_is_kept_over_a_rescan_and_a_fork),
		T(too_many_mappings_are_cut_and_said_so),
	};

	return cmocka_run_group_tests_name("process_table", tests, NULL, NULL);
}
