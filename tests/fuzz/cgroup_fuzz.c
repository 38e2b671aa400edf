/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as /proc/PID/cgroup, and as one path of it. Whatever is found stands in the path, letter for letter but
 * for a pod's dashes; a path that was chosen, parsed by itself, gives the same names.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

static void check(const struct container_names *n)
{
	static struct container_names again;

	require(n->cgroup[0] == '/');
	require(strnlen(n->cgroup, sizeof(n->cgroup)) < sizeof(n->cgroup));
	require(strnlen(n->unit, sizeof(n->unit)) < sizeof(n->unit));
	require(strnlen(n->id, sizeof(n->id)) < sizeof(n->id));
	require(strnlen(n->pod, sizeof(n->pod)) < sizeof(n->pod));
	require(strstr(n->cgroup, n->unit) && strstr(n->cgroup, n->id));
	require(!strchr(n->unit, '/') && !strchr(n->id, '/'));
	require(!n->pod[0] || strlen(n->pod) == 36 || strlen(n->pod) == 32);
	require(parse_cgroup_path(n->cgroup, strlen(n->cgroup), &again) == 0);
	require(strcmp(again.unit, n->unit) == 0 && strcmp(again.id, n->id) == 0 &&
		strcmp(again.pod, n->pod) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct container_names names;

	if (parse_proc_cgroup((const char *)data, size, &names) == 0)
		check(&names);
	if (parse_cgroup_path((const char *)data, size, &names) == 0)
		check(&names);
	return 0;
}
