/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_reader - copies out of another process's memory, aside.
 *
 * A job is asked for, filled in, read, and given back; nobody else reads meanwhile. One that did not come back in time is the thread's from then on.
 *
 * Owns: its job. Thread: any, one after the other. Limit: MEMORY_JOB_BYTES and IOV_MAX pieces a job. Errors: -ETIMEDOUT not in time, now or lately; -ESRCH gone; -errno of process_vm_readv or of
 * the descriptor; -ENOMEM, -EAGAIN no thread.
 */
#ifndef EVERPROF_PROCESS_MEMORY_READER_H
#define EVERPROF_PROCESS_MEMORY_READER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "user/base/aside.h"

#define MEMORY_JOB_BYTES (256u << 10)

struct memory_job {
	struct aside_job aside;
	uint32_t pid, tid; /* a thread of the process that lives */
	int mem_fd;        /* its /proc/PID/mem; FD_CLOSED: by tid */
	uint32_t n;
	struct iovec there[IOV_MAX];
	ssize_t got;
	uint8_t bytes[MEMORY_JOB_BYTES]; /* out: the pieces, one behind the other */
};

/* On failure there is nothing to give back. */
int memory_reader__take(struct memory_job **ret_job);
/* How many bytes came, up to the first that cannot be read. */
ssize_t memory_reader__read(struct memory_job *job);
void memory_reader__put(void);

#endif
