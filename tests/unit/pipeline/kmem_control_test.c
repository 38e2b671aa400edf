// SPDX-License-Identifier: Apache-2.0
/* A kernel that allocates at a known rate: does the controller stay below the budget, stay where it is, and come back? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/pipeline/kmem_control.h"

#define CPUS      2
#define BUDGET    2500 /* ppm: 5 ms a second of two CPUs */
#define SAMPLE_NS 15000

struct machine {
	struct kmem_control control;
	uint64_t now_ns, n_taken, cost_ns;
	double taken; /* in the last second */
};

static void setup(struct machine *m)
{
	*m = (struct machine){0};
	kmem_control__init(&m->control, BUDGET, CPUS);
	kmem_control__judge(&m->control, 0, 0, 0);
}

static void run(struct machine *m, double bytes_a_second, int seconds)
{
	while (seconds--) {
		m->taken = bytes_a_second / (double)m->control.interval_bytes;
		m->now_ns += NS_PER_SEC;
		m->n_taken += (uint64_t)m->taken;
		m->cost_ns += (uint64_t)(m->taken * SAMPLE_NS);
		kmem_control__judge(&m->control, m->now_ns, m->n_taken, m->cost_ns);
	}
}

static void budget_is_kept_and_used(void **state)
{
	struct machine m;

	(void)state;
	for (double rate = 1e6; rate < 1e11; rate *= 3) {
		setup(&m);
		run(&m, rate, 30);
		assert_true(m.taken * SAMPLE_NS <= BUDGET * 1000.0 * CPUS);
		if (m.control.interval_bytes > KMEM_INTERVAL_MIN)
			assert_true(m.taken * SAMPLE_NS >= BUDGET * 1000.0 * CPUS * 0.4);
	}
}

static void one_slice_is_enough_to_go_up(void **state)
{
	struct machine m;

	(void)state;
	setup(&m);
	run(&m, 1e5, 20);
	assert_int_equal(m.control.interval_bytes, KMEM_INTERVAL_MIN);
	run(&m, 1e10, 2);
	assert_true(m.taken * SAMPLE_NS <= BUDGET * 1000.0 * CPUS);
}

static void steady_rate_has_a_steady_interval(void **state)
{
	struct machine m;
	uint64_t interval;

	(void)state;
	setup(&m);
	run(&m, 3e9, 30);
	interval = m.control.interval_bytes;
	run(&m, 3e9, 30);
	assert_int_equal(m.control.interval_bytes, interval);
	run(&m, 3.5e9, 30); /* nor does a little more move it */
	assert_int_equal(m.control.interval_bytes, interval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget_is_kept_and_used),
		cmocka_unit_test(one_slice_is_enough_to_go_up),
		cmocka_unit_test(steady_rate_has_a_steady_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
