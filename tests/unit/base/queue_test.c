// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "user/base/queue.h"

static void *item(uintptr_t n)
{
	return (void *)n;
}

static void first_in_is_first_out_around_the_ring(void **state)
{
	struct queue *q = queue__new(3);
	void *got;

	(void)state;
	assert_int_equal(queue__push(q, item(1)), 0);
	for (uintptr_t i = 2; i < 20; i++) {
		assert_int_equal(queue__push(q, item(i)), 0);
		assert_int_equal(queue__pop(q, &got), 0);
		assert_ptr_equal(got, item(i - 1));
	}
	queue__free(q);
	queue__free(NULL);
	assert_null(queue__new(0));
}

static void full_and_empty_say_try_again(void **state)
{
	struct queue *q = queue__new(1);
	void *got = item(9);

	(void)state;
	assert_int_equal(queue__try_pop(q, &got), -EAGAIN);
	assert_ptr_equal(got, item(9));
	assert_int_equal(queue__push(q, item(1)), 0);
	assert_int_equal(queue__push(q, item(2)), -EAGAIN);
	queue__free(q);
}

static void closed_queue_gives_what_is_left_and_then_ends(void **state)
{
	struct queue *q = queue__new(4);
	void *got;

	(void)state;
	queue__push(q, item(1));
	queue__push(q, item(2));
	queue__close(q);
	assert_int_equal(queue__push(q, item(3)), -EPIPE);
	assert_int_equal(queue__pop(q, &got), 0);
	assert_int_equal(queue__try_pop(q, &got), 0);
	assert_ptr_equal(got, item(2));
	assert_int_equal(queue__try_pop(q, &got), -EPIPE);
	assert_int_equal(queue__pop(q, &got), -EPIPE);
	queue__free(q);
}

#define N_WRITERS 3
#define N_ITEMS   20000

struct traffic {
	struct queue *q;
	_Atomic uint64_t sum;
	atomic_uint n;
};

static void *write_items(void *arg)
{
	struct traffic *t = arg;

	for (uintptr_t i = 1; i <= N_ITEMS; i++)
		while (queue__push(t->q, item(i)) == -EAGAIN)
			sched_yield();
	return NULL;
}

static void *read_items(void *arg)
{
	struct traffic *t = arg;
	void *got;

	while (queue__pop(t->q, &got) == 0) {
		t->sum += (uintptr_t)got;
		t->n++;
	}
	return NULL;
}

static void nothing_is_lost_or_doubled_between_threads(void **state)
{
	struct traffic t = {.q = queue__new(16)};
	pthread_t writers[N_WRITERS], readers[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_items, &t), 0);
	for (int i = 0; i < N_WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_items, &t), 0);
	for (int i = 0; i < N_WRITERS; i++)
		pthread_join(writers[i], NULL);
	queue__close(t.q); /* wakes the readers that wait, too */
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(t.n, N_WRITERS * N_ITEMS);
	assert_true(t.sum == (uint64_t)N_WRITERS * N_ITEMS * (N_ITEMS + 1) / 2);
	queue__free(t.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_is_first_out_around_the_ring),
		cmocka_unit_test(full_and_empty_say_try_again),
		cmocka_unit_test(closed_queue_gives_what_is_left_and_then_ends),
		cmocka_unit_test(nothing_is_lost_or_doubled_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
