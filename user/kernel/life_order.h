/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_order - what processes did, put into the order in which they did it, each mapping with the program that made it.
 *
 * Owns: copies of what is added, until it is told. Thread: one owner. Limit: LIFE_BATCH_MAX events, LIFE_BATCH_BYTES bytes of them, and LIFE_HELD_MAX mappings whose
 * exec has not been told. Errors: -ENOMEM; what there is no room for is counted.
 */
#ifndef EVERPROF_KERNEL_LIFE_ORDER_H
#define EVERPROF_KERNEL_LIFE_ORDER_H

#include <stdint.h>

#include "bpf/abi.h"

#define LIFE_BATCH_MAX   65536
#define LIFE_BATCH_BYTES (32u << 20)
#define LIFE_HELD_MAX    4096
#define LIFE_HOLD_NS     (1000ull * 1000 * 1000)

struct life_order;

struct life_mmap {
	uint64_t time_ns;
	uint32_t tgid;
	uint32_t prot;
	uint64_t addr, len, pgoff;
	uint64_t dev, ino, generation; /* of the file; ino 0: code in no file */
	const char *path;              /* borrowed for the call; "//anon" for code in no file */
};

struct life_handler {
	void (*fork)(void *ctx, const struct process_record *r);
	void (*exec)(void *ctx, const struct process_record *r);
	void (*exit)(void *ctx, const struct process_record *r);
	void (*gone)(void *ctx, const struct process_record *r); /* nothing was mapped at r->gone then */
	void (*oom)(void *ctx,
		    const struct process_record *r); /* the kernel will kill it; may be told twice */
	void (*mmap)(void *ctx, const struct life_mmap *m);
	void *ctx;
};

struct life_order_stats {
	uint64_t told, lost;
	uint64_t moved; /* copied because what was there before them had been told */
};

int life_order__new(const struct life_handler *handler, struct life_order **ret);
void life_order__free(struct life_order *o);
/* In any order; of equal times what was added first is told first. */
void life_order__add_record(struct life_order *o, const struct process_record *r);
void life_order__add_mmap(struct life_order *o, const struct life_mmap *m);
/* An exec has begun: what the process maps from now on is of the new program. Its record follows the first of that. */
void life_order__add_exec_mark(struct life_order *o, uint64_t time_ns, uint32_t tgid);
/* Hands on what happened until then; what came later stays. Nothing older may be added afterwards. */
void life_order__tell(struct life_order *o, uint64_t until_ns);
const struct life_order_stats *life_order__stats(const struct life_order *o);

#endif
