/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namespace - where a process lives: its mount and pid namespaces, its own number in there, its root.
 *
 * What a process writes about itself (perf map files) is named by the pid it sees and lies below the root it sees.
 *
 * Owns: nothing; descriptors are the caller's. Thread: any. Limit: none.
 * Errors: -ESRCH no such process, -EBADMSG not a namespace link, -errno of readlink and open, -ETIMEDOUT the process keeps who asks (proc_file).
 */
#ifndef EVERPROF_PROCESS_NAMESPACE_H
#define EVERPROF_PROCESS_NAMESPACE_H

#include <stddef.h>
#include <stdint.h>

/* The number in "mnt:[4026531841]"; `type` is "mnt". */
int parse_namespace_link(const char *text, const char *type, uint64_t *ret_id);
/* O_PATH on the root of the process whose folder it is, for far_file__open_in_root. */
int namespace__open_root(uint32_t pid, int pid_dir_fd, int *ret_fd);

#endif
