// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/kernel/busy.h"

#define PERIOD (NS_PER_SEC / 100)

static void time_away_is_idle_iowait_and_steal(void **state)
{
	static const char text[] = "cpu  100 20 30 4000 50 6 7 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
	uint64_t ns = 0;

	(void)state;
	assert_int_equal(parse_proc_stat_away(text, strlen(text), &ns), 0);
	assert_int_equal(ns, 4130 * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK)));
}

static void a_damaged_line_changes_nothing(void **state)
{
	static const char *const texts[] = {"", "cpu", "cpu  1 2 3 4 5 6 7\n", "cpux 1 2 3 4 5 6 7 8",
					    "intr 5"};
	uint64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(parse_proc_stat_away(texts[i], strlen(texts[i]), &ns), -EBADMSG);
	assert_int_equal(ns, 7);
}

static void a_tick_is_a_period_until_there_is_enough_to_tell(void **state)
{
	struct busy b = {};

	(void)state;
	assert_int_equal(busy__tick_ns(&b, PERIOD), PERIOD);
	busy__add(&b, NS_PER_SEC, 0, 1000, 2);
	assert_int_equal(busy__tick_ns(&b, PERIOD), PERIOD);
	busy__add(&b, 2 * NS_PER_SEC, 0, 1010, 2);
	assert_int_equal(busy__tick_ns(&b, PERIOD), PERIOD);
}

/* Two CPUs, one of them idle, and a counter that ticks at half its pace: 50 ticks in a busy second. */
static void a_slow_counter_s_ticks_are_worth_more(void **state)
{
	struct busy b = {};

	(void)state;
	for (uint64_t s = 1; s <= 20; s++)
		busy__add(&b, s * NS_PER_SEC, s * NS_PER_SEC, s * 50, 2);
	assert_in_range(busy__tick_ns(&b, PERIOD), 2 * PERIOD - 10, 2 * PERIOD + 10);
}

static void the_sum_of_ticks_follows_the_busy_time_when_the_load_changes(void **state)
{
	struct busy b = {};
	uint64_t away = 0, ticks = 0;
	double value = 0, busy = 0;

	(void)state;
	for (uint64_t s = 1; s <= 200; s++) {
		uint64_t idle = s / 50 % 2 ? NS_PER_SEC / 2 : 0, n = s / 50 % 2 ? 80 : 110;

		away += idle;
		ticks += n;
		busy__add(&b, s * NS_PER_SEC, away, ticks, 1);
		if (s > 10) { /* the first ones have nothing before them */
			value += (double)n * (double)busy__tick_ns(&b, PERIOD);
			busy += (double)(NS_PER_SEC - idle);
		}
	}
	assert_true(value > busy * 0.97 && value < busy * 1.03);
}

static void counters_that_go_backwards_are_a_new_start(void **state)
{
	struct busy b = {};

	(void)state;
	for (uint64_t s = 1; s <= 10; s++)
		busy__add(&b, s * NS_PER_SEC, 0, s * 100, 1);
	busy__add(&b, 11 * NS_PER_SEC, 0, 5, 1);
	assert_int_equal(b.seen_ticks, 5);
	assert_in_range(busy__tick_ns(&b, PERIOD), PERIOD - 10, PERIOD + 10);
}

/* A machine of one CPU, busy all the time. */
struct machine {
	struct busy b;
	uint64_t now_ns, ticks;
};

static void run(struct machine *m, int seconds, uint64_t hz)
{
	for (int s = 0; s < seconds; s++) {
		m->now_ns += NS_PER_SEC;
		m->ticks += hz;
		busy__add(&m->b, m->now_ns, 0, m->ticks, 1);
	}
}

/* Lowered to a quarter and given back: each second is a second, from the first one on. */
static void another_frequency_is_another_worth_at_once(void **state)
{
	static const uint64_t hz[] = {400, 100, 400};
	struct machine m = {.now_ns = NS_PER_SEC};

	(void)state;
	busy__skip(&m.b, m.now_ns, 0, 0);
	for (size_t i = 0; i < sizeof(hz) / sizeof(*hz); i++) {
		busy__forget(&m.b);
		assert_int_equal(busy__tick_ns(&m.b, NS_PER_SEC / hz[i]), NS_PER_SEC / hz[i]);
		run(&m, 1, hz[i]);
		assert_in_range(busy__tick_ns(&m.b, NS_PER_SEC / hz[i]) * hz[i], NS_PER_SEC - 1000,
				NS_PER_SEC);
		run(&m, 20, hz[i]);
	}
}

/* Ten seconds of every minute: in the other fifty the CPU is as busy, and nothing ticks. */
static void time_without_clocks_is_nobody_s(void **state)
{
	struct machine m = {.now_ns = NS_PER_SEC};

	(void)state;
	busy__skip(&m.b, m.now_ns, 0, 0);
	for (int minute = 0; minute < 5; minute++) {
		run(&m, 10, 100);
		assert_in_range(busy__tick_ns(&m.b, PERIOD), PERIOD - 10, PERIOD + 10);
		for (int s = 0; s < 50; s++) {
			m.now_ns += NS_PER_SEC;
			busy__skip(&m.b, m.now_ns, 0, m.ticks);
		}
		assert_in_range(busy__tick_ns(&m.b, PERIOD), PERIOD - 10, PERIOD + 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_away_is_idle_iowait_and_steal),
		cmocka_unit_test(a_damaged_line_changes_nothing),
		cmocka_unit_test(a_tick_is_a_period_until_there_is_enough_to_tell),
		cmocka_unit_test(a_slow_counter_s_ticks_are_worth_more),
		cmocka_unit_test(the_sum_of_ticks_follows_the_busy_time_when_the_load_changes),
		cmocka_unit_test(counters_that_go_backwards_are_a_new_start),
		cmocka_unit_test(another_frequency_is_another_worth_at_once),
		cmocka_unit_test(time_without_clocks_is_nobody_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
