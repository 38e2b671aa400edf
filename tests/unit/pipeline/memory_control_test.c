// SPDX-License-Identifier: Apache-2.0
/* A machine that faults at a known rate, at known costs: does the controller stay below the budget, and come back? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/pipeline/memory_control.h"

#define CPUS   2
#define BUDGET 1000 /* ppm: 2 ms a second of two CPUs */

struct machine {
	struct memory_control control;
	struct memory_reading r;
	double faults, sample_ns;
	double spent_ns; /* in the last second */
};

static void setup(struct machine *m)
{
	*m = (struct machine){.sample_ns = 15000};
	memory_control__init(&m->control, BUDGET, CPUS);
	memory_control__judge(&m->control, &m->r);
}

static void pass(struct machine *m, double seconds)
{
	double fired = m->faults * seconds / memory_control__period(&m->control);

	m->spent_ns = fired * m->sample_ns / seconds;
	m->r.now_ns += (uint64_t)(seconds * NS_PER_SEC);
	m->r.n_faults += (uint64_t)(m->faults * seconds);
	m->r.n_fired += (uint64_t)fired;
	m->r.n_taken += (uint64_t)fired;
	m->r.cost_ns += (uint64_t)(fired * m->sample_ns);
}

static void run(struct machine *m, int seconds)
{
	while (seconds--) {
		pass(m, 1);
		memory_control__judge(&m->control, &m->r);
	}
}

static void assert_prime(uint32_t n)
{
	for (uint32_t i = 2; i * i <= n; i++)
		if (n % i == 0)
			fail_msg("%u is no prime", n);
}

static void quiet_machine_is_looked_at_closely(void **state)
{
	struct machine m;

	(void)state;
	setup(&m);
	m.faults = 20;
	run(&m, 10);
	assert_int_equal(memory_control__period(&m.control), MEMORY_PERIOD_MIN);
}

static void budget_is_kept(void **state)
{
	struct machine m;

	(void)state;
	for (double faults = 100; faults < 5e6; faults *= 3) {
		setup(&m);
		m.faults = faults;
		run(&m, 20);
		pass(&m, 1);
		/* the last period is for what is beyond any budget */
		if (m.spent_ns > BUDGET * 1000.0 * CPUS &&
		    memory_control__period(&m.control) != MEMORY_PERIOD_MAX)
			fail_msg("%.0f faults a second: %.0f ns of %.0f", faults, m.spent_ns,
				 BUDGET * 1000.0 * CPUS);
		assert_prime(memory_control__period(&m.control));
	}
}

static void dear_samples_are_fewer(void **state)
{
	struct machine m;
	uint32_t cheap;

	(void)state;
	setup(&m);
	m.faults = 100000;
	run(&m, 20);
	cheap = memory_control__period(&m.control);
	m.sample_ns = 60000;
	run(&m, 20);
	assert_true(memory_control__period(&m.control) > cheap);
}

static void goes_up_at_once_and_comes_down_in_steps(void **state)
{
	struct machine m;
	uint32_t high;

	(void)state;
	setup(&m);
	m.faults = 20;
	run(&m, 10);
	m.faults = 1e6;
	run(&m, 1);
	high = memory_control__period(&m.control);
	assert_true(high >= 4093);
	m.faults = 20;
	run(&m, 1);
	assert_in_range(memory_control__period(&m.control), high / 3, high - 1);
	run(&m, 20);
	assert_int_equal(memory_control__period(&m.control), MEMORY_PERIOD_MIN);
}

static void steady_rate_has_a_steady_period(void **state)
{
	struct machine m;
	uint32_t period;

	(void)state;
	for (double faults = 1000; faults < 1e6; faults *= 1.3) {
		setup(&m);
		m.faults = faults;
		run(&m, 20);
		period = memory_control__period(&m.control);
		for (int i = 0; i < 20; i++) {
			run(&m, 1);
			assert_int_equal(memory_control__period(&m.control), period);
		}
	}
}

/* A thousandth of a second into a burst, somebody cries. */
static void alarm_does_not_wait_for_the_slice(void **state)
{
	struct machine m;
	uint32_t before;

	(void)state;
	setup(&m);
	m.faults = 20;
	run(&m, 10);
	before = memory_control__period(&m.control);
	m.faults = 1e6;
	for (int i = 0; i < 2; i++) {
		pass(&m, 0.002);
		assert_true(memory_control__alarm(&m.control, &m.r));
		assert_true(memory_control__period(&m.control) > before);
		before = memory_control__period(&m.control);
	}
	assert_true(before >= 500);
	for (int i = 0; i < 20; i++)
		memory_control__alarm(&m.control, &m.r);
	assert_int_equal(memory_control__period(&m.control), MEMORY_PERIOD_MAX);
	assert_false(memory_control__alarm(&m.control, &m.r));
}

static void share_of_a_slice_follows_the_budget(void **state)
{
	struct memory_control m;

	(void)state;
	memory_control__init(&m, 1000, CPUS);
	assert_int_equal(memory_control__slice_bits(&m), 5); /* half of 66 in a slice */
	m.sample_ns = 30000;
	assert_int_equal(memory_control__slice_bits(&m), 4);
	memory_control__init(&m, 10000, CPUS);
	assert_int_equal(memory_control__slice_bits(&m), 8);
	memory_control__init(&m, 1, CPUS);
	assert_int_equal(memory_control__slice_bits(&m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_machine_is_looked_at_closely),
		cmocka_unit_test(budget_is_kept),
		cmocka_unit_test(dear_samples_are_fewer),
		cmocka_unit_test(goes_up_at_once_and_comes_down_in_steps),
		cmocka_unit_test(steady_rate_has_a_steady_period),
		cmocka_unit_test(alarm_does_not_wait_for_the_slice),
		cmocka_unit_test(share_of_a_slice_follows_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
