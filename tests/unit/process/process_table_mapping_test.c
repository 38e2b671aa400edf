/* SPDX-License-Identifier: Apache-2.0 */
/* A process that maps faster than it is followed: what is not known of it is not known, and nothing is taken for what was there before. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "tests/unit/process/fixture.h"
#include "user/base/clock.h"
#include "user/object/object_cache.h"
#include "user/process/process_table.h"

#define SEC          NS_PER_SEC
#define CODE_AT_1000 "1000-2000 r-xp 00000000 00:00 0 \n"
#define CODE_AT_5000 "5000-6000 r-xp 00000000 00:00 0 \n"

struct scene {
	struct fixture_tree proc;
	struct object_cache *objects;
	struct process_table *table;
	uint32_t n_changed;
};

static void on_changed(void *ctx, const struct process *p)
{
	(void)p;
	((struct scene *)ctx)->n_changed++;
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct process_table_opts opts = {.port = {.ctx = s, .mappings_changed = on_changed}};

	fixture__open(&s->proc);
	assert_int_equal(
		object_cache__new(&(struct object_cache_opts){.proc_root_fd = s->proc.fd}, &s->objects), 0);
	opts.proc_root_fd = s->proc.fd;
	opts.objects = s->objects;
	assert_int_equal(process_table__new(&opts, &s->table), 0);
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

/* Process 100, with these mappings. */
static struct process *scan(struct scene *s, const char *maps)
{
	const struct task_key key = {.tgid = 100, .exec_id = 1, .start_ns = 5 * SEC};
	struct process *p = NULL;

	fixture__process(&s->proc, 100, "jit", 500, 0, maps);
	assert_int_equal(process_table__scan_one(s->table, SEC, &key, &p), 0);
	assert_non_null(p);
	p->born_ns = 0;
	return p;
}

static int map(struct scene *s, uint64_t time_ns, uint64_t addr, uint64_t len, uint32_t prot,
	       const char *path)
{
	struct process_mmap m = {
		.time_ns = time_ns, .tgid = 100, .prot = prot, .addr = addr, .len = len, .path = path};

	return process_table__mmap(s->table, &m);
}

/* Maps elsewhere, from there upwards, until events of that second are not followed any more. */
static uint64_t map_like_mad(struct scene *s, uint64_t time_ns, uint64_t at)
{
	int r = 0;

	for (uint64_t end = at + 0x10000000; r == 0 && at < end; at += 0x2000)
		r = map(s, time_ns, at, 0x1000, PROT_EXEC, "");
	assert_int_equal(r, -EAGAIN);
	return at;
}

static void what_cannot_be_followed_leaves_a_hole_where_something_was(void **state)
{
	struct scene *s = *state;
	struct process *p = scan(s, CODE_AT_1000 CODE_AT_5000);

	map_like_mad(s, 2 * SEC, 0x100000);
	/* the next new one is not known, and hides nothing */
	s->n_changed = 0;
	assert_int_equal(map(s, 2 * SEC, 0x90000000, 0x1000, PROT_EXEC, "/lib/a"), -EAGAIN);
	assert_int_equal(s->n_changed, 0);
	/* another library in the place of one, and one that the kernel knows to be gone */
	assert_int_equal(map(s, 2 * SEC, 0x5000, 0x800, PROT_EXEC, "/lib/b"), -EAGAIN);
	assert_null(mapping_set__find(p->mappings, 0x57ff));
	assert_non_null(mapping_set__find(p->mappings, 0x1000));
	assert_int_equal(map(s, 2 * SEC, 0x1000, 0x1000, 0, NULL), -EAGAIN);
	assert_null(mapping_set__find(p->mappings, 0x1000));
	assert_non_null(mapping_set__find(p->mappings, 0x100000));
	assert_int_equal(s->n_changed, 2);
	assert_true(p->flags & PROCESS_STALE);
}

static void what_maps_on_like_mad_in_place_of_what_it_had_has_nothing_left(void **state)
{
	struct scene *s = *state;
	struct process *p = scan(s, CODE_AT_1000);
	uint64_t at = 0x100000, end = map_like_mad(s, 3 * SEC, map_like_mad(s, 2 * SEC, at));
	uint32_t n, n_holes = 0;

	s->n_changed = 0;
	do {
		map(s, 3 * SEC, at, 0x1000, PROT_EXEC, "/lib/b");
		assert_null(mapping_set__find(p->mappings, at));
		mapping_set__mappings(p->mappings, &n);
		at += 0x2000;
		n_holes++;
	} while (n);
	assert_true(n_holes > 50 && at < end); /* each of them was some hundred mappings to copy */
	assert_int_equal(s->n_changed, n_holes);
	/* and costs nothing more */
	assert_int_equal(map(s, 3 * SEC, 0x1000, 0x1000, PROT_EXEC, "/lib/b"), -EAGAIN);
	assert_int_equal(s->n_changed, n_holes);
}

/* A rescan reads what events tell that come late. */
static void events_of_before_a_rescan_leave_no_hole_in_what_it_read(void **state)
{
	struct scene *s = *state;
	struct process *p = scan(s, CODE_AT_1000);

	map_like_mad(s, 2 * SEC, 0x100000);
	fixture__process(&s->proc, 100, "jit", 500, 0, CODE_AT_1000 CODE_AT_5000);
	assert_int_equal(process_table__rescan_maps(s->table, 2 * SEC + 2000, p, NULL), 0);
	assert_int_equal(map(s, 2 * SEC + 1000, 0x5000, 0x800, PROT_EXEC, "/lib/b"), -EAGAIN);
	assert_non_null(mapping_set__find(p->mappings, 0x5000));
	assert_int_equal(map(s, 2 * SEC + 3000, 0x5000, 0x800, PROT_EXEC, "/lib/b"), -EAGAIN);
	assert_null(mapping_set__find(p->mappings, 0x5000));
}

/* Each keeps what it maps to itself until somebody asks; all together no more than so much. */
static void young_programs_keep_no_more_than_their_share(void **state)
{
	struct scene *s = *state;
	struct process_table_stats stats;
	char path[4000];
	const struct process *last = NULL;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	scan(s, "");
	for (uint32_t exec = 2; exec < 202; exec++) {
		const struct task_key key = {.tgid = 100, .exec_id = exec, .start_ns = 5 * SEC};

		assert_int_equal(process_table__exec(s->table, exec * SEC, &key, 0, "young"), 0);
		for (uint32_t i = 0; i < PENDING_MAPPINGS_MAX; i++)
			assert_int_equal(map(s, exec * SEC, 0x1000 + i * 0x1000, 0x1000, PROT_EXEC, path), 0);
		last = process_table__find(s->table, &key);
	}
	process_table__stats(s->table, &stats);
	assert_in_range(stats.bytes, PENDING_BYTES_MAX - (64 << 10), PENDING_BYTES_MAX + (4 << 20));
	/* what had no room is known at once */
	assert_false(last->flags & PROCESS_YOUNG);
	assert_non_null(mapping_set__find(last->mappings, 0x1000 + (PENDING_MAPPINGS_MAX - 1) * 0x1000));
	/* and what ended gives its room back */
	process_table__drop_mappings(s->table, 202 * SEC);
	process_table__stats(s->table, &stats);
	assert_in_range(stats.bytes, 1, 4 << 20);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_cannot_be_followed_leaves_a_hole_where_something_was),
		T(what_maps_on_like_mad_in_place_of_what_it_had_has_nothing_left),
		T(young_programs_keep_no_more_than_their_share),
		T(events_of_before_a_rescan_leave_no_hole_in_what_it_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
