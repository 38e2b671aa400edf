// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_length.h"

/* A profile that is so many times as long as what its windows stand for had times without: what those were like is not known. */
#define LONGER_MAX 3.0

/* One window lies anywhere in each stretch, and a profile begins anywhere in one: of profiles that are so many stretches long, the share that has a window. */
static double share_met(double stretches)
{
	double lacks = 2 - stretches;

	if (stretches >= 2)
		return 1;
	return stretches >= 1 ? 1 - lacks * lacks * lacks / 6
			      : stretches - stretches * stretches * stretches / 6;
}

struct alloc_length alloc_length__of(double length_ns, double covered_ns, uint32_t n_windows, bool is_first)
{
	struct alloc_length l = {.windows = 1, .aids = 1};

	if (!n_windows || covered_ns <= 0 || length_ns <= 0)
		return l;
	if (!is_first)
		l.aids = 1 / share_met(length_ns / covered_ns * n_windows);
	if (length_ns <= LONGER_MAX * covered_ns)
		l.windows = length_ns / covered_ns;
	l.windows *= l.aids;
	return l;
}
