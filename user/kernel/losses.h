/* SPDX-License-Identifier: Apache-2.0 */
/*
 * losses - what went missing, by reason: the kernel's counters and user space's own, added up.
 *
 * Owns: nothing but the numbers. Thread: one owner. Limit: none. Errors: -errno of the map read.
 */
#ifndef EVERPROF_KERNEL_LOSSES_H
#define EVERPROF_KERNEL_LOSSES_H

#include <stdint.h>

#include "bpf/abi.h"

struct losses {
	uint64_t n[LOSS_MAX];
};

const char *loss__name(enum loss loss);
const char *loss__text(enum loss loss);
/* Nothing is missing, but it may be wrong. */
int loss__is_doubt(enum loss loss);
const char *end_reason__name(enum end_reason end);
int end_reason__is_complete(enum end_reason end);
/* The kernel's counters since the load, summed over CPUs, by event; at EVENT_N those that all events suffer from. */
int losses__read(int losses_fd, struct losses ret[EVENT_N + 1]);
/* The same where something was counted since the last one: then *has_lost is taken back. 1: nothing was, and nothing is read. On failure the next one tries again. */
int losses__take(int losses_fd, uint32_t *has_lost, struct losses ret[EVENT_N + 1]);
void losses__add(struct losses *to, const struct losses *more);
/* now - before, by reason. */
void losses__since(const struct losses *now, const struct losses *before, struct losses *ret);

#endif
