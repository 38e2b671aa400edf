// SPDX-License-Identifier: Apache-2.0
/* For how long the quota of its control group kept a thread from a CPU, and for how long others did, wherever it comes to one again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/throttle.bpf.h"

#define MS 1000000ull

/* Two CPUs, and the group's account on each. */
static struct rq rqs[2];
static struct cfs_rq cfs[2];
static struct task_struct task;
static struct throttle place;

/* It leaves CPU 0 at 1000 ms, because the quota is used up. Until then it had kept threads from there for 50 ms, from the other one for `other`. */
static void leaves(uint64_t other)
{
	shim_lacks = NULL;
	rqs[0] = rqs[1] = (struct rq){.clock = 1000 * MS};
	cfs[0] = (struct cfs_rq){.rq = &rqs[0], .throttle_count = 1, .throttled_clock_self_time = 50 * MS};
	cfs[1] = (struct cfs_rq){.rq = &rqs[1], .throttled_clock_self_time = other};
	task = (struct task_struct){.pid = 7, .se.cfs_rq = &cfs[0]};
	cfs[0].throttled_clock_self = 1000 * MS;
	assert_true(throttle__is_on(&task));
	throttle__left(&place, &task, 1000 * MS);
}

/* After 80 ms there is quota again. It comes to that CPU 100 ms after it left. */
static uint64_t comes_to(int cpu)
{
	cfs[0].throttle_count = 0;
	cfs[0].throttled_clock_self = 0;
	cfs[0].throttled_clock_self_time += 80 * MS;
	rqs[0].clock = rqs[1].clock = 1100 * MS;
	task.se.cfs_rq = &cfs[cpu];
	return throttle__queued(&place, task.pid, rqs[cpu].clock, 100 * MS);
}

static void what_the_quota_kept_it_is_no_queue(void **state)
{
	(void)state;
	leaves(0);
	assert_int_equal(comes_to(0), 20 * MS);
	/* a pass has told of all but the last 5 ms */
	assert_int_equal(throttle__queued(&place, 7, 1100 * MS, 5 * MS), 5 * MS);
	/* another thread has the place by now */
	assert_int_equal(throttle__queued(&place, 8, 1100 * MS, 100 * MS), 0);
}

static void pulled_by_another_cpu_it_waited_for_the_quota_of_the_first(void **state)
{
	(void)state;
	/* the accounts have nothing to do with each other: less, hardly more, and far more than the first one's */
	for (uint64_t other = 0; other < 100000 * MS; other = other * 10 + 7 * MS) {
		leaves(other);
		assert_int_equal(comes_to(1), 20 * MS);
	}
}

static void quota_that_is_wanting_still_counts_up_to_now(void **state)
{
	(void)state;
	leaves(0);
	rqs[0].clock = 1060 * MS;
	assert_int_equal(throttle__queued(&place, 7, 1060 * MS, 60 * MS), 0);
	/* it was taken off its CPU before the quota could, and waited for that in between */
	leaves(0);
	cfs[0].throttled_clock_self = 0;
	assert_int_equal(throttle__queued(&place, 7, 1060 * MS, 60 * MS), 60 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_quota_kept_it_is_no_queue),
		cmocka_unit_test(pulled_by_another_cpu_it_waited_for_the_quota_of_the_first),
		cmocka_unit_test(quota_that_is_wanting_still_counts_up_to_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
