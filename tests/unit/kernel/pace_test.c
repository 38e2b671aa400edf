// SPDX-License-Identifier: Apache-2.0
/* A counter of cycles: it ticks as often as was asked for, whatever the CPUs' speed, where the kernel says what its ticks are worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "user/base/clock.h"
#include "user/kernel/pace.h"
#include "user/kernel/perf_event.h"

#define PERIOD (NS_PER_SEC / 100)

/* CPUs that are busy all the time, and their counter. */
struct machine {
	struct pace pace;
	uint64_t ticks, ns, cycles_per_s;
};

/* How many ticks a second of CPU time has. */
static uint64_t run(struct machine *m, int seconds, uint64_t hz)
{
	uint64_t n = 0;

	for (int i = 0; i < seconds; i++) {
		n = m->cycles_per_s * hz / m->pace.cycles_per_s;
		m->ticks += n;
		m->ns += NS_PER_SEC;
		pace__judge(&m->pace, m->ticks, m->ns, NS_PER_SEC / hz);
	}
	return n;
}

static void ticks_come_as_often_as_was_asked_for(void **state)
{
	static const uint64_t speeds[] = {3000000000, 800000000, 5500000000, 400000000, 3100000000};
	struct machine m = {};

	(void)state;
	pace__init(&m.pace);
	for (size_t i = 0; i < sizeof(speeds) / sizeof(*speeds); i++) {
		m.cycles_per_s = speeds[i];
		run(&m, 8, 100);
		assert_in_range(run(&m, 1, 100), 79, 126);
	}
}

static void small_moves_are_not_followed(void **state)
{
	struct machine m = {.cycles_per_s = PACE_START * 9 / 10};

	(void)state;
	pace__init(&m.pace);
	run(&m, 20, 100);
	assert_int_equal(m.pace.cycles_per_s, PACE_START);
}

/* A hundred ticks of ten milliseconds, and then some of forty. */
static void another_frequency_is_not_taken_for_another_speed(void **state)
{
	struct machine m = {.cycles_per_s = PACE_START};

	(void)state;
	pace__init(&m.pace);
	run(&m, 5, 100);
	pace__forget(&m.pace);
	m.ticks += 90; /* some of the old ones were not seen yet */
	m.ns += NS_PER_SEC;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(run(&m, 1, 400), 400);
		assert_int_equal(m.pace.cycles_per_s, PACE_START);
	}
}

static void few_ticks_say_nothing_until_they_are_many(void **state)
{
	struct pace p;

	(void)state;
	pace__init(&p);
	assert_false(pace__judge(&p, 1000, 1000 * PERIOD, PERIOD));
	assert_false(pace__judge(&p, 1010, 1020 * PERIOD, PERIOD));
	assert_false(pace__judge(&p, 1029, 1058 * PERIOD, PERIOD));
	assert_true(pace__judge(&p, 1030, 1060 * PERIOD, PERIOD));
	assert_int_equal(p.cycles_per_s, PACE_START / 2);
}

static struct btf *kernel_with(const char *field_of_rq, const char *field_of_entity)
{
	struct btf *btf = btf__new_empty();
	int u64 = btf__add_int(btf, "u64", 8, 0);

	assert_true(btf__add_struct(btf, "rq", 16) > 0);
	assert_int_equal(btf__add_field(btf, "clock", u64, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, field_of_rq, u64, 64, 0), 0);
	assert_true(btf__add_struct(btf, "sched_entity", 8) > 0);
	assert_int_equal(btf__add_field(btf, field_of_entity, u64, 0, 0), 0);
	return btf;
}

static void cycles_are_no_clock_where_no_cpu_is_accounted(void **state)
{
	static const struct {
		const char *rq, *entity;
		bool can;
	} kernels[] = {{"rq_cpu_time", "cfs_rq", true},
		       {"nr_running", "cfs_rq", false},
		       {"rq_cpu_time", "depth", false}};
	struct btf *empty = btf__new_empty();

	(void)state;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
		struct btf *btf = kernel_with(kernels[i].rq, kernels[i].entity);

		assert_int_equal(perf_clocks__can_weigh(btf), kernels[i].can);
		btf__free(btf);
	}
	assert_false(perf_clocks__can_weigh(empty));
	btf__free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_come_as_often_as_was_asked_for),
		cmocka_unit_test(small_moves_are_not_followed),
		cmocka_unit_test(another_frequency_is_not_taken_for_another_speed),
		cmocka_unit_test(few_ticks_say_nothing_until_they_are_many),
		cmocka_unit_test(cycles_are_no_clock_where_no_cpu_is_accounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
