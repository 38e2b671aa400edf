/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sideband - what processes do, in the order in which they did it: fork, exec, mmap of code, its end where other code comes, exit.
 *
 * Fork, exec and exit come from our tracepoints with the incarnation's key; mappings from the kernel's own perf side-band (PERF_RECORD_MMAP2),
 * one ring per CPU. Both are read when somebody needs to know (a timer, or an unfinished stack), put in order (life_order), and handed on.
 *
 * Owns: a dummy perf event and a ring per CPU, the reader of the process ring. Thread: the collector's. Limit: PERF_RING_PAGES pages a CPU. Errors: -errno;
 * what the rings lost is counted, and told by sideband__take_lost().
 */
#ifndef EVERPROF_KERNEL_SIDEBAND_H
#define EVERPROF_KERNEL_SIDEBAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/kernel/life_order.h"

struct err;
struct kernel_maps;
struct sideband;

int sideband__open(const struct kernel_maps *maps, const struct life_handler *handler, struct sideband **ret,
		   struct err *err);
void sideband__close(struct sideband *s);
/* Opens rings for CPUs that came online, also for those that went and came between two calls. */
int sideband__refresh_cpus(struct sideband *s, struct err *err);
/* Readable when a ring of mappings is half full: drain then, and do not wait for the next time. */
int sideband__epoll_fd(const struct sideband *s);
/* False: the kernel tells nothing of mappings until it is true again; then what is known of any process may be old. */
void sideband__follow(struct sideband *s, bool follow);
/* Hands on all that has happened until then (UINT64_MAX: now); what came later stays for the next call. */
int sideband__drain(struct sideband *s, uint64_t until_ns);
/* Were mappings lost since the last call? Then what is known of any process may be incomplete. */
bool sideband__take_lost(struct sideband *s);
/* Since the beginning: lost by the rings or for want of room here, and handed on. */
uint64_t sideband__n_lost(const struct sideband *s);
uint64_t sideband__n_told(const struct sideband *s);

#endif
