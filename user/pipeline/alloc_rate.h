/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_rate - how many bytes a second processes allocate, from what windows on allocations say, for rules (the metric alloc_rate).
 *
 * A window stands for some tenths of a second and comes when it may; who asks does so once a second, or never until a rule wants to know. So what came in is told little by little, less the longer
 * it is past, whoever asks: over all time the rate adds up to all that came in, and at any time it is a mean of some dozen windows of the last ALLOC_RATE_NS.
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
	uint64_t added_ns;
	double bytes; /* as of then, those of before for what they still count */
};

struct alloc_rates {
	struct alloc_rate *rates;
	struct hashmap by_key;
	uint32_t n, cap;
};

void alloc_rates__init(struct alloc_rates *a);
void alloc_rates__done(struct alloc_rates *a);
int alloc_rates__add(struct alloc_rates *a, const struct task_key *key, uint64_t now_ns, double bytes);
/* Bytes a second; 0 for a process that gave nothing. */
double alloc_rates__of(const struct alloc_rates *a, const struct task_key *key, uint64_t now_ns);

#endif
