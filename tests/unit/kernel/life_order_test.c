// SPDX-License-Identifier: Apache-2.0
/* What processes did, added in the order in which rings are read: told as it happened, and each mapping with the program that made it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/kernel/life_order.h"

#define SECOND 1000000000ull

/* What was told, a word an event: "exec:7@30 mmap:7/bin/a@30 ". */
struct told {
	char text[16384];
	size_t len;
	uint64_t n_mmaps;
};

static void told__add(struct told *t, const char *what, uint32_t tgid, const char *path, uint64_t time_ns)
{
	int n = snprintf(t->text + t->len, sizeof(t->text) - t->len, "%s:%u%s@%llu ", what, tgid, path,
			 (unsigned long long)time_ns);

	t->len += (size_t)n;
	assert_true(t->len < sizeof(t->text));
}

static void on_fork(void *ctx, const struct process_record *r)
{
	told__add(ctx, "fork", r->key.tgid, "", r->time_ns);
}

static void on_exec(void *ctx, const struct process_record *r)
{
	told__add(ctx, "exec", r->key.tgid, "", r->time_ns);
}

static void on_end(void *ctx, const struct process_record *r)
{
	told__add(ctx, "exit", r->key.tgid, "", r->time_ns);
}

static void on_gone(void *ctx, const struct process_record *r)
{
	told__add(ctx, "gone", r->key.tgid, "", r->time_ns);
}

static void on_mmap(void *ctx, const struct life_mmap *m)
{
	told__add(ctx, "mmap", m->tgid, m->path, m->time_ns);
}

static void on_mmap_counted(void *ctx, const struct life_mmap *m)
{
	struct told *t = ctx;

	(void)m;
	t->n_mmaps++;
}

static struct life_order *new_order(struct told *t)
{
	const struct life_handler handler = {
		.fork = on_fork, .exec = on_exec, .exit = on_end, .gone = on_gone, .mmap = on_mmap, .ctx = t};
	struct life_order *o;

	*t = (struct told){};
	assert_int_equal(life_order__new(&handler, &o), 0);
	return o;
}

static void add(struct life_order *o, uint32_t type, uint64_t time_ns, uint32_t tgid)
{
	const struct process_record r = {.type = type, .time_ns = time_ns, .key = {.tgid = tgid}};

	life_order__add_record(o, &r);
}

static void add_mmap(struct life_order *o, uint64_t time_ns, uint32_t tgid, const char *path)
{
	char borrowed[64];
	const struct life_mmap m = {
		.time_ns = time_ns, .tgid = tgid, .addr = 1 << 20, .len = 4096, .path = borrowed};

	snprintf(borrowed, sizeof(borrowed), "%s", path);
	life_order__add_mmap(o, &m);
	memset(borrowed, 'x', sizeof(borrowed) - 1);
}

static void rings_are_told_by_time(void **state)
{
	struct told t;
	struct life_order *o = new_order(&t);

	(void)state;
	add_mmap(o, 40, 8, "/late");
	add_mmap(o, 20, 7, "/early");
	add(o, RECORD_EXIT, 50, 8);
	add(o, RECORD_FORK, 10, 7);
	add(o, RECORD_GONE, 30, 7);
	life_order__tell(o, 100);
	assert_string_equal(t.text, "fork:7@10 mmap:7/early@20 gone:7@30 mmap:8/late@40 exit:8@50 ");
	assert_int_equal(life_order__stats(o)->told, 5);
	assert_int_equal(life_order__stats(o)->lost, 0);
	life_order__free(o);
}

static void of_one_moment_is_told_first_what_was_added_first(void **state)
{
	struct told t;
	struct life_order *o = new_order(&t);

	(void)state;
	for (uint32_t tgid = 40; tgid-- > 20;)
		add(o, RECORD_FORK, 5, tgid);
	life_order__tell(o, 4);
	add(o, RECORD_FORK, 5, 1);
	life_order__tell(o, 5);
	assert_memory_equal(t.text, "fork:39@5 fork:38@5 ", 20);
	assert_string_equal(t.text + t.len - 19, "fork:20@5 fork:1@5 ");
	life_order__free(o);
}

static void what_came_later_stays(void **state)
{
	struct told t;
	struct life_order *o = new_order(&t);

	(void)state;
	add_mmap(o, 30, 7, "/c");
	add(o, RECORD_FORK, 10, 7);
	life_order__tell(o, 29);
	assert_string_equal(t.text, "fork:7@10 ");
	add_mmap(o, 29, 7, "/b"); /* by a ring that had been read already */
	life_order__tell(o, 30);
	assert_string_equal(t.text, "fork:7@10 mmap:7/b@29 mmap:7/c@30 ");
	life_order__free(o);
}

