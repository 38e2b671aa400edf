/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_tree - where the files of control groups are: one hierarchy (version 2), one a controller (version 1), or both at once.
 *
 * A group is named by its path, as process/container has it. With version 1 a group may be there in some hierarchies only: what the others would tell
 * of it is not known then.
 *
 * Owns: nothing (embedded text). Thread: any. Limit: CGROUP_POINT_MAX bytes a mount point. Errors: -ENOENT no such hierarchy, or the path is not below its
 * root; -ENAMETOOLONG.
 */
#ifndef EVERPROF_PROCESS_CGROUP_TREE_H
#define EVERPROF_PROCESS_CGROUP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_POINT_MAX 256
#define CGROUP_PATH_MAX  4096

enum cgroup_controller {
	CGROUP_UNIFIED,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CONTROLLER_N
};

/* id, controller, file of version 2, of version 1 (NULL: it has none) */
#define CGROUP_FILES(X)                                                      \
	X(CPU_STAT, CPU, "cpu.stat", "cpu.stat")                             \
	X(CPU_USAGE, CPUACCT, NULL, "cpuacct.usage")                         \
	X(CPU_MAX, CPU, "cpu.max", NULL)                                     \
	X(CPU_QUOTA, CPU, NULL, "cpu.cfs_quota_us")                          \
	X(CPU_PERIOD, CPU, NULL, "cpu.cfs_period_us")                        \
	X(MEMORY_CURRENT, MEMORY, "memory.current", "memory.usage_in_bytes") \
	X(MEMORY_STAT, MEMORY, "memory.stat", "memory.stat")                 \
	X(MEMORY_MAX, MEMORY, "memory.max", "memory.limit_in_bytes")         \
	X(PIDS_CURRENT, PIDS, "pids.current", "pids.current")                \
	X(PIDS_MAX, PIDS, "pids.max", "pids.max")                            \
	X(CPU_PRESSURE, UNIFIED, "cpu.pressure", NULL)                       \
	X(MEMORY_PRESSURE, UNIFIED, "memory.pressure", NULL)                 \
	X(IO_PRESSURE, UNIFIED, "io.pressure", NULL)

enum cgroup_file {
#define X(id, controller, v2, v1) CGROUP_FILE_##id,
	CGROUP_FILES(X)
#undef X
		CGROUP_FILE_N
};

struct cgroup_mount {
	char point[CGROUP_POINT_MAX]; /* "": not mounted */
	char root[CGROUP_POINT_MAX];  /* the group that is to be seen there; "" is all */
};

struct cgroup_tree {
	struct cgroup_mount mounts[CGROUP_CONTROLLER_N];
};

/* The text of /proc/PID/mountinfo; -ENOENT: no hierarchy that is of use. */
int parse_cgroup_mounts(const char *text, size_t len, struct cgroup_tree *ret);
int read_cgroup_tree(const char *proc, struct cgroup_tree *ret);
/* Is the file of version 1 here? */
bool cgroup_tree__is_v1(const struct cgroup_tree *t, enum cgroup_file file);
/* Where the file of the group is: root (of a tree of tests, or "") before all. */
int cgroup_tree__path(const struct cgroup_tree *t, const char *root, const char *group, enum cgroup_file file,
		      char ret_path[CGROUP_PATH_MAX]);

#endif
