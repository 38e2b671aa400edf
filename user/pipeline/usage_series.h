/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage_series - what a target used in the last minutes, pass by pass; what does not change takes no room.
 *
 * A point holds until the next one, so that a process that sleeps has one point, and one that works has one a pass. Targets share one allowance: where it is
 * used up, a series does not grow any more, and forgets its oldest points sooner.
 *
 * Owns: its points. Thread: that of its usage. Limit: USAGE_SERIES_MAX points, the allowance. Errors: none; without memory it is shorter.
 */
#ifndef EVERPROF_PIPELINE_USAGE_SERIES_H
#define EVERPROF_PIPELINE_USAGE_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USAGE_SERIES_MAX 600

/* Values are rounded: CPU to a thousandth of a CPU, memory to KiB; what is larger than its field is the largest that fits. */
struct usage_point {
	uint32_t pass; /* from this one on */
	uint32_t rss_kib;
	uint32_t cpu_millis;
	uint16_t major; /* faults a second */
	uint16_t threads;
};

struct usage_allowance {
	size_t limit_bytes, used_bytes;
	uint64_t n_refused; /* times that a series would have grown */
};

struct usage_series {
	struct usage_point *points; /* a ring */
	uint16_t cap, first, n;
};

void usage_series__done(struct usage_series *s, struct usage_allowance *a);
/* p->pass must not be before that of the last one. */
void usage_series__add(struct usage_series *s, struct usage_allowance *a, const struct usage_point *p);
/* The values as of that pass, or NULL: before its first point. */
const struct usage_point *usage_series__at(const struct usage_series *s, uint32_t pass);

#endif
