/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_cost - what the kernel takes to call a program on a tracepoint, beside what the program itself takes.
 *
 * No program sees that: it is over before the first instruction, or begins after the last, and on switches it is more than half of all that the hook costs. So it is
 * measured from outside, once: a program that does nothing is put where a thread may come by as often as it likes and nothing comes of it (the beginning of a wait for children, of
 * whom there is none), and the CPU time of as many calls with it and without it compared. The least of some short bursts, so that what comes in between does not count.
 *
 * Owns: nothing. Thread: any. Limit: 6 ms of CPU time, 12 ms in all. Errors: see below.
 */
#ifndef EVERPROF_KERNEL_CALL_COST_H
#define EVERPROF_KERNEL_CALL_COST_H

#include <stdint.h>

struct loader;

/* In nanoseconds, where code and data of the call are in the CPU's caches; 0: it can not be measured, as where the kernel has no such tracepoint. */
uint32_t call_cost__measure(struct loader *l);

#endif
