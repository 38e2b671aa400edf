/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - the fixed call tree: three leaves at 50, 30 and 20 per cent, under shared and distinct callers.
 *
 *      tree_round ─┬─ a1 ─┬─ b1 ── c1 ── top1   50
 *                  │      └─ b2 ── top2         30
 *                  └─ a2 ── c1 ── top3          20
 *
 * So a1 is in 80 % of all stacks, and c1 in 70 %, under two callers.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_TESTS_WORKLOADS_TREE_H
#define EVERPROF_TESTS_WORKLOADS_TREE_H

#include "tests/workloads/work.h"

/*
 * A round takes about 10 ms: long against the clock of a profiler at 1000 Hz, so that each leaf's share of a round is measured rather than drawn, and the
 * shares of a recording are much closer to the truth than independent samples would be.
 */
#define TREE_UNITS 40

/* Something to do after a call, so that no call is a jump. */
#define TREE_KEEP_FRAME() __asm__ volatile("" ::: "memory")

static WORK_FN void top1(uint64_t scale)
{
	work__spin(50 * TREE_UNITS * scale);
}

static WORK_FN void top2(uint64_t scale)
{
	work__spin(30 * TREE_UNITS * scale);
}

static WORK_FN void top3(uint64_t scale)
{
	work__spin(20 * TREE_UNITS * scale);
}

static WORK_FN void c1(uint64_t scale, bool third)
{
	if (third)
		top3(scale);
	else
		top1(scale);
	TREE_KEEP_FRAME();
}

static WORK_FN void b1(uint64_t scale)
{
	c1(scale, false);
	TREE_KEEP_FRAME();
}

static WORK_FN void b2(uint64_t scale)
{
	top2(scale);
	TREE_KEEP_FRAME();
}

static WORK_FN void a1(uint64_t scale)
{
	b1(scale);
	b2(scale);
	TREE_KEEP_FRAME();
}

static WORK_FN void a2(uint64_t scale)
{
	c1(scale, true);
	TREE_KEEP_FRAME();
}

static WORK_FN void tree_round(uint64_t scale)
{
	a1(scale);
	a2(scale);
	TREE_KEEP_FRAME();
}

#endif
