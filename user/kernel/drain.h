/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain - turns the halves over and reads the one that was closed.
 *
 * Owns: nothing (the maps are the loader's). Thread: the collector's. Limit: the halves. Errors: -EAGAIN where programs do not leave the half within DRAIN_GRACE_NS;
 * nothing was read then, and the half is read with the next turn.
 */
#ifndef EVERPROF_KERNEL_DRAIN_H
#define EVERPROF_KERNEL_DRAIN_H

#include <stdint.h>

#include "bpf/abi.h"

struct kernel_maps;

#define DRAIN_GRACE_NS (100ull * 1000 * 1000)

/* One row of the closed slice. words[slot->n_kernel + slot->n_user], leaf first; NULL where the store was full. Borrowed for the call. */
typedef int (*drain_fn)(const struct count_slot *slot, const uint64_t *words, void *ctx);

struct drain_stats {
	uint64_t slots, words; /* of the last slice */
	uint64_t late;         /* turns that found writers still inside */
};

struct drain {
	const struct kernel_maps *maps;
	uint64_t turned_ns; /* CLOCK_MONOTONIC: up to when samples are in what was read last */
	struct drain_stats stats;
};

void drain__init(struct drain *d, const struct kernel_maps *maps);
/* Closes the half that is being written: samples go into the other one from now on. */
int drain__turn(struct drain *d);
/* Hands each row of the half that was closed to fn, and clears it. */
int drain__read(struct drain *d, drain_fn fn, void *ctx);

#endif