static void what_an_exec_maps_is_of_the_new_program(void **state)
{
	struct told t;
	struct life_order *o = new_order(&t);

	(void)state;
	add_mmap(o, 10, 7, "/old");
	life_order__add_exec_mark(o, 20, 7);
	add_mmap(o, 21, 7, "/new");
	add_mmap(o, 22, 9, "/other");
	add_mmap(o, 23, 7, "/ld.so");
	add(o, RECORD_EXEC, 30, 7);
	add_mmap(o, 31, 7, "/libc");
	life_order__tell(o, 100);
	assert_string_equal(
		t.text,
		"mmap:7/old@10 mmap:9/other@22 exec:7@30 mmap:7/new@30 mmap:7/ld.so@30 mmap:7/libc@31 ");
	life_order__free(o);
}

/* The reader may come when the exec is years old, and then be asked to tell up to the middle of it. */
static void an_exec_is_whole_however_late_it_is_read(void **state)
{
	struct told t;
	struct life_order *o = new_order(&t);

	(void)state;
	life_order__add_exec_mark(o, SECOND, 7);
	add_mmap(o, SECOND + 1, 7, "/new");
	add(o, RECORD_EXEC, SECOND + 10, 7);
	life_order__tell(o, SECOND + 5);
	assert_string_equal(t.text, "");
	life_order__tell(o, 100 * SECOND);
	assert_string_equal(t.text, "exec:7@1000000010 mmap:7/new@1000000010 ");
	life_order__free(o);
}

static void mappings_of_an_exec_that_was_lost_come_late(void **state)
{
	struct told t;
	struct life_order *o = new_order(&t);

	(void)state;
	life_order__add_exec_mark(o, 10, 7);
	add_mmap(o, 11, 7, "/new");
	life_order__tell(o, 10 + LIFE_HOLD_NS);
	assert_string_equal(t.text, "");
	life_order__tell(o, 11 + LIFE_HOLD_NS);
	assert_string_equal(t.text, "mmap:7/new@10 ");
	add_mmap(o, 2 * SECOND, 7, "/later");
	life_order__tell(o, 3 * SECOND);
	assert_string_equal(t.text, "mmap:7/new@10 mmap:7/later@2000000000 ");
	life_order__free(o);
}

static void who_ends_in_an_exec_leaves_nothing(void **state)
{
	struct told t;
	struct life_order *o = new_order(&t);

	(void)state;
	life_order__add_exec_mark(o, 10, 7);
	add_mmap(o, 11, 7, "/new");
	add(o, RECORD_EXIT, 12, 7);
	add_mmap(o, 13, 7, "/of the next with that pid");
	life_order__tell(o, 10 * SECOND);
	assert_string_equal(t.text, "exit:7@12 mmap:7/of the next with that pid@13 ");
	life_order__free(o);
}

static void what_there_is_no_room_for_is_counted(void **state)
{
	struct told t = {};
	const struct life_handler handler = {
		.exec = on_exec, .exit = on_end, .mmap = on_mmap_counted, .ctx = &t};
	struct life_order *o;

	(void)state;
	assert_int_equal(life_order__new(&handler, &o), 0);
	life_order__add_exec_mark(o, 1, 7);
	for (uint32_t i = 0; i < LIFE_HELD_MAX + 9; i++)
		add_mmap(o, 2 + i, 7, "/new");
	life_order__tell(o, SECOND);
	assert_int_equal(life_order__stats(o)->lost, 10); /* the mark takes a place */
	add(o, RECORD_EXEC, SECOND, 7);
	life_order__tell(o, SECOND);
	assert_int_equal(t.n_mmaps, LIFE_HELD_MAX - 1);
	for (uint32_t i = 0; i < LIFE_BATCH_MAX + 9; i++)
		add_mmap(o, 2 * SECOND, 8, "/new");
	life_order__tell(o, 2 * SECOND);
	assert_int_equal(life_order__stats(o)->lost, 19);
	assert_int_equal(t.n_mmaps, LIFE_HELD_MAX - 1 + LIFE_BATCH_MAX);
	life_order__free(o);
}

/* A batch of which each unfinished stack asks for a little more. */
static void little_of_much_costs_no_more_than_all_at_once(void **state)
{
	const uint32_t n = 20000;
	struct told t = {};
	const struct life_handler handler = {.mmap = on_mmap_counted, .ctx = &t};
	struct life_order *o;

	(void)state;
	assert_int_equal(life_order__new(&handler, &o), 0);
	for (uint32_t i = 0; i < n; i++)
		add_mmap(o, 10 + i, 7, "/lib");
	for (uint32_t i = 0; i < n; i++) {
		life_order__tell(o, 10 + i);
		life_order__tell(o, 10 + i); /* nothing is due */
		assert_int_equal(t.n_mmaps, i + 1);
	}
	assert_in_range(life_order__stats(o)->moved, 0, n);
	assert_int_equal(life_order__stats(o)->lost, 0);
	life_order__free(o);
}

