/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_rate - how many bytes a second processes allocate, from what windows on allocations say, for rules (the metric alloc_rate).
 *
 * A window stands for some tenths of a second and comes when it may; who asks does so once a second. So what came in is handed out little by little,
 * with a time constant of ALLOC_RATE_NS: sums stay, and the rate is a mean of some dozen windows.
 *
 * Owns: its table. Thread: one owner. Limit: ALLOC_RATES_MAX processes; of further ones nothing is known. Errors: -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_RATE_H
#define EVERPROF_PIPELINE_ALLOC_RATE_H

#include <stdint.h>

#include "bpf/abi.h"
#include "user/base/hashmap.h"

#define ALLOC_RATES_MAX 4096
#define ALLOC_RATE_NS   10000000000ull
/* A process that gave nothing for so long is forgotten when others come. */
#define ALLOC_RATE_FORGET_NS (12 * ALLOC_RATE_NS)

struct alloc_rate {
	struct task_key key;
	uint64_t added_ns, taken_ns;
	double bytes; /* not handed out yet */
};

struct alloc_rates {
	struct alloc_rate *rates;
	struct hashmap by_key;
	uint32_t n, cap;
};

void alloc_rates__init(struct alloc_rates *a);
void alloc_rates__done(struct alloc_rates *a);
int alloc_rates__add(struct alloc_rates *a, const struct task_key *key, uint64_t now_ns, double bytes);
/* Bytes for the time since the last call for the process, or since it was first seen; 0 for one that gave nothing. */
double alloc_rates__take(struct alloc_rates *a, const struct task_key *key, uint64_t now_ns);

#endif
