// SPDX-License-Identifier: Apache-2.0
/* Each thread's part of a window, from sums since its start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/process/thread_table.h"

static struct thread_record record(uint32_t tid, uint64_t start, uint64_t now, uint64_t ran, uint64_t delay)
{
	return (struct thread_record){.key = {.start_ns = 5, .tgid = 10},
				      .tid = tid,
				      .start_ns = start,
				      .now_ns = now,
				      .run_ns = ran,
				      .run_delay_ns = delay,
				      .comm = "worker"};
}

static struct thread *note(struct thread_table *t, struct thread_record r)
{
	struct thread_sums before;
	struct thread *th;

	assert_int_equal(thread_table__note(t, &r, &th, &before), 0);
	return th;
}

static void assert_times(const struct thread *t, uint64_t wall, uint64_t ran, uint64_t delay)
{
	struct thread_times times;

	thread__times(t, &times);
	assert_int_equal(times.wall_ns, wall);
	assert_int_equal(times.run_ns, ran);
	assert_int_equal(times.run_delay_ns, delay);
}

static void thread_that_was_there_counts_from_the_windows_beginning(void **state)
{
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	thread_table__begin_pass(&t);
	note(&t, record(11, 100, 1000, 500, 50));
	assert_int_equal(thread_table__begin(&t, 1000), 0);
	thread_table__begin_pass(&t);
	assert_times(note(&t, record(11, 100, 3000, 1500, 150)), 2000, 1000, 100);
	assert_int_equal(thread_table__begin(&t, 3000), 0);
	thread_table__begin_pass(&t);
	assert_times(note(&t, record(11, 100, 4000, 1600, 160)), 1000, 100, 10);
	thread_table__done(&t);
}

static struct thread_record record_switches(uint32_t tid, uint64_t start, uint64_t now, uint32_t blocked,
					    uint32_t preempted, uint8_t ended)
{
	struct thread_record r = record(tid, start, now, now - start, 0);

	r.blocked = blocked;
	r.switches = blocked + preempted;
	r.ended = ended;
	return r;
}

static void assert_switches(const struct thread *t, uint32_t n_blocked, uint32_t n_preempted)
{
	struct thread_times times;

	thread__times(t, &times);
	assert_int_equal(times.n_blocked, n_blocked);
	assert_int_equal(times.n_preempted, n_preempted);
}

/* Low halves go round. An earlier thread of the same tid has its own; from a last switch nobody comes back, as from one that is not told. */
static void how_often_a_thread_left_its_cpu_is_known(void **state)
{
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	thread_table__begin_pass(&t);
	note(&t, record_switches(11, 100, 1000, UINT32_MAX - 4, 3, THREAD_LIVES));
	assert_int_equal(thread_table__begin(&t, 1000), 0);
	thread_table__begin_pass(&t);
	assert_switches(note(&t, record_switches(11, 100, 2000, 5, 10, THREAD_LIVES)), 10, 7);
	assert_switches(note(&t, record_switches(11, 100, 2100, 6, 10, THREAD_EXITS)), 11, 7);
	assert_switches(note(&t, record_switches(11, 100, 2200, 7, 11, THREAD_GONE)), 11, 8);
	assert_switches(note(&t, record_switches(11, 2300, 2400, 4, 1, THREAD_GONE)), 11 + 3, 8 + 1);
	thread_table__done(&t);
}

static void thread_that_begins_in_the_window_counts_from_its_start(void **state)
{
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	assert_int_equal(thread_table__begin(&t, 1000), 0);
	thread_table__begin_pass(&t);
	assert_times(note(&t, record(11, 1200, 2000, 300, 40)), 800, 300, 40);
	/* it is met for the first time, but was there before: what it had is not this window's */
	assert_times(note(&t, record(12, 900, 2000, 300, 40)), 0, 0, 0);
	thread_table__done(&t);
}

