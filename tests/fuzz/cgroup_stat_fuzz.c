/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the files that tell what control groups and the host use. What is taken for a number was one in the text; a path of a file lies below a
 * mount point that was told, and does not step upwards.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/cgroup_stat.h"
#include "user/process/cgroup_tree.h"
#include "user/process/host_stat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

static void check_tree(const struct cgroup_tree *t, const char *text, size_t len)
{
	static char path[CGROUP_PATH_MAX], group[512];

	/* the text itself as a group's path, too */
	memcpy(group, text, len < sizeof(group) ? len : sizeof(group) - 1);
	group[len < sizeof(group) ? len : sizeof(group) - 1] = '\0';
	for (int f = 0; f < CGROUP_FILE_N; f++) {
		if (!cgroup_tree__path(t, "", "/a/b", f, path))
			require(strstr(path, "/..") == NULL || memmem(text, len, "/..", 3) != NULL);
		if (!cgroup_tree__path(t, "", group, f, path))
			require(strlen(path) < CGROUP_PATH_MAX && strstr(group, "/../") == NULL);
	}
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		require(!*t->mounts[c].point ||
			memmem(text, len, t->mounts[c].point, strlen(t->mounts[c].point)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct cgroup_memory memory;
	struct host_memory host;
	struct cgroup_tree tree;
	struct host_cpu host_cpu;
	struct pressure p;
	struct cgroup_cpu cpu;
	double cpus;
	uint64_t v;

	parse_cgroup_cpu_stat(text, size, &cpu);
	parse_cgroup_memory_stat(text, size, &memory);
	parse_host_memory(text, size, &host);
	if (!parse_cgroup_cpu_max(text, size, &cpus))
		require(cpus >= 0);
	if (!parse_cgroup_number(text, size, &v))
		require(v == CGROUP_UNLIMITED || v < UINT64_MAX / 2);
	if (!parse_pressure(text, size, &p))
		require(memmem(text, size, "total=", 6) != NULL);
	if (!parse_host_cpu(text, size, &host_cpu))
		require(host_cpu.busy_ns <= host_cpu.all_ns);
	if (!parse_cgroup_mounts(text, size, &tree))
		check_tree(&tree, text, size);
	return 0;
}
