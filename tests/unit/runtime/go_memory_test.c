/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets in this program's own memory, as the Go runtime lays them out: what is read of them, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/runtime/go_memory.h"
#include "user/runtime/go_program.h"

#define RATE 524288
#define MANY 3000 /* several blocks of them */
#define ROOM 300  /* on either side: blocks can be read whole */

static const struct clock_limit for_ever = {UINT64_MAX, UINT64_MAX};

struct bucket {
	uint64_t next, all_next, type, hash, size, n;
	uint64_t pcs[3];
	uint64_t active[4], future[3][4];
};

struct world {
	struct go_program program;
	struct go_process go;
	uint64_t first, rate;
	struct bucket *all, *buckets;
	uint64_t n_told, n_pcs, alloc_objects, live_objects, alloc_bytes, live_bytes;
};

static uint64_t address_of(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static int no_file(void *ctx, int *ret_fd)
{
	(void)ctx, (void)ret_fd;
	return -ENOENT;
}

/* Sampled: two objects of 1024 bytes each, one of them freed. */
static void make_world(struct world *w, uint32_t n)
{
	*w = (struct world){.program = {.file = {.open = no_file}, .fd = -1}, .rate = RATE};
	w->all = calloc(n + 2 * ROOM, sizeof(*w->all));
	w->buckets = w->all + ROOM;
	for (uint32_t i = 0; i < n; i++)
		w->buckets[i] = (struct bucket){.all_next = i ? address_of(&w->buckets[i - 1]) : 0,
						.type = 1,
						.size = 1024,
						.n = 3,
						.pcs = {0x401000 + i, 0x402000, 0x403000},
						.active = {2, 1, 2048, 1024},
						.future = {{5, 5, 5120, 5120}}};
	w->first = n ? address_of(&w->buckets[n - 1]) : 0;
	w->program.places[GO_MEMORY_BUCKETS].vaddr = address_of(&w->first);
	w->program.places[GO_MEMORY_RATE].vaddr = address_of(&w->rate);
	w->go = (struct go_process){.program = &w->program, .pid = (uint32_t)getpid()};
}

static void free_world(struct world *w)
{
	free(w->program.callers);
	free(w->all);
}

static void on_found(void *ctx, const struct go_allocation *a)
{
	struct world *w = ctx;

	w->n_told++;
	w->n_pcs += a->n_pcs;
	w->alloc_objects += a->alloc_objects;
	w->live_objects += a->live_objects;
	w->alloc_bytes += a->alloc_bytes;
	w->live_bytes += a->live_bytes;
}

static void scaled_as_poisson_sampling_wants_it(void **state)
{
	(void)state;
	/* an object as large as the interval is sampled with probability 1 - 1/e */
	assert_in_range(go_memory__scale(1000000, RATE, RATE), 1581976, 1581978);
	assert_in_range(go_memory__scale(10, 1024, RATE), 5124, 5126);
	/* a very large one always */
	assert_int_equal(go_memory__scale(7, 1ull << 40, RATE), 7);
	assert_int_equal(go_memory__scale(0, 8, RATE), 0);
	assert_int_equal(go_memory__scale(5, 8, 1), 5);
	/* no overflow */
	assert_true(go_memory__scale(UINT64_MAX, 1, 1ull << 47) <= 9000000000000000000ull);
}

static void all_buckets_are_read(void **state)
{
	struct go_memory_stats stats;
	struct world w;

	(void)state;
	make_world(&w, MANY);
	assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), 0);
	assert_int_equal(stats.n_buckets, MANY);
	assert_int_equal(stats.rate, RATE);
	assert_int_equal(stats.n_damaged, 0);
	assert_int_equal(w.n_told, MANY);
	assert_int_equal(w.n_pcs, 3 * MANY);
	/* what no collection has closed yet does not count */
	assert_int_equal(w.alloc_objects, MANY * go_memory__scale(2, 1024, RATE));
	assert_int_equal(w.live_objects, MANY * go_memory__scale(1, 1024, RATE));
	assert_int_equal(w.alloc_bytes, MANY * go_memory__scale(2048, 1024, RATE));
	assert_int_equal(w.live_bytes, MANY * go_memory__scale(1024, 1024, RATE));
	free_world(&w);
}

