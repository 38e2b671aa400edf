// SPDX-License-Identifier: Apache-2.0
/* Programs that take a known share of the time, seen a twentieth of it: sums of any moment are of that moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/pipeline/bpf_estimate.h"

#define STRETCH (250 * NS_PER_MS)

/* A stretch up to that moment, with so many ns of each µs taken, a half of it at ticks. */
static void see(struct bpf_estimate *e, uint64_t to_ns, uint64_t ns_a_us)
{
	const struct bpf_cost_sums seen = {.ns = STRETCH / 1000 * ns_a_us,
					   .tick_ns = STRETCH / 2000 * ns_a_us};

	bpf_estimate__add(e, to_ns - STRETCH, to_ns, &seen);
}

static struct bpf_cost_sums at(struct bpf_estimate *e, uint64_t now_ns)
{
	struct bpf_cost_sums s;

	bpf_estimate__at(e, now_ns, &s);
	return s;
}

static void nothing_is_known_before_the_first_stretch_which_stands_for_all_before_it(void **state)
{
	struct bpf_estimate e;

	(void)state;
	bpf_estimate__init(&e, NS_PER_SEC);
	assert_int_equal(at(&e, 3 * NS_PER_SEC).ns, 0);
	see(&e, 5 * NS_PER_SEC, 10);
	assert_int_equal(at(&e, 5 * NS_PER_SEC).ns, 40 * NS_PER_MS);
	assert_int_equal(at(&e, 5 * NS_PER_SEC).tick_ns, 20 * NS_PER_MS);
}

static void what_a_stretch_showed_holds_until_the_next_one(void **state)
{
	struct bpf_estimate e;
	uint64_t then;

	(void)state;
	bpf_estimate__init(&e, 0);
	see(&e, 5 * NS_PER_SEC, 10);
	assert_int_equal(at(&e, 9 * NS_PER_SEC).ns, 90 * NS_PER_MS);
	see(&e, 13 * NS_PER_SEC, 20);
	then = at(&e, 13 * NS_PER_SEC).ns;
	/* 10 ns a µs up to where the second one began */
	assert_int_equal(then, 10 * (13 * NS_PER_MS - STRETCH / 1000) + 20 * STRETCH / 1000);
	assert_int_equal(at(&e, 15 * NS_PER_SEC).ns, then + 40 * NS_PER_MS);
}

/* A step at 100 s, eight seconds after the last stretch, makes a quarter of what they take; half a second later they are looked at. */
static void what_follows_a_step_has_nothing_of_what_was_before(void **state)
{
	struct bpf_cost_sums before, after;
	struct bpf_estimate e;
	double share;

	(void)state;
	bpf_estimate__init(&e, 0);
	see(&e, 92 * NS_PER_SEC, 16);
	before = at(&e, 100 * NS_PER_SEC);
	assert_int_equal(before.ns, 16 * 100 * NS_PER_MS);
	see(&e, 100 * NS_PER_SEC + 3 * STRETCH, 4);
	after = at(&e, 115 * NS_PER_SEC);
	share = (double)(after.ns - before.ns) / (double)(15 * NS_PER_SEC);
	assert_true(share >= 0.004 && share < 0.005);
	share = (double)(after.tick_ns - before.tick_ns) / (double)(15 * NS_PER_SEC);
	assert_true(share >= 0.002 && share < 0.0025);
}

/* Asked while a stretch goes on that will show less, and right after it. */
static void sums_never_fall(void **state)
{
	struct bpf_cost_sums before, after;
	struct bpf_estimate e;

	(void)state;
	bpf_estimate__init(&e, 0);
	see(&e, 5 * NS_PER_SEC, 100);
	before = at(&e, 10 * NS_PER_SEC);
	see(&e, 10 * NS_PER_SEC, 0);
	after = at(&e, 10 * NS_PER_SEC);
	assert_true(after.ns == before.ns && after.tick_ns == before.tick_ns);
	/* and what was too much is made up for */
	see(&e, 15 * NS_PER_SEC, 100);
	see(&e, 20 * NS_PER_SEC, 100);
	assert_int_equal(at(&e, 20 * NS_PER_SEC).ns,
			 100 * (10 * NS_PER_MS - STRETCH / 1000) + 100 * (5 * NS_PER_MS + STRETCH / 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_before_the_first_stretch_which_stands_for_all_before_it),
		cmocka_unit_test(what_a_stretch_showed_holds_until_the_next_one),
		cmocka_unit_test(what_follows_a_step_has_nothing_of_what_was_before),
		cmocka_unit_test(sums_never_fall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
