/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_dir - a process's folder in /proc, and its files `stat` and `status`.
 *
 * A folder that is held open belongs to one process for ever: once that process is gone, reading in it fails, and
 * does not show the next process with the same pid.
 *
 * Owns: nothing; descriptors are the caller's. Thread: any. Limit: PROC_FILE_MAX bytes a file, PROC_THREADS_TRIED
 * threads.
 * Errors: -ESRCH no such process (or another one has its pid now), -EBADMSG not such a file, -ETIMEDOUT the process keeps who asks (proc_file).
 */
#ifndef EVERPROF_PROCESS_PROC_DIR_H
#define EVERPROF_PROCESS_PROC_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROC_FILE_MAX      16384
#define PROC_THREADS_TRIED 64

struct proc_stat {
	char comm
		[64]; /* of the thread group's leader; kernel workers have longer ones here than in their comm */
	char state;
	bool kernel_thread;
	uint32_t pid, ppid;
	uint64_t start_ticks; /* CLOCK_BOOTTIME in 1/100 s */
	/* addresses; 0 where the reader may not know them */
	uint64_t args_start, args_end, env_end;
};

struct proc_status {
	uint32_t tgid;
	uint32_t uid;    /* effective */
	uint32_t ns_pid; /* in the innermost pid namespace; tgid where the kernel does not tell */
	uint32_t ns_tid; /* of a thread's own file: its id there */
	uint32_t n_pid_namespaces;
};

int parse_proc_stat(const char *text, size_t len, struct proc_stat *ret_stat);
int parse_proc_status(const char *text, size_t len, struct proc_status *ret_status);
/* pid: whose folder it is. */
int read_proc_stat(uint32_t pid, int pid_dir_fd, struct proc_stat *ret_stat);
int read_proc_status(int pid_dir_fd, struct proc_status *ret_status);

/*
 * Opens the folder of the process that started at start_ns (CLOCK_BOOTTIME; 0: whoever has the pid). Where the leader
 * has ended before its other threads, memory, files and namespaces stand in the folder of one of those: that one is
 * opened.
 */
int proc_dir__open(int proc_root_fd, uint32_t tgid, uint64_t start_ns, int *ret_fd,
		   struct proc_stat *ret_stat);

#endif
