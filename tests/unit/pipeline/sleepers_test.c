// SPDX-License-Identifier: Apache-2.0
/* Who is remembered from one pass to the next, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/usage.h"
#include "user/base/clock.h"
#include "user/pipeline/sleepers.h"

#define CROWD 1000u

static uint64_t note(struct sleepers *s, uint32_t tid, uint64_t delay_ms, uint32_t false_ms, uint32_t pass)
{
	const struct usage_record r = {.start_ns = 5,
				       .tgid = 1,
				       .tid = tid,
				       .run_delay_ns = delay_ms * NS_PER_MS,
				       .false_queue_ms = false_ms};

	return sleepers__note(s, &r, pass);
}

static void only_those_that_sleep_so_are_remembered(void **state)
{
	struct sleepers s;

	(void)state;
	sleepers__init(&s);
	assert_int_equal(note(&s, 1, 100, 0, 1), 0);
	assert_int_equal(s.n, 0);
	for (uint32_t tid = 1; tid <= CROWD; tid++)
		assert_int_equal(note(&s, tid, 100, tid, 1), 0);
	sleepers__end_pass(&s, 1);
	assert_int_equal(s.n, CROWD);
	/* every other one wakes, the last ones end */
	for (uint32_t tid = 1; tid <= CROWD - 100; tid++) {
		if (tid % 2)
			assert_int_equal(note(&s, tid, 100 + tid + 3, 0, 2), tid * NS_PER_MS);
		else
			assert_int_equal(note(&s, tid, 100, tid + 1000, 2), 0);
	}
	sleepers__end_pass(&s, 2);
	assert_int_equal(s.n, (CROWD - 100) / 2);
	for (uint32_t tid = 2; tid <= CROWD - 100; tid += 2)
		assert_int_equal(note(&s, tid, 100 + tid + 1000, 0, 3), (tid + 1000) * NS_PER_MS);
	assert_int_equal(s.n, 0);
	sleepers__done(&s);
}

static void room_of_a_crowd_is_given_back(void **state)
{
	struct sleepers s;
	uint32_t most;

	(void)state;
	sleepers__init(&s);
	for (uint32_t tid = 1; tid <= SLEEPERS_MAX + 5; tid++)
		note(&s, tid, 0, 1, 1);
	assert_int_equal(s.n, SLEEPERS_MAX);
	most = s.cap;
	for (uint32_t pass = 2; pass < 20; pass++)
		sleepers__end_pass(&s, pass);
	assert_int_equal(s.n, 0);
	assert_true(s.cap <= most / 100);
	sleepers__done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_those_that_sleep_so_are_remembered),
		cmocka_unit_test(room_of_a_crowd_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
