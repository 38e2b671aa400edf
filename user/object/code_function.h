/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_function - where a function begins and ends in code without rules, as assemblers lay it out: aligned, and behind the end of the one before.
 *
 * Pure: bytes in, range out. Code that was left through a jump goes on at an aligned place now and then: where no branch before it leads there or over it, such a part is taken for a
 * function of its own.
 *
 * Owns: nothing. Thread: any. Limit: that of the bytes, each is looked at once. Errors: none; where nothing begins before the address nothing is known.
 */
#ifndef EVERPROF_OBJECT_CODE_FUNCTION_H
#define EVERPROF_OBJECT_CODE_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/function_range.h"

/* The one that holds `vaddr`, in bytes that lie at `start`; is_behind_end: what lies before them is known to have ended there. False: none is seen. */
bool code_function__find(const uint8_t *bytes, size_t len, uint64_t start, bool is_behind_end, uint64_t vaddr,
			 struct function_range *ret_range);

#endif