/* As a record of its end that lay in a ring while a pass read a later one; and over the edge of what the count holds. */
static void switches_are_never_fewer_than_none(void **state)
{
	struct thread_record r = record(11, 100, 1000, 500, 50);
	struct thread_table t;
	struct thread *th;

	(void)state;
	thread_table__init(&t);
	r.switches = UINT32_MAX - 1;
	th = note(&t, r);
	assert_int_equal(thread__take_switches(th, &r), 0);
	r.now_ns = 3000;
	r.switches += 7;
	assert_int_equal(thread__take_switches(note(&t, r), &r), 7);
	r.now_ns = 2999;
	r.switches -= 1;
	assert_int_equal(thread__take_switches(note(&t, r), &r), 0);
	r.now_ns = 4000;
	r.switches += 4;
	assert_int_equal(thread__take_switches(note(&t, r), &r), 3);
	/* another thread, that did an exec and has its number and start now */
	r.now_ns = 5000;
	r.switches -= 9;
	assert_int_equal(thread__take_switches(note(&t, r), &r), 0);
	r.now_ns = 6000;
	r.switches += 2;
	assert_int_equal(thread__take_switches(note(&t, r), &r), 2);
	thread_table__done(&t);
}

/* Linux from 6.12 on may count a sleep as a wait for a CPU, and adds it when that is over (bpf/thread.bpf.h). */
static void sleep_that_the_kernel_takes_for_a_wait_is_none(void **state)
{
	const uint64_t ms = 1000000;
	struct thread_record r = record(11, 100, 1000 * ms, 500, 70 * ms);
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	note(&t, r);
	assert_int_equal(thread_table__begin(&t, 1000 * ms), 0);
	r.now_ns = 2000 * ms;
	r.false_queue_ms = 900;
	assert_times(note(&t, r), 1000 * ms, 0, 0);
	r.now_ns = 3000 * ms;
	r.false_queue_ms = 1900;
	assert_times(note(&t, r), 2000 * ms, 0, 0);
	/* it was woken 40 ms later, waits since 20, and the kernel says that it waits for all of that */
	r.now_ns = 3060 * ms;
	r.false_queue_ms = 0;
	r.run_delay_ns += 1960 * ms;
	assert_times(note(&t, r), 2060 * ms, 0, 60 * ms);
	/* once more, and shorter; in between it ran, and waited for 5 ms */
	r.now_ns = 4000 * ms;
	r.run_ns += 30 * ms;
	r.run_delay_ns += 5 * ms;
	r.false_queue_ms = 300;
	assert_times(note(&t, r), 3000 * ms, 30 * ms, 65 * ms);
	r.now_ns = 5000 * ms;
	r.run_delay_ns += 800 * ms;
	r.false_queue_ms = 10;
	assert_times(note(&t, r), 4000 * ms, 30 * ms, 565 * ms);
	/* this one the kernel gave up: it was never added */
	r.now_ns = 6000 * ms;
	r.false_queue_ms = 0;
	r.run_delay_ns += 5 * ms;
	assert_times(note(&t, r), 5000 * ms, 30 * ms, 570 * ms);
	assert_int_equal(thread_table__begin(&t, 6000 * ms), 0);
	r.now_ns = 7000 * ms;
	r.run_delay_ns += 3 * ms;
	assert_times(note(&t, r), 1000 * ms, 0, 3 * ms);
	thread_table__done(&t);
}

static uint64_t away_of(uint64_t before, uint64_t now, uint64_t wall)
{
	struct thread_record r = record(11, 100, 1000, 500, 50);
	struct thread_times times;
	struct thread_table t;

	thread_table__init(&t);
	r.away_ns = before;
	note(&t, r);
	assert_int_equal(thread_table__begin(&t, 1000), 0);
	r.now_ns += wall;
	r.away_ns = now;
	thread__times(note(&t, r), &times);
	thread_table__done(&t);
	return times.away_ns;
}

static void what_was_taken_of_its_cpu_goes_round(void **state)
{
	(void)state;
	assert_int_equal(away_of(1000, 5000, 10000), 4000);
	assert_int_equal(away_of(AWAY_ROUND - 1000, 3000, 10000), 4000);
	/* what it runs now comes on top of what goes round */
	assert_int_equal(away_of(AWAY_ROUND - 1000, AWAY_ROUND + 3000, 10000), 4000);
	assert_int_equal(away_of(AWAY_ROUND + 3000, 5000, 10000), 2000);
	/* it has another place, and begins anew: nobody can have taken an hour of ten microseconds */
	assert_int_equal(away_of(1000, 0, 10000), 0);
	assert_int_equal(away_of(AWAY_ROUND / 2, 3000, 10000), 0);
}

