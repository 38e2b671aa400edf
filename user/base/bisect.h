/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bisect - a place in what is sorted, by halves: the one search that tables of addresses, names and times are asked with.
 *
 * Owns: nothing. Thread: any. Limit: 64 bits. Errors: none.
 */
#ifndef EVERPROF_BASE_BISECT_H
#define EVERPROF_BASE_BISECT_H

#include <stdint.h>

/*
 * How many of n entries lie before a place: is_before is an expression of i that is true of these and of none behind them. "start <= x" counts those that start at or
 * before x, so the last one of them is the entry before the result; "start < x" gives the first one at or after x. With n = 0 nothing is looked at.
 */
#define bisect__count(n, i, is_before)                              \
	({                                                          \
		uint64_t bisect_from = 0, bisect_to = (n);          \
                                                                    \
		while (bisect_from < bisect_to) {                   \
			uint64_t i = (bisect_from + bisect_to) / 2; \
                                                                    \
			if (is_before)                              \
				bisect_from = i + 1;                \
			else                                        \
				bisect_to = i;                      \
		}                                                   \
		bisect_from;                                        \
	})

#endif
