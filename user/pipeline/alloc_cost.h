/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_cost - what a probe on an allocator costs the thread that meets it.
 *
 * Measured before each window, because it changes within seconds (the clock rate, what else runs on the core), on a function of ours; the middle one of the last
 * ALLOC_COST_KEPT counts, because one measurement is off by a tenth, and now and then by half.
 *
 * Rejected: calls whose thread has just woken: 10 to 25 % more than in a loop that is warm, by which busy programs came out half as high
 * again. Ticks that tell in a window who is in a probe: one takes 20 to 70 us of a virtual machine.
 * Rejected: a second probe an instruction or two behind the first one of malloc, so that the time between both is what one takes, in the program itself. On a quiet machine a call
 * lost 2 to 5 % more than that said (0.03 to 0.12 us; of it, what interrupts and other virtual machines take, some 20 us at a time). On a busy one, five runs of each: Python all by malloc 75 % low
 * (43 % stated; the loop of ours: 37 % high, 90 % stated), sqlite3 72 % high (37 %; 33 % high, 54 %), and twice as many places cost 40 % more to put in place.
 * Rejected: probes at malloc, at free, and at both, in windows that take turns: what malloc's and free's calls take each, less what both take together, is what is between them without
 * probes, whatever a probe costs in this program now. Two that are close cost less than twice one, by 20 to 70 ns: 30 ns came out for 12, 74 for 46, 132 for 136, 372 for 326, 925 for 855
 * (five rounds each, load 7), where the way of here was 55 % low, 30 and 31 % high and 14 % low for the first four; a quarter more places to put probes, and half the windows.
 * Rejected: calls of dense programs by ticks that meet malloc and free themselves, without probes: what a call has of those differs by nine times (3.7 ns in loops, 11 in Python, 25 in sqlite3, 33
 * in g++), and by five (0.5 to 3.4) in loops that differ in nothing but the work between calls where malloc alone is asked.
 *
 * Owns: nothing. Thread: one owner. Limit: none. Errors: -errno; where nothing could be measured ALLOC_COST_ASSUMED_NS.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_COST_H
#define EVERPROF_PIPELINE_ALLOC_COST_H

#include <stdint.h>

#include "bpf/alloc.h"
#include "user/kernel/uprobe.h"

#define ALLOC_COST_ASSUMED_NS 1000
/*
 * A trap also takes from a program what a loop of ours does not have to lose: work that overlapped with the call, and what lay in the caches. In real programs that is more than in loops with
 * other work between the calls, and there our own handler takes longer than in the loop, too: so much of a probe takes as much longer as the handler does.
 */
#define ALLOC_COST_BESIDE  0.08
#define ALLOC_COST_HANDLER 0.6
/*
 * A sample, which reads more, throws more out of the caches, and that has to come back: where a handler takes a third longer than in the loop a sample costs nearly twice what it
 * takes, and nothing more where the program needs no caches.
 */
#define ALLOC_COST_SAMPLE 2.5
/*
 * One standard error of what a probe is taken to cost. Held against the time that a program takes for the same calls without probes, the above is within 3 % for g++, sqlite3 and python3 on
 * a busy machine; on one that does nothing else loops of ours are faster than on a busy one, and programs come out lower.
 */
#define ALLOC_COST_ERROR 0.08
/* Calls like the loop's, by which a thread is known before it made any. */
#define ALLOC_COST_PRIOR 16

#define ALLOC_COST_KEPT 15

struct alloc_cost {
	double measured[ALLOC_COST_KEPT]; /* ns of a call of ours */
	double handlers[ALLOC_COST_KEPT]; /* of it, what our program took; 0: not known */
	uint32_t n;
};

/* Of a function of ours, for a probe in this process only. */
int alloc_cost__own_place(struct uprobe_place *ret_place);
/* Once more, in a round of its own (gate->round is set), with a probe in nobody but us. */
void alloc_cost__measure(struct alloc_cost *c, struct alloc_gate *gate, const struct alloc_thread *threads);
/* In a program of which no more is known. */
double alloc_cost__ns(const struct alloc_cost *c);
/* What this thread lost in the window beside what the kernel counted, where a probe was taken to cost so much. */
double alloc_cost__beside_ns(const struct alloc_cost *c, const struct alloc_thread *t, double cost_ns);

#endif