static void room_of_a_crowd_is_given_back(void **state)
{
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	thread_table__begin_pass(&t);
	for (uint32_t tid = 1; tid <= 20000; tid++)
		note(&t, record(tid, 100, 1000, 500, 50));
	thread_table__begin_pass(&t);
	for (uint32_t tid = 1; tid <= 300; tid++)
		note(&t, record(tid, 100, 2000, 700 + tid, 50));
	assert_int_equal(thread_table__begin(&t, 2000), 0);
	assert_int_equal(t.n, 300);
	assert_in_range(t.cap, 300, 1000);
	thread_table__begin_pass(&t);
	for (uint32_t tid = 1; tid <= 20000; tid++)
		note(&t, record(tid, 100, 3000, 900 + tid, 50));
	for (uint32_t tid = 1; tid <= 300; tid++)
		assert_times(thread_table__find(&t, 5, tid), 1000, 200, 0);
	thread_table__done(&t);
}

static void threads_that_ended_are_gone_with_the_next_window(void **state)
{
	struct thread_record end = record(11, 100, 2500, 900, 90);
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	thread_table__begin_pass(&t);
	note(&t, record(11, 100, 1000, 500, 50));
	note(&t, record(12, 100, 1000, 500, 50));
	note(&t, record(13, 100, 1000, 500, 50));
	assert_int_equal(thread_table__begin(&t, 1000), 0);
	thread_table__begin_pass(&t);
	end.ended = 1;
	assert_times(note(&t, end), 1500, 400, 40);
	note(&t, record(12, 100, 3000, 600, 60)); /* 13 vanished without a word */
	assert_int_equal(thread_table__begin(&t, 3000), 0);
	assert_null(thread_table__find(&t, 5, 11));
	assert_non_null(thread_table__find(&t, 5, 12));
	assert_null(thread_table__find(&t, 5, 13));
	assert_null(thread_table__find(&t, 6, 12)); /* another process */
	thread_table__done(&t);
}

/* Between two passes it began and ended, and its program with it: only its last record says that it was to be counted. */
static void who_was_to_be_counted_stays_so_when_it_has_ended(void **state)
{
	struct thread_record end = record(11, 1500, 1600, 50, 5);
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	assert_int_equal(thread_table__begin(&t, 1000), 0);
	end.ended = 1;
	assert_false(note(&t, end)->is_followed);
	end.flags = THREAD_IS_INCLUDED;
	end.tid = 12;
	assert_true(note(&t, end)->is_followed);
	end.flags = THREAD_IS_KERNEL;
	assert_true(note(&t, end)->is_followed);
	assert_true(note(&t, end)->is_kernel_thread);
	thread_table__done(&t);
}

static void tid_that_is_used_again_adds_up(void **state)
{
	struct thread_record end = record(11, 100, 2000, 900, 90);
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	thread_table__begin_pass(&t);
	note(&t, record(11, 100, 1000, 500, 50));
	assert_int_equal(thread_table__begin(&t, 1000), 0);
	thread_table__begin_pass(&t);
	end.ended = 1;
	note(&t, end);
	assert_times(note(&t, record(11, 2200, 3000, 10, 1)), 1000 + 800, 400 + 10, 40 + 1);
	assert_int_equal(t.n, 1);
	thread_table__done(&t);
}

static void many_threads_are_found(void **state)
{
	struct thread_table t;

	(void)state;
	thread_table__init(&t);
	assert_int_equal(thread_table__begin(&t, 1), 0);
	for (uint32_t i = 1; i <= 20000; i++)
		note(&t, record(i, 10, 10 + i, i, 0));
	for (uint32_t i = 1; i <= 20000; i++)
		assert_times(thread_table__find(&t, 5, i), i, i, 0);
	thread_table__done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_often_a_thread_left_its_cpu_is_known),
		cmocka_unit_test(thread_that_was_there_counts_from_the_windows_beginning),
		cmocka_unit_test(thread_that_begins_in_the_window_counts_from_its_start),
		cmocka_unit_test(switches_are_never_fewer_than_none),
		cmocka_unit_test(sleep_that_the_kernel_takes_for_a_wait_is_none),
		cmocka_unit_test(what_was_taken_of_its_cpu_goes_round),
		cmocka_unit_test(room_of_a_crowd_is_given_back),
		cmocka_unit_test(threads_that_ended_are_gone_with_the_next_window),
		cmocka_unit_test(who_was_to_be_counted_stays_so_when_it_has_ended),
		cmocka_unit_test(tid_that_is_used_again_adds_up),
		cmocka_unit_test(many_threads_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
