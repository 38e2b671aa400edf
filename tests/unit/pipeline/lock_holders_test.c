/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/pipeline/lock_holders.h"

#define NO       LOCK_HOLDERS_NOBODY
#define MANY     20000
#define FAR      1000 /* processes from here on are in namespaces of their own … */
#define FAR_TIDS 100  /* … where tids are so much less than ours */

struct world {
	const struct lock_thread *threads;
	uint32_t n_asked, n_read;
};

static bool is_apart(void *ctx, uint32_t i)
{
	struct world *w = ctx;

	w->n_asked++;
	return w->threads[i].tgid >= FAR;
}

static uint32_t tid_there(void *ctx, uint32_t i)
{
	struct world *w = ctx;

	w->n_read++;
	return w->threads[i].tid - FAR_TIDS;
}

static struct world find(const struct lock_thread *threads, uint32_t n, uint32_t *ret_holders)
{
	struct world w = {.threads = threads};
	const struct lock_holders_port port = {.ctx = &w, .is_apart = is_apart, .tid_there = tid_there};

	assert_int_equal(lock_holders__find(threads, n, &port, ret_holders), 0);
	return w;
}

static void holders_are_found_by_the_tid_that_their_namespace_knows(void **state)
{
	const struct lock_thread threads[] = {
		{.tgid = 7, .tid = 7, .holder = 8},
		{.tgid = 7, .tid = 8},
		{.tgid = 9, .tid = 9, .holder = 7},    /* shared memory: of another process */
		{.tgid = 9, .tid = 10, .holder = 901}, /* nobody of ours, though one is called so elsewhere */
		{.tgid = 1000, .tid = 1000, .holder = 901},
		{.tgid = 1000, .tid = 1001},
		{.tgid = 1000, .tid = 1002, .holder = 902}, /* itself */
		{.tgid = 2000, .tid = 1101, .holder = 901}, /* of another namespace */
		{.tgid = 2000, .tid = 1102, .holder = 1001},
		{.tgid = 2000, .tid = 1103, .holder = 1103}, /* ours, not its namespace's */
	};
	const uint32_t want[] = {1, NO, 0, NO, 5, NO, 6, NO, 7, NO};
	uint32_t holders[10];

	(void)state;
	find(threads, 10, holders);
	assert_memory_equal(holders, want, sizeof(want));
}

/* /proc is read for each: 15 us. */
static void each_thread_is_read_once_however_many_wait(void **state)
{
	struct lock_thread *threads = calloc(MANY, sizeof(*threads));
	uint32_t *holders = calloc(MANY, sizeof(*holders));
	struct world w;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		threads[i] =
			(struct lock_thread){.tgid = FAR, .tid = FAR + i, .holder = FAR - FAR_TIDS + i / 2};
	w = find(threads, MANY, holders);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(holders[i], i / 2);
	assert_int_equal(w.n_read, MANY);
	assert_int_equal(w.n_asked, 1);
	free(threads);
	free(holders);
}

static void processes_in_which_nobody_waits_are_not_read(void **state)
{
	const struct lock_thread threads[] = {
		{.tgid = 1000, .tid = 1000},
		{.tgid = 2000, .tid = 1001, .holder = 902},
		{.tgid = 2000, .tid = 1002},
		{.tgid = 7, .tid = 7, .holder = 8},
	};
	const uint32_t want[] = {NO, 2, NO, NO};
	uint32_t holders[4];
	struct world w;

	(void)state;
	w = find(threads, 4, holders);
	assert_memory_equal(holders, want, sizeof(want));
	assert_int_equal(w.n_asked, 2);
	assert_int_equal(w.n_read, 2);
	w = find(threads, 0, holders);
	assert_int_equal(w.n_asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holders_are_found_by_the_tid_that_their_namespace_knows),
		cmocka_unit_test(each_thread_is_read_once_however_many_wait),
		cmocka_unit_test(processes_in_which_nobody_waits_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
