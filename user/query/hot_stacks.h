/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_stacks - the stacks of a profile that have the most, whoever ran them, and how much of another profile has the same stack.
 *
 * Two stacks are the same where their functions are: lines and addresses do not tell them apart. Printed in the order of calls, the kernel's part as its first and
 * last function, the middle of what is long left out:
 *
 *      main > serve > … 12 … > parse > malloc > [exc_page_fault … clear_page]
 *
 * Owns: nothing; what is found are stacks of the profile. Thread: any. Limit: HOT_STACKS_MAX. Errors: -ENOMEM.
 */
#ifndef EVERPROF_QUERY_HOT_STACKS_H
#define EVERPROF_QUERY_HOT_STACKS_H

#include <stdint.h>

#define HOT_STACKS_MAX 16

struct buf;
struct profile;

struct hot_stack {
	uint32_t stack; /* one of those that are the same */
	int64_t value, normal;
};

/* The largest first, of the default sample type, at most HOT_STACKS_MAX. normal: the other profile, NULL: none. Both are sealed. */
int hot_stacks__find(const struct profile *p, const struct profile *normal,
		     struct hot_stack ret[HOT_STACKS_MAX], uint32_t *ret_n);
void hot_stack__print(const struct profile *p, uint32_t stack, struct buf *to);

#endif
