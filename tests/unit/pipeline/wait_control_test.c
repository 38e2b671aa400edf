// SPDX-License-Identifier: Apache-2.0
/* A machine that switches at a known rate, at known costs: does the controller stay below the budget, and come back? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/wait_slot.h"
#include "user/base/clock.h"
#include "user/pipeline/wait_control.h"

#define CPUS   2
#define BUDGET 2500 /* ppm: 5 ms a second of two CPUs */

struct machine {
	struct wait_control control;
	struct wait_reading r;
	struct wait_orders orders;
	double switches, waited_s; /* a second: switches, and time that threads wait in short waits */
	double switch_ns, taken_ns, pass_ns;
	double spent_ns; /* in the last second */
	double unpassed; /* switches since the last pass */
	uint32_t since_pass;
};

static void setup(struct machine *m, bool has_hook)
{
	*m = (struct machine){.switch_ns = 100, .taken_ns = 20000, .pass_ns = 100000};
	wait_control__init(&m->control, BUDGET, CPUS, has_hook);
	m->orders = m->control.orders;
	wait_control__judge(&m->control, &m->r, &m->orders);
}

static void run(struct machine *m, int seconds)
{
	while (seconds--) {
		double taken = m->orders.hook ? m->waited_s * 1e9 / (double)m->orders.interval_ns : 0;

		if (taken > m->switches)
			taken = m->switches;
		m->spent_ns = m->orders.hook ? m->switches * m->switch_ns + taken * m->taken_ns : 0;
		m->r.now_ns += NS_PER_SEC;
		m->r.n_switches += m->orders.hook ? (uint64_t)m->switches : 0;
		m->unpassed += m->switches;
		if (++m->since_pass >= m->orders.pass_every) {
			m->r.n_passed += (uint64_t)m->unpassed;
			m->r.passed_ns = m->r.now_ns;
			m->unpassed = m->since_pass = 0;
		}
		m->r.n_taken += (uint64_t)taken;
		m->r.cost_ns += (uint64_t)m->spent_ns;
		m->r.pass_ns += (uint64_t)m->pass_ns;
		wait_control__judge(&m->control, &m->r, &m->orders);
	}
}

static void quiet_machine_is_looked_at_closely(void **state)
{
	struct machine m;

	(void)state;
	setup(&m, true);
	m.switches = 200;
	m.waited_s = 0.3;
	run(&m, 30);
	assert_true(m.orders.hook);
	assert_int_equal(m.orders.interval_ns, WAIT_INTERVAL_MIN_NS);
	assert_true(m.orders.told);
}

static void busy_machine_is_kept_below_the_budget(void **state)
{
	struct machine m;

	(void)state;
	setup(&m, true);
	m.switches = 20000;
	m.waited_s = 40;
	run(&m, 30);
	assert_true(m.orders.hook);
	assert_true(m.spent_ns < 5.5e6);
	assert_true(m.spent_ns > 3e6); /* and it is used */
}

/* A crowd came, and CPUs took fewer by themselves: what was taken does not tell how many there are, but what they came to does. */
static void what_cpus_came_to_by_themselves_is_followed(void **state)
{
	struct machine m;

	(void)state;
	setup(&m, true);
	m.r.used_ns = 256 * WAIT_INTERVAL_START_NS;
	m.waited_s = 4;
	run(&m, 1);
	assert_int_equal(m.orders.interval_ns, 64 * WAIT_INTERVAL_START_NS);
	/* twice as long as ordered is what every slice comes to now and then */
	m.r.used_ns = 2 * m.orders.interval_ns;
	run(&m, 1);
	assert_int_equal(m.orders.interval_ns, 32 * WAIT_INTERVAL_START_NS);
	m.r.used_ns = 0;
	run(&m, 30);
	assert_true(m.orders.interval_ns < 2 * WAIT_INTERVAL_START_NS);
}

