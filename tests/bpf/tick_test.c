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

/* An idle CPU that interrupts wake now and then has no clock that stopped: nothing is late. */
static void ticks_that_find_a_cpu_idle_lose_nothing(void **state)
{
	struct cpu cpu;

	(void)state;
	cpu__resume(&cpu);
	cpu__tick(&cpu, PERIOD);
	cpu.now.is_idle = 1;
	assert_int_equal(cpu__tick(&cpu, PERIOD), 0);
	assert_int_equal(cpu__tick(&cpu, 5000 * PERIOD), 0);
	assert_int_equal(cpu.lost, 0);
	assert_int_equal(cpu.ticks.n, 1);
}

/* A CPU with a counter of cycles: `busy` of each `every` us it runs a task, for the next `irq` us an interrupt while it idles. A look of the scheduler every 4 ms, and at each switch. */
struct counter {
	struct cpu cpu;
	uint64_t every, busy, irq, cycles_per_us;
	uint64_t cycles, ran_us, came_us, looked_us;
	int is_running;
};

static void counter__switch(struct counter *c, uint64_t at_us, int runs)
{
	if (runs) {
		c->came_us = at_us;
		c->cpu.now.n_idled++;
	} else {
		c->ran_us += at_us - c->came_us;
	}
	c->is_running = runs;
	c->looked_us = at_us;
}

static void counter__run(struct counter *c, uint64_t from_us, uint64_t to_us, uint64_t period)
{
	for (uint64_t at = from_us; at < to_us; at++) {
		uint64_t phase = at % c->every;
		int runs = phase < c->busy;

		if (runs != c->is_running)
			counter__switch(c, at, runs);
		if (runs && at % 4000 == 0)
			c->looked_us = at;
		if (runs || phase < c->busy + c->irq)
			c->cycles += c->cycles_per_us;
		if (c->cycles < period)
			continue;
		c->cycles -= period;
		c->cpu.now.is_idle = !runs;
		c->cpu.now.run_ns = runs ? (1 + c->ran_us + c->looked_us - c->came_us) * 1000 : 0;
		cpu__tick(&c->cpu, RESUMED + at * 1000 - c->cpu.now.now_ns);
	}
}

/* What its tasks ran for is what its ticks stand for, to a tick's time at either end, whatever the CPU's speed and whatever else woke it. */
static void cycles_stand_for_the_time_that_tasks_ran(void **state)
{
	static const struct {
		uint64_t every, busy, irq, cycles_per_us;
	} cpus[] = {
		{1000, 1000, 0, 3000},       /* all the time */
		{1000, 100, 0, 3000},        /* a tenth, in short gaps */
		{1000, 100, 0, 800},         /* likewise, at the speed of one that has little to do */
		{1000, 30, 300, 3000},       /* a router: interrupts on an idle CPU */
		{100000, 35000, 5000, 1700}, /* stretches of several ticks */
		{400000, 3500, 0, 3000},     /* seldom */
	};
	const uint64_t s = 1000000, period = 3000 * s / 99; /* at 99 Hz and 3 GHz */

	(void)state;
	for (size_t i = 0; i < sizeof(cpus) / sizeof(*cpus); i++) {
		struct counter c = {.every = cpus[i].every,
				    .busy = cpus[i].busy,
				    .irq = cpus[i].irq,
				    .cycles_per_us = cpus[i].cycles_per_us};
		uint64_t tick_us = period / c.cycles_per_us * (c.busy + c.irq) / c.busy, ran_us;

		cpu__resume(&c.cpu);
		c.cpu.now.period_ns = 1000 * s / 99;
		c.looked_us = 1;
		counter__run(&c, 1, 60 * s, period);
		ran_us = 60 * s / c.every * c.busy;
		if (c.cpu.sum / 1000 + 3 * tick_us + 4000 < ran_us ||
		    c.cpu.sum / 1000 > ran_us + 3 * tick_us + 4000)
			fail_msg("CPU %zu: %llu us of %llu", i, (unsigned long long)c.cpu.sum / 1000,
				 (unsigned long long)ran_us);
		assert_int_equal(c.cpu.sum, c.cpu.ticks.sum_ns);
		assert_int_equal(c.cpu.lost, 0);
	}
}

static void cycles_are_a_period_where_the_account_is_not_known(void **state)
{
	struct cpu cpu;

	(void)state;
	cpu__resume(&cpu);
	cpu.now.run_ns = 1000 * PERIOD;
	cpu__tick(&cpu, PERIOD);
	/* in the middle of a switch, and after it */
	cpu.now.run_ns = 0;
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, 9 * PERIOD), PERIOD);
	cpu.now.run_ns = 1003 * PERIOD;
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, 9 * PERIOD), PERIOD);
	/* without an idle time in between it is what passed */
	cpu.now.run_ns = 0;
	assert_int_equal(cpu__tick(&cpu, 2 * PERIOD), 2 * PERIOD);
	cpu.now.run_ns = 1008 * PERIOD;
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, 9 * PERIOD), 3 * PERIOD);
	/* clocks that were off: what ran meanwhile was not asked for */
	cpu.now.resumed_ns = cpu.now.now_ns + 1;
	cpu.now.run_ns = 2000 * PERIOD;
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, 3000 * PERIOD), PERIOD);
	assert_int_equal(cpu.lost, 0);
	/* nor while the CPU had no counter */
	cpu.now.run_ns = 4000 * PERIOD;
	cpu.now.n_idled++;
	assert_int_equal(cpu__tick(&cpu, 5000 * PERIOD), PERIOD);
	assert_int_equal(cpu.lost, 1999 * PERIOD);
}

/* CLOCK_MONOTONIC is set to the time of day by and by, the scheduler's clock is not: after a day without a pause they are seconds apart, and those are nobody's. */
static void clocks_that_drift_apart_make_no_time(void **state)
{
	struct cpu cpu;

	(void)state;
	cpu__resume(&cpu);
	cpu.now.run_ns = 1000 * PERIOD;
	cpu__tick(&cpu, PERIOD);
	for (int i = 0; i < 100000; i++) {
		cpu.now.run_ns += PERIOD + PERIOD / 1000;
		assert_int_equal(cpu__tick(&cpu, PERIOD), PERIOD);
	}
	cpu.now.run_ns += PERIOD;
	cpu.now.n_idled++;
	assert_in_range(cpu__tick(&cpu, 3 * PERIOD), PERIOD, PERIOD + TICK_LOOK_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_stand_for_what_passed),
		cmocka_unit_test(what_the_hypervisor_took_is_nobodys),
		cmocka_unit_test(after_idling_a_tick_is_one_period),
		cmocka_unit_test(a_gap_without_a_clock_is_lost),
		cmocka_unit_test(the_sum_is_what_was_charged),
		cmocka_unit_test(ticks_that_find_a_cpu_idle_lose_nothing),
		cmocka_unit_test(cycles_stand_for_the_time_that_tasks_ran),
		cmocka_unit_test(cycles_are_a_period_where_the_account_is_not_known),
		cmocka_unit_test(clocks_that_drift_apart_make_no_time),
	};

	return cmocka_run_group_tests_name("tick", tests, NULL, NULL);
}
