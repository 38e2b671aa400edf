/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait_count - how many waits of a thread there were, held against how many were counted.
 *
 * Problem: a wait of 10 us of which one in 5,000 is taken stands for 5,000. Their time is right in the end, because the kernel accounts it; their number would be 5,000
 *   more or less.
 * Idea: the kernel counts how often a thread leaves its CPU, too. How far chance may have moved a number of samples is known: n waits of a mean length d have a variance
 *   of n / (exp(d/R) - 1), R being the mean interval of what is taken. What is missing or too much is given to entries by that, the shortest of all taking up to three times as
 *   many more, or all of them; what is then left by how uncertain each is at all. Waits that are long against R are taken whatever comes, and stay as many as they are.
 * Invariants: no entry comes to less than nothing.
 * What it does not do: tell waits apart that were as short, in other stacks, and of which none was taken. The caller says whether those it knows stand for all.
 *
 * Owns: nothing. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_WAIT_COUNT_H
#define EVERPROF_PIPELINE_WAIT_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/* Of the entries of a thread that are held against one number. Begins as zeros. */
struct wait_count {
	double n, variance, most; /* waits, their variance, that of one of the shortest */
	double moved, uncertain; /* after the first step: waits, and those of them that the second may move */
	double first, second;    /* by how much they do: wait_count__of */
};

/* `count` waits that took `value` in all; period_ns: the mean interval. */
struct wait_entry {
	uint32_t count;
	uint64_t value, period_ns;
};

/* For each entry: first this, */
void wait_count__see(struct wait_count *c, const struct wait_entry *e);
/* when all were seen, this; exact: how many there were, give or take the one that goes on at either end, */
void wait_count__move(struct wait_count *c, double exact);
/* for each entry again this, */
void wait_count__see_moved(struct wait_count *c, const struct wait_entry *e);
/* and this. How many are left that no entry takes; is_all: none, there are no others. */
double wait_count__settle(struct wait_count *c, double exact, bool is_all);

/* What became of it. */
double wait_count__of(const struct wait_count *c, const struct wait_entry *e);
/* As a whole number. What is left over of one is the next one's; what was counted stays, once at least. */
uint32_t wait_count__whole(uint32_t count, double exact, double *left);

#endif
