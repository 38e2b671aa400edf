// SPDX-License-Identifier: Apache-2.0
/* How long a thread has waited for a CPU, where the kernel's account of it began with its sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/queue.bpf.h"

#define MS   1000000ull
#define HOUR (3600000 * MS)
#define NOW  (10 * HOUR)

static struct rq rq;
static struct cfs_rq cfs;
static struct task_struct task;
static struct wait_slot slot;

/* It sleeps since an hour ago, and so says the queue's account. A pass met it a second ago. */
static int setup(void **state)
{
	(void)state;
	gate = (struct gate){.wait_clock_ns = 5 * HOUR};
	shim_lacks = NULL;
	shim_now = NOW + gate.wait_clock_ns;
	rq = (struct rq){.clock = NOW};
	cfs = (struct cfs_rq){.rq = &rq};
	task = (struct task_struct){.pid = 7, .se.cfs_rq = &cfs, .sched_info.last_queued = NOW - HOUR};
	slot = (struct wait_slot){
		.since_ns = NOW - 1000 * MS, .tid = 7, .state = WAIT_BLOCKED, .told = WAIT_TOLD_ASLEEP};
	return 0;
}

static void who_was_met_asleep_has_waited_for_a_cpu_since_then_at_most(void **state)
{
	(void)state;
	assert_int_equal(queue__of_wait(&slot, &task, NOW), 1000 * MS);
	/* the pass's clock may be ahead of that of the CPU */
	slot.since_ns = NOW + 1;
	assert_int_equal(queue__of_wait(&slot, &task, NOW), 0);
	/* the kernel's account is right, mostly */
	slot.since_ns = NOW - 1000 * MS;
	task.sched_info.last_queued = NOW - 3 * MS;
	assert_int_equal(queue__of_wait(&slot, &task, NOW), 3 * MS);
}

static void who_did_wait_for_a_cpu_all_along_is_believed(void **state)
{
	(void)state;
	/* it was woken before the pass came by */
	slot.told = WAIT_TOLD_QUEUED;
	assert_int_equal(queue__of_wait(&slot, &task, NOW), HOUR);
	/* it was about to sleep when it was taken off its CPU */
	slot.told = WAIT_TOLD_ASLEEP;
	slot.state = WAIT_PREEMPTED;
	assert_int_equal(queue__of_wait(&slot, &task, NOW), HOUR);
	/* no pass met it, or it has no place */
	slot.state = WAIT_BLOCKED;
	slot.told = 0;
	assert_int_equal(queue__of_wait(&slot, &task, NOW), HOUR);
	assert_int_equal(queue__of_wait(NULL, &task, NOW), HOUR);
}

static void sleep_in_a_queue_is_told_for_as_long_as_it_lasts(void **state)
{
	(void)state;
	assert_int_equal(task__false_queue_ms(&task), 3600000);
	/* by the CPU's own clock, which idles */
	gate.wait_clock_ns = 0;
	rq.clock = NOW - HOUR + 5 * MS;
	assert_int_equal(task__false_queue_ms(&task), 5);
	/* in a queue for the time being, from Linux 6.12 on */
	task.on_rq = task.se.sched_delayed = 1;
	assert_int_equal(task__false_queue_ms(&task), 5);
	task.se.sched_delayed = 0;
	assert_int_equal(task__false_queue_ms(&task), 0); /* that is a wait for a CPU */
	task.on_rq = 0;
	task.on_cpu = 1; /* on its way out */
	assert_int_equal(task__false_queue_ms(&task), 0);
	task.on_cpu = 0;
	task.sched_info.last_queued = 0;
	assert_int_equal(task__false_queue_ms(&task), 0);
}

static void a_clock_that_was_read_while_it_moved_took_nothing_away(void **state)
{
	(void)state;
	rq = (struct rq){.clock = 1000 * MS, .clock_task = 900 * MS};
	assert_int_equal(rq__away_since(&rq, 70 * MS), 30 * MS);
	assert_int_equal(rq__away_since(&rq, 100 * MS), 0);
	assert_int_equal(rq__away_since(&rq, 110 * MS), 0);
	assert_int_equal(rq__away_since(&rq, AWAY_UNKNOWN), 0);
	/* clock was read before, clock_task after a tick of 4 ms, on a machine that takes nothing away */
	rq.clock_task = 1004 * MS;
	assert_int_equal(rq__away_since(&rq, 0), 0);
	assert_int_equal(rq__away_since(&rq, AWAY_UNKNOWN), 0);
	assert_int_equal(rq__away_since(NULL, 0), 0);
}

static void clocks_of_two_kinds_are_not_held_against_each_other(void **state)
{
	(void)state;
	task.sched_info.last_arrival = NOW - 7 * MS;
	assert_int_equal(task__stretch(&task, NOW), 7 * MS);
	shim_lacks = "cfs_rq"; /* then `now` is CLOCK_MONOTONIC */
	assert_int_equal(task__stretch(&task, NOW + 5 * HOUR), NOW + 5 * HOUR);
	assert_null(task__rq(&task));
	assert_int_equal(task__queued(&task, ~0ull), 0);
	shim_lacks = "last_arrival";
	assert_int_equal(task__stretch(&task, NOW), NOW);
}

static void how_long_tasks_ran_on_a_cpu_is_not_known_in_a_switch(void **state)
{
	struct task_struct next = {};

	(void)state;
	rq = (struct rq){.curr = &task, .clock = 100 * MS, .rq_cpu_time = 30 * MS};
	task.sched_info.last_arrival = 93 * MS;
	assert_int_equal(rq__run(&rq, &task), 37 * MS);
	rq.curr = &next; /* the stretch of `task` may be in the sum already */
	assert_int_equal(rq__run(&rq, &task), 0);
	rq.curr = &task;
	shim_lacks = "rq_cpu_time";
	assert_int_equal(rq__run(&rq, &task), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_was_met_asleep_has_waited_for_a_cpu_since_then_at_most),
		TEST(who_did_wait_for_a_cpu_all_along_is_believed),
		TEST(sleep_in_a_queue_is_told_for_as_long_as_it_lasts),
		TEST(clocks_of_two_kinds_are_not_held_against_each_other),
		TEST(how_long_tasks_ran_on_a_cpu_is_not_known_in_a_switch),
		TEST(a_clock_that_was_read_while_it_moved_took_nothing_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
