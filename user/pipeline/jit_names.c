// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/jit_names.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/process/namespace.h"
#include "user/process/proc_dir.h"
#include "user/process/process_table.h"
#include "user/runtime/perf_map.h"

struct jit_process {
	struct process_key key; /* tgid 0: free */
	struct perf_map *map;
	uint64_t refreshed_ns, used_ns;
};

struct jit_names {
	int proc_root_fd;
	struct jit_process processes[JIT_PROCESSES_MAX];
};

struct jit_names *jit_names__new(void)
{
	struct jit_names *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->proc_root_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (j->proc_root_fd < 0) {
		free(j);
		return NULL;
	}
	return j;
}

void jit_names__free(struct jit_names *j)
{
	if (!j)
		return;
	for (int i = 0; i < JIT_PROCESSES_MAX; i++)
		perf_map__free(j->processes[i].map);
	io__close(&j->proc_root_fd);
	free(j);
}

static struct jit_process *jit_names__process(struct jit_names *j, const struct process_key *key)
{
	struct jit_process *oldest = &j->processes[0];

	for (int i = 0; i < JIT_PROCESSES_MAX; i++) {
		struct jit_process *p = &j->processes[i];

		if (p->key.tgid && process_key__eq(&p->key, key))
			return p;
		if (p->used_ns < oldest->used_ns)
			oldest = p;
	}
	perf_map__free(oldest->map);
	*oldest = (struct jit_process){.key = *key, .map = perf_map__new(NULL)};
	return oldest;
}

static void jit_process__refresh(struct jit_names *j, struct jit_process *jp, struct process_table *t, struct process *p)
{
	int dir_fd = FD_CLOSED, root_fd = FD_CLOSED;
	struct proc_stat stat;
	bool changed;

	if (!proc_dir__open(j->proc_root_fd, p->key.tgid, p->key.start_ns, &dir_fd, &stat) &&
	    !namespace__open_root(dir_fd, &root_fd))
		perf_map__refresh(jp->map, root_fd, (pid_t)process_table__ns_pid(t, p), p->uid, &changed);
	io__close(&root_fd);
	io__close(&dir_fd);
}

const char *jit_names__find(struct jit_names *j, struct process_table *t, struct process *p, uint64_t addr)
{
	struct jit_process *jp = jit_names__process(j, &p->key);
	uint64_t now = clock__mono_ns();
	struct perf_map_entry e;

	jp->used_ns = now;
	if (!jp->map)
		return NULL;
	if (!perf_map__find(jp->map, addr, &e))
		return e.name;
	if (jp->refreshed_ns && now - jp->refreshed_ns < JIT_REFRESH_NS)
		return NULL;
	jp->refreshed_ns = now;
	jit_process__refresh(j, jp, t, p);
	return perf_map__find(jp->map, addr, &e) ? NULL : e.name;
}