static void storm_of_switches_takes_the_hook_away_until_it_is_over(void **state)
{
	struct machine m;

	(void)state;
	setup(&m, true);
	m.switches = 2000;
	m.waited_s = 1;
	run(&m, 10);
	assert_true(m.orders.hook);
	m.switches = 400000;
	run(&m, 1);
	assert_true(m.orders.hook); /* a moment is no reason */
	run(&m, 8);
	assert_false(m.orders.hook);
	m.switches = 45000; /* less, but the hook would not leave half of the budget */
	run(&m, 60);
	assert_false(m.orders.hook);
	m.switches = 2000;
	run(&m, 3);
	assert_true(m.orders.hook);
	run(&m, 60);
	assert_true(m.orders.hook);
}

/* Passes are too dear for what is left of the budget, and come every eighth second. Between two of them it is not as if nobody switched. */
static void storm_is_seen_between_passes_too(void **state)
{
	struct machine m;
	int with_hook = 0;

	(void)state;
	setup(&m, true);
	m.control.budget_ppm = BUDGET / 16;
	m.switches = 200;
	m.pass_ns = 4000000;
	run(&m, 20);
	assert_true(m.orders.hook);
	assert_int_equal(m.orders.pass_every, 8);
	m.switches = 400000;
	for (int i = 0; i < 240; i++) {
		with_hook += m.orders.hook;
		run(&m, 1);
	}
	assert_int_equal(with_hook, WAIT_HOOK_PATIENCE);
	m.switches = 200;
	run(&m, 16);
	assert_true(m.orders.hook);
}

static void hook_does_not_come_and_go_every_few_seconds(void **state)
{
	struct machine m;
	int changes = 0;

	(void)state;
	setup(&m, true);
	m.waited_s = 1;
	for (int i = 0; i < 120; i++) {
		bool before = m.orders.hook;

		m.switches = i / 10 % 2 ? 400000 : 2000; /* ten seconds each */
		run(&m, 1);
		changes += before != m.orders.hook;
	}
	assert_true(changes <= 8);
}

static void few_waits_for_a_cpu_are_looked_at_where_there_are_many(void **state)
{
	struct machine m;

	(void)state;
	setup(&m, true);
	m.switches = 20000;
	run(&m, 2);
	assert_int_equal(m.orders.run_queue_every, RUN_QUEUE_EVERY);
	m.switches = CPUS * 200000;
	run(&m, 2);
	assert_in_range(200000 / m.orders.run_queue_every, RUN_QUEUE_A_CPU / 2, RUN_QUEUE_A_CPU);
	m.switches = CPUS * 1e9;
	run(&m, 2);
	assert_int_equal(m.orders.run_queue_every, RUN_QUEUE_EVERY_MAX);
}

static void kernel_without_hook_is_not_asked_for_one(void **state)
{
	struct machine m;

	(void)state;
	setup(&m, false);
	m.switches = 10;
	run(&m, 100);
	assert_false(m.orders.hook);
}

static void dear_passes_become_rare(void **state)
{
	struct machine m;

	(void)state;
	setup(&m, true);
	for (int i = 0; i < 10; i++) {
		m.r.pass_ns += 4000000;
		run(&m, 1);
	}
	assert_int_equal(m.orders.pass_every, 8);
	run(&m, 10);
	assert_int_equal(m.orders.pass_every, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_machine_is_looked_at_closely),
		cmocka_unit_test(busy_machine_is_kept_below_the_budget),
		cmocka_unit_test(what_cpus_came_to_by_themselves_is_followed),
		cmocka_unit_test(storm_of_switches_takes_the_hook_away_until_it_is_over),
		cmocka_unit_test(storm_is_seen_between_passes_too),
		cmocka_unit_test(hook_does_not_come_and_go_every_few_seconds),
		cmocka_unit_test(few_waits_for_a_cpu_are_looked_at_where_there_are_many),
		cmocka_unit_test(kernel_without_hook_is_not_asked_for_one),
		cmocka_unit_test(dear_passes_become_rare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
