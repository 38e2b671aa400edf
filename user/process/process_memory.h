/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_memory - reads the memory of a process that goes on running.
 *
 * A pid may be another process's by the time that it is asked: whoever reads looks afterwards whether its process still lives (proc_dir), or opens its memory once and looks
 * after that.
 *
 * Nor does one wait for ever: memory that another program has to fill in first (userfaultfd, a file of FUSE), and does not, is given up with its process.
 *
 * Owns: nothing. Thread: any, one after the other. Limit: MEMORY_JOB_BYTES a span. Errors: -ESRCH gone, -EPERM not allowed (no CAP_SYS_PTRACE, or a security
 * module), -EFAULT not mapped, -ETIMEDOUT not in time, now or lately (aside).
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
/* Each span by itself, up to a thousand a system call; a span that cannot be read is left as it was. An error only where nothing can be read at all. */
int process_memory__read_spans(uint32_t pid, struct memory_span *spans, size_t n);
/* The same by a thread that lives: the process's first one may have ended before it. */
int process_memory__read_thread(uint32_t pid, uint32_t tid, struct memory_span *spans, size_t n);

/*
 * Opens the memory of the process that started at start_ns, as the program that it runs now has it: what is read there later is of that program, or -ESRCH once it has
 * ended or has made room for another by an exec.
 */
int process_memory__open(int proc_root_fd, uint32_t pid, uint64_t start_ns, int *ret_fd);
/* All of it, or an error. `pid` is whose it is. */
int process_memory__read_open(int mem_fd, uint32_t pid, uint64_t addr, void *to, size_t len);

#endif
