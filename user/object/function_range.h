/* SPDX-License-Identifier: Apache-2.0 */
/*
 * function_range - where the functions of a file without symbols begin and end, as its unwind rules tell, and between these its code.
 *
 * Owns: nothing. Thread: any. Limit: that of fde_index; 1,024 addresses between rules a call, the rest are told no range. Errors: -ENOENT no search table, those of unwind_rules and fde_index; an FDE that is damaged gives
 * no range.
 */
#ifndef EVERPROF_OBJECT_FUNCTION_RANGE_H
#define EVERPROF_OBJECT_FUNCTION_RANGE_H

#include <stddef.h>
#include <stdint.h>

struct elf;

/* [start, end); both 0 where no function is known there. */
struct function_range {
	uint64_t start, end;
};

/* The functions that hold the addresses, which ascend. The part of a function that was moved out of the way is one of its own. */
int function_range__find(const struct elf *e, const uint64_t *vaddrs, size_t n,
			 struct function_range *ret_ranges);

#endif
