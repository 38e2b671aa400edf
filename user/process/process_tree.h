/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_tree - a process with those above and below it, or the processes of a control group, as /proc has them now.
 *
 * Owns: nothing; texts hold for the call. Thread: any. Limit: PROCESS_TREE_MAX processes, PROCESS_TREE_ABOVE above. Errors: -ESRCH it is gone; others that end
 * meanwhile are left out.
 */
#ifndef EVERPROF_PROCESS_PROCESS_TREE_H
#define EVERPROF_PROCESS_PROCESS_TREE_H

#include <stdbool.h>
#include <stdint.h>

#define PROCESS_TREE_MAX    256
#define PROCESS_TREE_ABOVE  16
#define PROCESS_COMMAND_MAX 4096

struct process_tree_node {
	uint32_t pid, parent, n_threads;
	uint64_t start_ns, resident_bytes; /* CLOCK_BOOTTIME, to 10 ms */
	int depth;                         /* 0: itself; below 1, 2, …; above -1, -2, … */
	char state;
	const char *comm, *exe, *cgroup, *command_line; /* "" where not known, or not wanted */
};
typedef void (*process_tree_fn)(void *ctx, const struct process_tree_node *n);

/* From the one at the top down. start_ns 0: whoever has the pid. */
int read_process_tree(int proc_root_fd, uint32_t pid, uint64_t start_ns, bool command_lines,
		      process_tree_fn fn, void *ctx);
/* Those in a folder of the control groups' hierarchy: dir_fd is that folder. */
int read_group_processes(int proc_root_fd, int dir_fd, bool command_lines, process_tree_fn fn, void *ctx);

#endif
