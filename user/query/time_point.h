/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_point - a moment as people and URLs write it.
 *
 *      now   now-1h30m   2026-01-31   2026-01-31T10:00   2026-01-31T10:00:05Z   "2026-01-31 10:00"   1769853600
 *
 * All in UTC, with or without a Z. A bare number is seconds since 1970.
 *
 * Owns: nothing. Thread: any. Limit: years 1970 to 2261. Errors: -EINVAL; the err says what was expected.
 */
#ifndef EVERPROF_QUERY_TIME_POINT_H
#define EVERPROF_QUERY_TIME_POINT_H

#include <stdint.h>

struct err;

int time_point__parse(const char *text, uint64_t now_ns, uint64_t *ret_ns, struct err *err);

#endif