static void before_the_first_collection_all_counts(void **state)
{
	struct go_memory_stats stats;
	struct world w;

	(void)state;
	make_world(&w, 10);
	for (int i = 0; i < 10; i++) {
		memset(w.buckets[i].active, 0, sizeof(w.buckets[i].active));
		w.buckets[i].future[0][1] = 2;
	}
	assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), 0);
	assert_int_equal(w.alloc_objects, 10 * go_memory__scale(5, 1024, RATE));
	assert_int_equal(w.live_objects, 10 * go_memory__scale(3, 1024, RATE));
	free_world(&w);
}

static void list_ends_where_it_is_damaged(void **state)
{
	struct go_memory_stats stats;
	struct world w;

	(void)state;
	make_world(&w, 10);
	w.buckets[4].type = 2; /* of blocking */
	assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), 0);
	assert_int_equal(w.n_told, 5);
	assert_int_equal(stats.n_damaged, 1);
	free_world(&w);
	make_world(&w, 10);
	w.buckets[9].all_next = 8; /* nowhere */
	assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), 0);
	assert_int_equal(w.n_told, 2 - 1);
	assert_int_equal(stats.n_damaged, 1);
	free_world(&w);
}

/* From the first bucket on, or behind some: it ends, and long before the limit. */
static void list_that_comes_back_to_itself_ends(void **state)
{
	static const uint32_t back_to[] = {0, 1, 10, 98, 99};
	struct go_memory_stats stats;
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(back_to) / sizeof(*back_to); i++) {
		make_world(&w, 100);
		w.buckets[0].all_next = address_of(&w.buckets[back_to[i]]);
		assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), 0);
		assert_in_range(stats.n_buckets, 100, 400);
		assert_int_equal(stats.n_damaged, 1);
		assert_false(stats.is_cut);
		free_world(&w);
	}
}

/* Without CPU time left, or without any. */
static void what_takes_too_long_is_cut(void **state)
{
	const struct clock_limit past[] = {{0, UINT64_MAX}, {UINT64_MAX, 0}};
	struct go_memory_stats stats;
	struct world w;

	(void)state;
	for (int i = 0; i < 2; i++) {
		make_world(&w, MANY);
		assert_int_equal(go_memory__read(&w.go, &past[i], on_found, &w, &stats), 0);
		assert_true(stats.is_cut);
		assert_int_equal(stats.n_buckets, 0);
		assert_int_equal(stats.n_damaged, 1);
		free_world(&w);
	}
}

static void program_that_does_not_sample(void **state)
{
	struct go_memory_stats stats;
	struct world w;

	(void)state;
	make_world(&w, 3);
	w.rate = 0;
	assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), -ENODATA);
	w.rate = RATE;
	w.first = 0;
	assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), -ENODATA);
	w.program.places[GO_MEMORY_BUCKETS].vaddr = 0;
	assert_int_equal(go_memory__read(&w.go, &for_ever, on_found, &w, &stats), -ENODATA);
	free_world(&w);
}

static void bucket_that_is_none_is_refused(void **state)
{
	struct bucket b = {.type = 1, .size = 8, .n = 3, .active = {2, 1, 16, 8}};
	struct go_bucket k;

	(void)state;
	assert_int_equal(go_bucket__parse(&b, sizeof(b), &k), 0);
	assert_int_equal(k.n_pcs, 3);
	for (size_t len = 0; len < sizeof(b); len++)
		assert_int_equal(go_bucket__parse(&b, len, &k), -EAGAIN);
	b.n = 0;
	assert_int_equal(go_bucket__parse(&b, sizeof(b), &k), -EBADMSG);
	b.n = GO_STACK_MAX + 1;
	assert_int_equal(go_bucket__parse(&b, sizeof(b), &k), -EBADMSG);
	b.n = 3;
	b.size = 0;
	assert_int_equal(go_bucket__parse(&b, sizeof(b), &k), -EBADMSG);
	b.size = 8;
	b.active[1] = 3; /* freed more than allocated */
	assert_int_equal(go_bucket__parse(&b, sizeof(b), &k), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scaled_as_poisson_sampling_wants_it),
		cmocka_unit_test(all_buckets_are_read),
		cmocka_unit_test(before_the_first_collection_all_counts),
		cmocka_unit_test(list_ends_where_it_is_damaged),
		cmocka_unit_test(list_that_comes_back_to_itself_ends),
		cmocka_unit_test(what_takes_too_long_is_cut),
		cmocka_unit_test(program_that_does_not_sample),
		cmocka_unit_test(bucket_that_is_none_is_refused),
	};

	return cmocka_run_group_tests_name("go_memory", tests, NULL, NULL);
}
