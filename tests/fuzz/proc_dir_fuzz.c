/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as /proc/PID/stat, as /proc/PID/status and as the link of a namespace. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/namespace.h"
#include "user/process/proc_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_status status;
	struct proc_stat stat;
	uint64_t id = 7;
	char *text;

	if (parse_proc_stat((const char *)data, size, &stat) == 0)
		require(strnlen(stat.comm, sizeof(stat.comm)) < sizeof(stat.comm));
	if (parse_proc_status((const char *)data, size, &status) == 0)
		require(status.n_pid_namespaces > 0 || status.ns_pid == status.tgid);
	text = malloc(size + 1);
	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (parse_namespace_link(text, "mnt", &id) < 0)
		require(id == 7);
	free(text);
	return 0;
}
