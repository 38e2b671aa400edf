// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_weight.h"

#include <math.h>

#include "user/pipeline/alloc_control.h"
#include "user/pipeline/alloc_cost.h"

/* Own time of a thread that lost so much of a window. */
static double own_of(double lost_ns)
{
	return fmax(ALLOC_WINDOW_NS - lost_ns, ALLOC_SATURATED * ALLOC_WINDOW_NS);
}

/* What came after its last call it may have slept. */
struct alloc_weight alloc_weight__of(const struct alloc_thread *t, double inside_ns, double part)
{
	double lost = inside_ns * part, rest = fmax(ALLOC_WINDOW_NS - t->last_ns * part, 0);
	double owed = t->debt_ns * lost / t->inside_ns, debt = fmax(owed - rest, 0);

	return (struct alloc_weight){
		.low = ALLOC_WINDOW_NS / own_of(debt),
		.high = ALLOC_WINDOW_NS / own_of(lost),
		.doubt = ALLOC_COST_ERROR * owed / own_of(owed),
		.debt_ns = debt,
	};
}
