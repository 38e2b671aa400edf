// SPDX-License-Identifier: Apache-2.0
/* What a thread lost to probes, by what our program in them took. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/pipeline/alloc_cost.h"

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) < (most))

#define BARE_NS    700.0
#define HANDLER_NS 160.0

/* As after so many loops: of three the middle one counts. */
static struct alloc_cost measured(uint32_t n)
{
	struct alloc_cost c = {.n = n};

	for (uint32_t i = 0; i < n; i++) {
		c.measured[i] = BARE_NS + (i % 3 - 1.0) * 200;
		c.handlers[i] = HANDLER_NS + (i % 3 - 1.0) * 50;
	}
	return c;
}

static void the_middle_loop_counts(void **state)
{
	const struct alloc_cost none = {.n = 0}, c = measured(9);

	(void)state;
	assert_near(alloc_cost__ns(&none), ALLOC_COST_ASSUMED_NS, 1e-9);
	assert_near(alloc_cost__ns(&c), BARE_NS * (1 + ALLOC_COST_BESIDE), 1e-9);
}

/* Half as much again in the handler is so much of that in all; a few calls tell little of it. */
static void a_probe_costs_more_where_its_handler_does(void **state)
{
	const struct alloc_cost c = measured(9);
	struct alloc_thread t = {.n_inside = 1000, .inside_ns = 1000 * 800};
	double few;

	(void)state;
	assert_near(alloc_cost__beside_ns(&c, &t, 800), 0, 1e-9);
	t.n_handler = 8;
	t.handler_ns = (uint32_t)(8 * 1.5 * HANDLER_NS);
	few = alloc_cost__beside_ns(&c, &t, 800);
	assert_true(few > 0.08 * 1000 * 800 && few < 0.12 * 1000 * 800);
	t.n_handler = 1000;
	t.handler_ns = (uint32_t)(1000 * 1.2 * HANDLER_NS);
	assert_near(alloc_cost__beside_ns(&c, &t, 800), 0.2 * ALLOC_COST_HANDLER * 1000 * 800,
		    0.01 * 1000 * 800);
	t.handler_ns = (uint32_t)(1000 * 0.9 * HANDLER_NS);
	assert_near(alloc_cost__beside_ns(&c, &t, 800), -0.1 * ALLOC_COST_HANDLER * 1000 * 800,
		    0.01 * 1000 * 800);
}

/* Of what was lost, all but what probes cost anyway; and nothing where the handler takes as long as in a loop. */
static void what_is_behind_a_sample_is_lost_too(void **state)
{
	const struct alloc_cost c = measured(9);
	struct alloc_thread t = {.n_inside = 1000, .inside_ns = 1000 * 800, .n_handler = 1000};
	double none, some;

	(void)state;
	t.handler_ns = (uint32_t)(1000 * HANDLER_NS);
	t.inside_ns += 5 * 3000;
	assert_near(alloc_cost__beside_ns(&c, &t, 800), 0, 1e-9);
	t.handler_ns = (uint32_t)(1000 * 1.2 * HANDLER_NS);
	some = alloc_cost__beside_ns(&c, &t, 800);
	t.inside_ns -= 5 * 3000;
	none = alloc_cost__beside_ns(&c, &t, 800);
	assert_near(some - none, 5 * 3000 * 0.2 * ALLOC_COST_SAMPLE, 5 * 3000 * 0.01);
}

/* A kernel whose program does not tell. */
static void without_a_handler_to_compare_with_all_cost_the_same(void **state)
{
	const struct alloc_cost none = {.n = 0};
	const struct alloc_thread t = {
		.n_inside = 1000, .inside_ns = 1000 * 800, .n_handler = 1000, .handler_ns = 300000};

	(void)state;
	assert_near(alloc_cost__beside_ns(&none, &t, 800), 0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_middle_loop_counts),
		cmocka_unit_test(a_probe_costs_more_where_its_handler_does),
		cmocka_unit_test(what_is_behind_a_sample_is_lost_too),
		cmocka_unit_test(without_a_handler_to_compare_with_all_cost_the_same),
	};

	return cmocka_run_group_tests_name("alloc_cost", tests, NULL, NULL);
}
