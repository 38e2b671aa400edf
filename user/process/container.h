/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container - what a control group's path says: which unit, which container, which pod.
 *
 * Owns: nothing (embedded text). Thread: any. Limit: CONTAINER_*_MAX bytes a name, longer ones are left out;
 * PROC_CGROUP_MAX bytes of file.
 * Errors: -EBADMSG no line of the file is one, -ESRCH no such process, -errno of open and read.
 */
#ifndef EVERPROF_PROCESS_CONTAINER_H
#define EVERPROF_PROCESS_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTAINER_CGROUP_MAX 4096
#define CONTAINER_UNIT_MAX   256
#define CONTAINER_ID_MAX     128
#define CONTAINER_POD_MAX    64
#define PROC_CGROUP_MAX      (64u * 1024)

/* "" where there is none. */
struct container_names {
	char cgroup[CONTAINER_CGROUP_MAX]; /* as in the hierarchy that was chosen */
	char unit[CONTAINER_UNIT_MAX];     /* the innermost systemd service or scope */
	char id[CONTAINER_ID_MAX];   /* the innermost container: 64 hex digits, or an LXC or machine name */
	char pod[CONTAINER_POD_MAX]; /* the Kubernetes pod's uid, with dashes */
	bool only_unified;           /* there is no other hierarchy, so the control group's id tells all */
};

/* A path as "/system.slice/docker-….scope". Sets all of *ret_names. -E2BIG where the path is longer than we keep. */
int parse_cgroup_path(const char *path, size_t len, struct container_names *ret_names);
/* The text of /proc/PID/cgroup, versions 1, 2 and both at once. */
int parse_proc_cgroup(const char *text, size_t len, struct container_names *ret_names);
/* path is that of the file below dir_fd. */
int read_proc_cgroup(int dir_fd, const char *path, struct container_names *ret_names);

#endif
