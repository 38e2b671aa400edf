/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex - what a thread that waits for a futex waits for, and who holds that: from its registers and a few bytes at the address.
 *
 * The kernel does not know what a futex is part of, and only some locks say who has them: those with priority inheritance and robust ones keep the thread's
 * id in the word itself, the GNU C library keeps it beside the word of a mutex, and that of the writer beside those of a reader-writer lock. Semaphores,
 * condition variables and the locks of other runtimes have no holder that could be read.
 *
 * Owns: nothing. Thread: any. Limit: FUTEX_LOOK_BYTES. Errors: none; what is not understood has no holder.
 */
#ifndef EVERPROF_PROCESS_FUTEX_H
#define EVERPROF_PROCESS_FUTEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"

/* From the futex on, that much is looked at. */
#define FUTEX_LOOK_BYTES 20

struct futex_wait {
	uint64_t addr;
	bool has_timeout; /* it does not wait forever */
	bool is_pi;       /* the kernel itself keeps the holder in the word */
};

/* regs: of the system call, by DWARF number. False: that is no wait for one futex. */
bool futex__parse_wait(int syscall, const __u64 regs[REGS_N], struct futex_wait *ret);
/* The holder's thread id as its own pid namespace has it, from the bytes at w->addr; 0: there is none, or none that is known. */
uint32_t futex__parse_holder(const struct futex_wait *w, const void *bytes, size_t len);

#endif
