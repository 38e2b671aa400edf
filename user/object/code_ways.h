/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_ways - ways through code that are still to be gone: a stack of them, or a heap from which the one with the lowest address comes first.
 *
 * Owns: its array. Thread: one owner. Limit: that of who adds. Errors: false: no memory.
 */
#ifndef EVERPROF_OBJECT_CODE_WAYS_H
#define EVERPROF_OBJECT_CODE_WAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/object/stack_state.h"

struct way {
	uint32_t at;
	uint8_t strength;
	struct stack_state state;
};

/* Zeroed: empty. One is used as a stack or as a heap, never as both. */
struct code_ways {
	struct way *ways;
	uint32_t n, cap;
};

void code_ways__done(struct code_ways *w);
bool code_ways__push(struct code_ways *w, const struct way *way);
struct way code_ways__pop(struct code_ways *w);
bool code_ways__add(struct code_ways *w, const struct way *way);
struct way code_ways__take_lowest(struct code_ways *w);

#endif
