// SPDX-License-Identifier: Apache-2.0
/* bpf/tick.h against a CPU that is told: what ticks stand for must be what its tasks were charged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bpf/tick.h"

#define PERIOD  1001001ull
#define RESUMED 5000000000ull

struct cpu {
	struct cpu_ticks ticks;
	struct tick now;
	uint64_t sum, lost;
};

static void cpu__resume(struct cpu *cpu)
{
	*cpu = (struct cpu){
		.now = {.now_ns = RESUMED, .resumed_ns = RESUMED, .period_ns = PERIOD, .away_ns = 77}};
}

/* A tick after `passed`; it stands for what is returned. */
static uint64_t cpu__tick(struct cpu *cpu, uint64_t passed)
{
	__u64 value, lost;

	cpu->now.now_ns += passed;
	value = tick__take(&cpu->ticks, &cpu->now, &lost);
	cpu->sum += value;
	cpu->lost += lost;
	return value;
}

static void ticks_stand_for_what_passed(void **state)
{
	struct cpu cpu;

	(void)state;
	cpu__resume(&cpu);
	assert_int_equal(cpu__tick(&cpu, 400000), 400000); /* the first one since the clocks are on */
	assert_int_equal(cpu__tick(&cpu, PERIOD), PERIOD);
	assert_int_equal(cpu__tick(&cpu, PERIOD + 300), PERIOD + 300); /* late */
	assert_int_equal(cpu__tick(&cpu, PERIOD - 300), PERIOD - 300);
	assert_int_equal(cpu__tick(&cpu, 7 * PERIOD), 7 * PERIOD); /* six were swallowed */
	assert_int_equal(cpu.lost, 0);
	assert_int_equal(cpu.ticks.n, 5);
}

static void what_the_hypervisor_took_is_nobodys(void **state)
{
	struct cpu cpu;

	(void)state;
	cpu__resume(&cpu);
	cpu__tick(&cpu, PERIOD);
	cpu.now.away_ns += 4 * PERIOD;
	assert_int_equal(cpu__tick(&cpu, 5 * PERIOD), PERIOD);
	/* accounted late: taken off what follows */
	assert_int_equal(cpu__tick(&cpu, 3 * PERIOD), 3 * PERIOD);
	cpu.now.away_ns += 2 * PERIOD + 100;
	assert_int_equal(cpu__tick(&cpu, PERIOD), 0);
	assert_int_equal(cpu__tick(&cpu, PERIOD), 0);
	assert_int_equal(cpu__tick(&cpu, PERIOD), PERIOD - 100);
	assert_int_equal(cpu.lost, 0);
}

static void after_idling_a_tick_is_one_period(void **state)
{
	struct cpu cpu;

	(void)state;
	cpu__resume(&cpu);
	cpu__tick(&cpu, PERIOD);
	/* idle ticks come … */
	cpu.now.is_idle = 1;
	assert_int_equal(cpu__tick(&cpu, PERIOD), 0);
	assert_int_equal(cpu__tick(&cpu, PERIOD), 0);
	cpu.now.is_idle = 0;
	cpu.now.n_idled++;
	cpu.now.away_ns += 50000; /* the wake-up was slow */
	assert_int_equal(cpu__tick(&cpu, PERIOD), PERIOD);
	/* … or they do not */
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, 900 * PERIOD), PERIOD);
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, 9000 * PERIOD), PERIOD);
	/* idling pays what was owed */
	cpu.now.away_ns += 3 * PERIOD;
	assert_int_equal(cpu__tick(&cpu, PERIOD), 0);
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, PERIOD), PERIOD);
	assert_int_equal(cpu__tick(&cpu, PERIOD), PERIOD);
	assert_int_equal(cpu.lost, 0);
	assert_int_equal(cpu.ticks.n, 7);
}

static void a_gap_without_a_clock_is_lost(void **state)
{
	struct cpu cpu;

	(void)state;
	cpu__resume(&cpu);
	cpu__tick(&cpu, PERIOD);
	assert_int_equal(cpu__tick(&cpu, 5000 * PERIOD), PERIOD);
	assert_int_equal(cpu.lost, 4999 * PERIOD);
	/* clocks that were turned off: that time was not asked for */
	cpu.now.now_ns += 5000 * PERIOD;
	cpu.now.resumed_ns = cpu.now.now_ns;
	assert_int_equal(cpu__tick(&cpu, PERIOD / 3), PERIOD / 3);
	assert_int_equal(cpu.lost, 4999 * PERIOD);
}

static void the_sum_is_what_was_charged(void **state)
{
	uint64_t charged = 0, away = 0, untold = 0, at = 0;
	struct cpu cpu;

	(void)state;
	srand(1);
	cpu__resume(&cpu);
	for (int i = 0; i < 100000; i++) {
		uint64_t passed = PERIOD - at, took = rand() % 10 ? 0 : (uint64_t)rand() % (3 * PERIOD);

		passed += took;
		at = took % PERIOD; /* the grid stays: the next tick comes sooner */
		away += took;
		untold += took;
		charged += passed - took;
		if (rand() % 4 == 0) { /* the scheduler looks every fourth tick */
			cpu.now.away_ns += untold;
			untold = 0;
		}
		cpu__tick(&cpu, passed);
	}
	assert_true(away > 0);
	/* but for what is not accounted yet, and what is not taken off yet */
	assert_int_equal(cpu.sum, charged + untold + (uint64_t)cpu.ticks.owed_ns);
	assert_true(cpu.ticks.owed_ns < (int64_t)(12 * PERIOD));
	assert_int_equal(cpu.lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_stand_for_what_passed),
		cmocka_unit_test(what_the_hypervisor_took_is_nobodys),
		cmocka_unit_test(after_idling_a_tick_is_one_period),
		cmocka_unit_test(a_gap_without_a_clock_is_lost),
		cmocka_unit_test(the_sum_is_what_was_charged),
	};

	return cmocka_run_group_tests_name("tick", tests, NULL, NULL);
}
