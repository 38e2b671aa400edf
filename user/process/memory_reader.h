/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_reader - copies out of another process's memory on a thread that may be left behind.
 *
 * A job is asked for, filled in, read, and given back; nobody else reads meanwhile. One that did not come back in time is the thread's from then on.
 *
 * Owns: the thread, its job, and those left behind; they end with the agent. Thread: any, one after the other. Limit: MEMORY_JOB_BYTES and IOV_MAX pieces a
 * job, MEMORY_LEFT_MAX threads left behind. Errors: -ETIMEDOUT not in time, now or lately; -ESRCH gone; -errno of process_vm_readv or of the descriptor; -ENOMEM, -EAGAIN no thread.
 */
#ifndef EVERPROF_PROCESS_MEMORY_READER_H
#define EVERPROF_PROCESS_MEMORY_READER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define MEMORY_JOB_BYTES   (256u << 10)
#define MEMORY_LEFT_MAX    4
#define MEMORY_PATIENCE_NS 100000000ull
#define MEMORY_RESPITE_NS  60000000000ull

struct memory_job {
	uint32_t tid; /* a thread of the process that lives */
	int mem_fd;   /* its /proc/PID/mem; FD_CLOSED: by tid */
	uint32_t n;
	struct iovec there[IOV_MAX];
	uint8_t bytes[MEMORY_JOB_BYTES]; /* out: the pieces, one behind the other */
};

/* For a process. On failure there is nothing to give back. */
int memory_reader__take(uint32_t pid, struct memory_job **ret_job);
/* How many bytes came, up to the first that cannot be read. */
ssize_t memory_reader__read(struct memory_job *job);
void memory_reader__put(void);

#endif
