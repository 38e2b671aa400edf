/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_memory - reads the memory of a process that goes on running.
 *
 * A pid may be another process's by the time that it is asked: whoever reads looks afterwards whether its process still lives (proc_dir).
 *
 * Owns: nothing. Thread: any. Limit: what the caller gives. Errors: -ESRCH gone, -EPERM not allowed (no CAP_SYS_PTRACE, or a security module),
 * -EFAULT not mapped.
 */
#ifndef EVERPROF_PROCESS_PROCESS_MEMORY_H
#define EVERPROF_PROCESS_PROCESS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_span {
	uint64_t addr;
	void *to;
	uint32_t len;
	bool is_read; /* out: all of it */
};

/* All of it, or an error. */
int process_memory__read(uint32_t pid, uint64_t addr, void *to, size_t len);
/* Each span by itself, some hundred a system call; a span that cannot be read is left as it was. An error only where nothing can be read at all. */
int process_memory__read_spans(uint32_t pid, struct memory_span *spans, size_t n);

#endif
