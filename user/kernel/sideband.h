/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sideband - what processes do, in the order in which they did it: fork, exec, mmap of code, its end where other code comes, exit.
 *
 * Fork, exec and exit come from our tracepoints with the incarnation's key; mappings from the kernel's own perf side-band (PERF_RECORD_MMAP2),
 * one ring per CPU. Both are read when somebody needs to know (a timer, or an unfinished stack), sorted by time, and handed on.
 *
 * Owns: a dummy perf event and a ring per CPU, the reader of the process ring. Thread: the collector's. Limit: SIDEBAND_RING_PAGES pages a CPU, SIDEBAND_BATCH_MAX
 * events a call. Errors: -errno; what the rings lost is counted, and makes `lost` true.
 */
#ifndef EVERPROF_KERNEL_SIDEBAND_H
#define EVERPROF_KERNEL_SIDEBAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"

struct err;
struct kernel_maps;
struct sideband;

#define SIDEBAND_RING_PAGES 32 /* 128 KiB: some 1200 mappings */
#define SIDEBAND_BATCH_MAX  65536

struct sideband_mmap {
	uint64_t time_ns;
	uint32_t tgid;
	uint32_t prot;
	uint64_t addr, len, pgoff;
	uint64_t dev, ino, generation; /* of the file; ino 0: code in no file */
	const char *path;              /* borrowed for the call; "//anon" for code in no file */
};

struct sideband_handler {
	void (*fork)(void *ctx, const struct process_record *r);
	void (*exec)(void *ctx, const struct process_record *r);
	void (*exit)(void *ctx, const struct process_record *r);
	void (*gone)(void *ctx, const struct process_record *r); /* nothing was mapped at r->gone then */
	void (*oom)(void *ctx,
		    const struct process_record *r); /* the kernel will kill it; may be told twice */
	void (*mmap)(void *ctx, const struct sideband_mmap *m);
	void *ctx;
};

struct sideband_stats {
	uint64_t events, lost, held_dropped;
};

int sideband__open(const struct kernel_maps *maps, const struct sideband_handler *handler,
		   struct sideband **ret, struct err *err);
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
const struct sideband_stats *sideband__stats(const struct sideband *s);

#endif