/* What was told and is still there is in nobody's way: neither its places nor its bytes. */
static void what_was_told_gives_its_room_back(void **state)
{
	char path[LIFE_BATCH_BYTES / 64];
	const struct life_mmap long_one = {.time_ns = 10, .tgid = 7, .len = 4096, .path = path};
	struct told t = {};
	const struct life_handler handler = {.mmap = on_mmap_counted, .ctx = &t};
	struct life_mmap m = long_one;
	struct life_order *o;

	(void)state;
	assert_int_equal(life_order__new(&handler, &o), 0);
	for (uint32_t i = 0; i < LIFE_BATCH_MAX; i++)
		add_mmap(o, 10 + i, 7, "/lib");
	life_order__tell(o, 10 + LIFE_BATCH_MAX / 4 - 1);
	for (uint32_t i = 0; i < LIFE_BATCH_MAX / 4; i++)
		add_mmap(o, 10 + LIFE_BATCH_MAX + i, 7, "/lib");
	life_order__tell(o, SECOND);
	assert_int_equal(life_order__stats(o)->lost, 0);
	assert_int_equal(t.n_mmaps, LIFE_BATCH_MAX + LIFE_BATCH_MAX / 4);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (uint64_t i = 0; i < 60; i++, m.time_ns++)
		life_order__add_mmap(o, &m);
	life_order__tell(o, 10 + 20);
	for (uint64_t i = 0; i < 20; i++, m.time_ns++)
		life_order__add_mmap(o, &m);
	life_order__tell(o, SECOND);
	assert_int_equal(life_order__stats(o)->lost, 0);
	assert_int_equal(life_order__stats(o)->told, LIFE_BATCH_MAX + LIFE_BATCH_MAX / 4 + 80);
	life_order__free(o);
}

/* ---- any cut ----------------------------------------------------------------------------------------------------- */

#define SCRIPT_MAX 60

struct step {
	enum { STEP_FORK, STEP_MARK, STEP_MMAP, STEP_EXEC, STEP_EXIT, STEP_N } kind;
	uint64_t time_ns;
	uint32_t tgid;
};

static void add_step(struct life_order *o, const struct step *s)
{
	static const uint32_t types[STEP_N] = {
		[STEP_FORK] = RECORD_FORK, [STEP_EXEC] = RECORD_EXEC, [STEP_EXIT] = RECORD_EXIT};

	if (s->kind == STEP_MARK)
		life_order__add_exec_mark(o, s->time_ns, s->tgid);
	else if (s->kind == STEP_MMAP)
		add_mmap(o, s->time_ns, s->tgid, "/m");
	else
		add(o, types[s->kind], s->time_ns, s->tgid);
}

static void shuffle(uint32_t *order, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = (uint32_t)rand() % i, other = order[i - 1];

		order[i - 1] = order[j];
		order[j] = other;
	}
}

/* In pieces: each tells up to some step, after the steps up to it were added in any order, and some of those that follow. */
static void tell_in_pieces(struct life_order *o, const struct step *script, uint32_t n)
{
	bool is_added[SCRIPT_MAX] = {};
	uint32_t order[SCRIPT_MAX], cut = 0;

	while (cut < n) {
		cut += 1 + (uint32_t)rand() % (n - cut);
		shuffle(order, n);
		for (uint32_t i = 0; i < n; i++) {
			if (is_added[order[i]] || (order[i] >= cut && rand() % 2))
				continue;
			add_step(o, &script[order[i]]);
			is_added[order[i]] = true;
		}
		life_order__tell(o, script[cut - 1].time_ns);
	}
}

static void any_cut_tells_the_same(void **state)
{
	static struct told whole, pieces;

	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		struct step script[SCRIPT_MAX];
		uint32_t n = 1 + (uint32_t)rand() % SCRIPT_MAX;
		struct life_order *o = new_order(&whole);

		for (uint32_t i = 0; i < n; i++) {
			script[i] = (struct step){.kind = rand() % STEP_N,
						  .time_ns = 100 + i * 10,
						  .tgid = 1 + (uint32_t)rand() % 3};
			add_step(o, &script[i]);
		}
		life_order__tell(o, SECOND / 2);
		life_order__free(o);
		o = new_order(&pieces);
		tell_in_pieces(o, script, n);
		assert_string_equal(pieces.text, whole.text);
		life_order__free(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_are_told_by_time),
		cmocka_unit_test(of_one_moment_is_told_first_what_was_added_first),
		cmocka_unit_test(what_came_later_stays),
		cmocka_unit_test(what_an_exec_maps_is_of_the_new_program),
		cmocka_unit_test(an_exec_is_whole_however_late_it_is_read),
		cmocka_unit_test(mappings_of_an_exec_that_was_lost_come_late),
		cmocka_unit_test(who_ends_in_an_exec_leaves_nothing),
		cmocka_unit_test(what_there_is_no_room_for_is_counted),
		cmocka_unit_test(little_of_much_costs_no_more_than_all_at_once),
		cmocka_unit_test(what_was_told_gives_its_room_back),
		cmocka_unit_test(any_cut_tells_the_same),
	};

	return cmocka_run_group_tests_name("life_order", tests, NULL, NULL);
}
