// SPDX-License-Identifier: Apache-2.0
/* Windows of known costs: is each paid for before the next, and do samples come in the number that is wanted? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/pipeline/alloc_control.h"

#define CPUS   2
#define BUDGET 5000 /* ppm */
#define MS     1000000ull

static void the_first_window_waits_for_the_budget(void **state)
{
	struct alloc_control a;

	(void)state;
	alloc_control__init(&a, BUDGET, CPUS);
	assert_int_equal(a.stretch_ns, 400 * MS);
}

/* Whatever the costs are: their sum never is more than the budget's share of the stretches that paid for them. */
static void no_thread_loses_more_than_the_budget(void **state)
{
	struct alloc_control a;
	uint64_t lost = 0, passed = 0, seed = 1;

	(void)state;
	alloc_control__init(&a, BUDGET, CPUS);
	for (int i = 0; i < 10000; i++) {
		struct alloc_bill bill = {.in_place_ns = 18 * MS / 10};

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		bill.worst_ns = (seed >> 33) % (20 * MS);
		bill.probes_ns = bill.worst_ns;
		bill.own_ns = (seed >> 20) % (8 * MS);
		alloc_control__judge(&a, &bill);
		lost += bill.worst_ns > bill.in_place_ns ? bill.worst_ns : bill.in_place_ns;
		lost += bill.own_ns / CPUS;
		passed += a.stretch_ns; /* the stretch after it */
	}
	assert_true((double)lost <= (double)passed * BUDGET / 1e6 * 1.000001);
	/* and the budget is used, not merely kept */
	assert_true((double)lost > (double)passed * BUDGET / 1e6 * 0.99);
}

static void probes_that_nobody_met_cost_what_they_could_have(void **state)
{
	struct alloc_control a;

	(void)state;
	alloc_control__init(&a, BUDGET, CPUS);
	alloc_control__judge(&a, &(struct alloc_bill){.in_place_ns = MS});
	assert_int_equal(a.stretch_ns, 200 * MS);
}

static void what_it_costs_the_machine_counts_too(void **state)
{
	struct alloc_control a;

	(void)state;
	alloc_control__init(&a, BUDGET, CPUS);
	/* 10 ms of two CPUs: 5 ms of the machine */
	alloc_control__judge(&a,
			     &(struct alloc_bill){.in_place_ns = MS, .own_ns = 6 * MS, .probes_ns = 4 * MS});
	assert_int_equal(a.stretch_ns, 1000 * MS);
}

static void a_window_that_costs_a_second_ends_it_for_long(void **state)
{
	struct alloc_control a;

	(void)state;
	alloc_control__init(&a, BUDGET, CPUS);
	alloc_control__judge(&a, &(struct alloc_bill){.in_place_ns = 1000 * MS});
	assert_int_equal(a.stretch_ns, ALLOC_STRETCH_MAX_NS);
}

static void samples_come_in_the_number_that_is_wanted(void **state)
{
	const double bytes = 50e6; /* in a window, on all CPUs */
	struct alloc_control a;
	struct alloc_bill bill = {.in_place_ns = MS};

	(void)state;
	alloc_control__init(&a, BUDGET, CPUS);
	for (int i = 0; i < 40; i++) {
		bill.n_samples = (uint32_t)(bytes / (double)a.interval);
		alloc_control__judge(&a, &bill);
	}
	assert_in_range(bill.n_samples, ALLOC_SAMPLES_A_CPU * CPUS * 3 / 4,
			ALLOC_SAMPLES_A_CPU * CPUS * 4 / 3);
	/* nobody allocates any more: each call is taken, and no interval is 0 */
	bill.n_samples = 0;
	for (int i = 0; i < 40; i++)
		alloc_control__judge(&a, &bill);
	assert_int_equal(a.interval, ALLOC_INTERVAL_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_window_waits_for_the_budget),
		cmocka_unit_test(no_thread_loses_more_than_the_budget),
		cmocka_unit_test(probes_that_nobody_met_cost_what_they_could_have),
		cmocka_unit_test(what_it_costs_the_machine_counts_too),
		cmocka_unit_test(a_window_that_costs_a_second_ends_it_for_long),
		cmocka_unit_test(samples_come_in_the_number_that_is_wanted),
	};

	return cmocka_run_group_tests_name("alloc_control", tests, NULL, NULL);
}
