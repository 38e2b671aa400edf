// SPDX-License-Identifier: Apache-2.0
/* Gaps between calls of threads whose probe cost is known: is it told? */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/pipeline/alloc_cost.h"

#define BARE_NS 650.0

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) < (most))

/* As bpf/alloc.bpf.c does it. */
static void add_gap(struct alloc_thread *t, double gap_ns)
{
	uint64_t at = alloc_gap__place((uint64_t)gap_ns, (uint64_t)BARE_NS);

	t->n_gaps++;
	t->gaps_ns += (uint64_t)fmin(gap_ns, ALLOC_GAP_MAX * BARE_NS);
	if (at < ALLOC_GAPS)
		t->gaps[at]++;
}

/* own_ns and beside_ns on average, a little more or less each; a tenth of them in calls that follow each other at once. */
static double cost_of(double probe_ns, double own_ns, double beside_ns)
{
	struct alloc_thread t = {0};
	double error_ns, ns;

	srand48(5);
	for (int i = 0; i < 500; i++) {
		double part = i % 10 ? 0.6 + drand48() : 0;

		add_gap(&t, probe_ns + 20 + (own_ns + beside_ns) * part);
	}
	ns = alloc_cost__in(&t, BARE_NS, &error_ns);
	assert_true(error_ns > 0.02 * ns && error_ns < 0.3 * ns);
	return ns;
}

static void of_few_calls_no_more_is_known_than_before(void **state)
{
	struct alloc_cost c = {.measured = {600, 1000, BARE_NS}, .n = 3};
	struct alloc_thread t = {0};
	double error_ns;

	(void)state;
	assert_near(alloc_cost__bare_ns(&c), BARE_NS, 1e-9);
	for (int i = 0; i < 10; i++)
		add_gap(&t, 400);
	assert_near(alloc_cost__in(&t, BARE_NS, &error_ns), alloc_cost__ns(&c), 1e-9);
	assert_true(alloc_cost__ns(&c) > 1.2 * BARE_NS && error_ns > 0.1 * BARE_NS);
}

/* The same few instructions again and again lose nothing beside the probe, however long they take. */
static void a_loop_loses_what_a_bare_one_does(void **state)
{
	struct alloc_thread t = {0}, slow = {0};
	double error_ns;

	(void)state;
	for (int i = 0; i < 500; i++) {
		add_gap(&t, BARE_NS + 30 + 8 * drand48());
		add_gap(&slow, BARE_NS + 500 + 8 * drand48());
	}
	assert_near(alloc_cost__in(&t, BARE_NS, &error_ns), BARE_NS, 20);
	assert_near(alloc_cost__in(&slow, BARE_NS, &error_ns), BARE_NS, 60);
	assert_true(error_ns < 0.08 * BARE_NS);
}

static void what_calls_differ_by_is_the_traps_in_part(void **state)
{
	(void)state;
	assert_near(cost_of(BARE_NS, 50, 120), BARE_NS + 120, 40);
	assert_near(cost_of(BARE_NS, 60, 190), BARE_NS + 190, 40);
	assert_near(cost_of(BARE_NS, 900, 200), BARE_NS + 200, 40);
}

/* An instruction that is cheaper to step over, or a machine that is busier when a bare call is measured. */
static void a_probe_that_is_cheaper_there_is_found_so(void **state)
{
	(void)state;
	assert_near(cost_of(0.7 * BARE_NS, 50, 120), 0.7 * BARE_NS + 120, 40);
}

/* After a sample caches are the sampler's: the next call comes later. */
static void what_follows_a_sample_is_the_samples(void **state)
{
	struct alloc_thread t = {.n_samples = 10, .samples_ns = 30000};

	(void)state;
	for (int i = 0; i < 100; i++)
		add_gap(&t, BARE_NS + 100);
	assert_near(alloc_cost__samples_ns(&t), 30000, 1e-9);
	t.n_after = 8;
	t.after_ns = 8 * 3000;
	assert_near(alloc_cost__samples_ns(&t), 30000 + 10 * (3000 - BARE_NS - 100), 100);
	t.after_ns = 8 * 100;
	assert_near(alloc_cost__samples_ns(&t), 30000, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_few_calls_no_more_is_known_than_before),
		cmocka_unit_test(a_loop_loses_what_a_bare_one_does),
		cmocka_unit_test(what_calls_differ_by_is_the_traps_in_part),
		cmocka_unit_test(a_probe_that_is_cheaper_there_is_found_so),
		cmocka_unit_test(what_follows_a_sample_is_the_samples),
	};

	return cmocka_run_group_tests_name("alloc_cost", tests, NULL, NULL);
}
