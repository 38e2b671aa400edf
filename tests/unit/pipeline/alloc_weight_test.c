// SPDX-License-Identifier: Apache-2.0
/* A thread whose probes took so much of a window of that length: what its calls are multiplied by. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/pipeline/alloc_control.h"
#include "user/pipeline/alloc_cost.h"
#include "user/pipeline/alloc_weight.h"

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) < (most))

#define WINDOW_NS ((double)ALLOC_WINDOW_NS)

/* Its last call was at the window's end. */
static struct alloc_thread thread(double window_ns, double inside_ns, double debt_ns)
{
	return (struct alloc_thread){.inside_ns = (uint32_t)inside_ns,
				     .debt_ns = (uint32_t)debt_ns,
				     .last_ns = (uint32_t)window_ns};
}

static void what_probes_took_was_not_seen(void **state)
{
	struct alloc_thread t = thread(WINDOW_NS, 0.6 * WINDOW_NS, 0.2 * WINDOW_NS);
	struct alloc_weight w = alloc_weight__of(&t, t.inside_ns, 1);

	(void)state;
	assert_near(w.high, 1 / 0.4, 1e-9);
	assert_near(w.low, 1 / 0.8, 1e-9); /* it slept two thirds of it less */
	assert_near(w.debt_ns, 0.2 * WINDOW_NS, 1e-6);
	assert_near(w.doubt, ALLOC_COST_ERROR * 0.2 / 0.8, 1e-9);
	/* after its last call it may have slept the rest, too */
	t.last_ns = (uint32_t)(0.9 * WINDOW_NS);
	assert_near(alloc_weight__of(&t, t.inside_ns, 1).low, 1 / 0.9, 1e-9);
	/* what user space adds to it is debt by the same share */
	t.last_ns = (uint32_t)WINDOW_NS;
	w = alloc_weight__of(&t, 0.9 * WINDOW_NS, 1);
	assert_near(w.high, 10, 1e-9);
	assert_near(w.low, 1 / 0.7, 1e-9);
}

/* 1.25 ms, of which probes took 0.9: it was seen for 0.35, which is not a tenth of its window. */
static void a_longer_window_leaves_more(void **state)
{
	struct alloc_thread t = thread(1.25 * WINDOW_NS, 0.9 * WINDOW_NS, 0.9 * WINDOW_NS);
	struct alloc_weight w = alloc_weight__of(&t, t.inside_ns, 0.8);

	(void)state;
	assert_near(w.high, 1.25 / 0.35, 1e-9);
	assert_near(w.low, 1.25 / 0.35, 1e-9);
	assert_near(w.debt_ns, 0.72 * WINDOW_NS, 1e-6);
	assert_near(w.doubt, ALLOC_COST_ERROR * 0.72 / 0.28, 1e-9);
	t.last_ns = (uint32_t)(0.75 * WINDOW_NS); /* 0.5 ms before its end */
	assert_near(alloc_weight__of(&t, t.inside_ns, 0.8).low, 1.25 / (1.25 - 0.4), 1e-9);
}

static void who_was_hardly_seen_counts_no_more_than_so_much(void **state)
{
	struct alloc_thread t = thread(WINDOW_NS, 0.99 * WINDOW_NS, 0.99 * WINDOW_NS);

	(void)state;
	assert_near(alloc_weight__of(&t, t.inside_ns, 1).high, 1 / ALLOC_SATURATED, 1e-9);
	assert_near(alloc_weight__of(&t, t.inside_ns, 0.5).high, 1 / 0.505, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_probes_took_was_not_seen),
		cmocka_unit_test(a_longer_window_leaves_more),
		cmocka_unit_test(who_was_hardly_seen_counts_no_more_than_so_much),
	};

	return cmocka_run_group_tests_name("alloc_weight", tests, NULL, NULL);
}
