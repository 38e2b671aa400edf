/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish - takes up a walk where the kernel had to leave it, with the very same code (bpf/unwind.bpf.h) over the copied piece of stack.
 *
 * Owns: nothing. Thread: any. Limit: WALK_FRAMES_MAX frames. Errors: none; how it ended is in walk.end.
 */
#ifndef EVERPROF_KERNEL_FINISH_H
#define EVERPROF_KERNEL_FINISH_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unfinished.h"
#include "bpf/walk.h"

/* What a walk asks for. */
struct finish_ports {
	/* The mapping that holds pc in this incarnation: 0, or END_NO_MAPPING / END_NO_PROCESS. */
	int (*find_mapping)(void *ctx, const struct task_key *key, uint64_t pc, struct walk_mapping *ret);
	/* The row in force at vaddr: 0 (ROW_CFA_NONE: the object has none there), or END_NO_ROWS. */
	int (*find_row)(void *ctx, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row);
	/* Code of the object, to judge a return address by; without one, of the process, at that address: 0, or not to be had. */
	int (*read_code)(void *ctx, const struct task_key *key, uint32_t object, uint64_t vaddr, void *to,
			 size_t len);
	void *ctx;
};

/* -EBADMSG: the record is not sound. The walk's words are the whole stack, cut mark included where it was cut. */
int finish__walk(const struct unfinished_record *r, size_t size, const struct finish_ports *ports,
		 struct walk *ret_walk);

#endif
