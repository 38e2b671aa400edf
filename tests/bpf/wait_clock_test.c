// SPDX-License-Identifier: Apache-2.0
/* bpf/wait_clock.bpf.h: what is taken of waits that are the ends of longer stretches adds up to what there was, whatever came before them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

static uint32_t bpf_get_prandom_u32(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x * 0x2545f4914f6cdd1dull >> 32);
}

#include "bpf/wait_clock.bpf.h"

#define INTERVAL 20000000ull
#define KINDS    7

/* A kind of thread: it runs for so long, then it waits for so long. */
struct kind {
	uint64_t ran, waited;
	int n;
	bool is_unseen; /* nobody knows where its wait began: nothing of it is taken */
	double taken, squares, n_taken;
};

static const struct kind kinds[KINDS] = {
	{.ran = 0, .waited = 1000, .n = 2000000},
	{.ran = 900000, .waited = 1000, .n = 2000000},
	{.ran = 2000, .waited = 50000, .n = 800000},
	{.ran = 15000000, .waited = 50000, .n = 800000},
	{.ran = 100000, .waited = 3000000, .n = 80000},
	{.ran = 1000000, .waited = 40000000, .n = 8000},
	{.ran = 3000000, .waited = 2000000, .n = 80000, .is_unseen = true},
};

static void stretch_ends(struct wait_clock *clock, struct kind *k)
{
	uint64_t weight;

	if (wait_clock__pass(clock, k->ran + k->waited) || k->is_unseen)
		return;
	weight = wait_clock__take(clock, k->waited);
	k->taken += (double)weight;
	k->squares += (double)weight * (double)weight;
	k->n_taken += weight != 0;
}

static void assert_sums(const struct kind *k)
{
	double want = k->is_unseen ? 0 : (double)k->waited * k->n;

	if (fabs(k->taken - want) > 4 * sqrt(k->squares) + 1e-4 * want)
		fail_msg("of waits of %llu ns after %llu: %g instead of %g, by %g",
			 (unsigned long long)k->waited, (unsigned long long)k->ran, k->taken, want,
			 k->n_taken);
}

/* In turns, all kinds on one CPU; the interval is halved with each round, so often, and begins anew. */
static void assert_sums_in_turns(int n_halves)
{
	struct wait_clock clock = {};
	struct kind k[KINDS];

	memcpy(k, kinds, sizeof(k));
	for (int round = 0; round < 4000; round++) {
		gate.wait_interval_ns = INTERVAL >> round % n_halves;
		for (int i = 0; i < KINDS; i++)
			for (int j = 0; j < k[i].n / 4000; j++)
				stretch_ends(&clock, &k[i]);
	}
	for (int i = 0; i < KINDS; i++)
		assert_sums(&k[i]);
}

static void what_is_taken_of_waits_adds_up_whatever_ran_before(void **state)
{
	(void)state;
	assert_sums_in_turns(1);
}

/* The interval moves all the time: each wait stands for what it did when its point was drawn. */
static void sums_hold_while_the_interval_changes(void **state)
{
	(void)state;
	assert_sums_in_turns(5);
}

/* How many are taken is what the chance of each says: not more, because points fall into what ran, too. */
static void a_wait_has_the_chance_of_its_own_length(void **state)
{
	struct wait_clock clock = {};
	struct kind k[KINDS];

	(void)state;
	memcpy(k, kinds, sizeof(k));
	gate.wait_interval_ns = INTERVAL;
	for (int i = 0; i < KINDS - 1; i++) {
		double want = k[i].n * -expm1(-(double)k[i].waited / INTERVAL);

		for (int j = 0; j < k[i].n; j++)
			stretch_ends(&clock, &k[i]);
		assert_true(fabs(k[i].n_taken - want) < 4 * sqrt(want) + 1e-4 * want);
	}
}

/* Many threads begin to wait at once: few are taken more than in any other slice, and what they stand for is as much as there was. */
static void a_crowd_that_comes_suddenly_does_not_overrun_the_slice(void **state)
{
	struct kind crowd = {.waited = 3000000, .n = 20000}, few = {.waited = 3000000, .n = 100};
	double n_first = 0, n_few = 0;

	(void)state;
	gate.wait_interval_ns = INTERVAL;
	for (int round = 0; round < 2000; round++) {
		struct wait_clock clock = {};

		gate.wait_slice++;
		for (int i = 0; i < crowd.n; i++) {
			double before = crowd.n_taken;

			stretch_ends(&clock, &crowd);
			clock.n_taken += crowd.n_taken != before;
		}
		assert_true(clock.n_taken <= 4 * WAIT_TAKEN_A_CPU);
		n_first += (double)clock.n_taken;
		gate.wait_slice++; /* then only some are left: all is as it was */
		for (int i = 0; i < few.n; i++)
			stretch_ends(&clock, &few);
	}
	n_few = few.n_taken;
	crowd.n *= 2000;
	few.n *= 2000;
	assert_sums(&crowd);
	assert_sums(&few);
	assert_true(n_first / 2000 > WAIT_TAKEN_A_CPU);
	assert_true(n_few / 2000 > 0.3 * few.n / 2000 * few.waited / INTERVAL);
}

static void a_switch_costs_its_call_too_but_not_what_reads_the_clock(void **state)
{
	(void)state;
	gate.switch_call_ns = 90;
	assert_int_equal(wait_clock__cost(70, 20), 30 + 90);
	assert_int_equal(wait_clock__cost(30, 20), 90); /* two readings are not alike */
	assert_int_equal(wait_clock__cost(3000000, 20), WAIT_COST_MOST_NS + 90);
	assert_int_equal(wait_clock__cost(100, 2000000), 90);
	gate.switch_call_ns = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_of_waits_adds_up_whatever_ran_before),
		cmocka_unit_test(sums_hold_while_the_interval_changes),
		cmocka_unit_test(a_wait_has_the_chance_of_its_own_length),
		cmocka_unit_test(a_crowd_that_comes_suddenly_does_not_overrun_the_slice),
		cmocka_unit_test(a_switch_costs_its_call_too_but_not_what_reads_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
