/* SPDX-License-Identifier: Apache-2.0 */
#include "user/symbolize/jit_maps.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/io.h"

struct slot {
	pid_t pid; /* 0: free */
	uint64_t start_time;
	struct perf_map *map;
	uint64_t looked_ns, used_ns;
	bool was_looked_at;
};

struct jit_maps {
	struct jit_maps_opts opts;
	char *proc_root;
	struct slot *slots;
	uint64_t n_evicted, n_refreshes, n_refused;
};

struct jit_maps *jit_maps__new(const struct jit_maps_opts *opts)
{
	struct jit_maps *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->opts = *opts;
	j->proc_root = strdup(opts->proc_root ? opts->proc_root : "/proc");
	j->slots = calloc(opts->max_processes, sizeof(*j->slots));
	if (!j->proc_root || !j->slots) {
		jit_maps__free(j);
		return NULL;
	}
	return j;
}

void jit_maps__free(struct jit_maps *j)
{
	if (!j)
		return;
	for (uint32_t i = 0; j->slots && i < j->opts.max_processes; i++)
		perf_map__free(j->slots[i].map);
	free(j->slots);
	free(j->proc_root);
	free(j);
}

/* The process's slot, or that of the process that was asked for longest ago, emptied. */
static struct slot *slot_of(struct jit_maps *j, const struct jit_process *p)
{
	const struct perf_map_opts opts = {.limit_bytes = j->opts.map_bytes};
	struct slot *oldest = &j->slots[0];
	struct perf_map *map;

	for (uint32_t i = 0; i < j->opts.max_processes; i++) {
		struct slot *s = &j->slots[i];

		if (s->pid == p->pid && s->start_time == p->start_time)
			return s;
		if (oldest->pid && (!s->pid || s->used_ns < oldest->used_ns))
			oldest = s;
	}
	map = perf_map__new(&opts);
	if (!map)
		return NULL;
	j->n_evicted += oldest->pid != 0;
	perf_map__free(oldest->map);
	*oldest = (struct slot){.pid = p->pid, .start_time = p->start_time, .map = map};
	return oldest;
}

static size_t slot_bytes(const struct slot *s)
{
	struct perf_map_stats map;

	if (!s->pid)
		return 0;
	perf_map__stats(s->map, &map);
	return map.bytes;
}

/* Down to the limit of all maps, `kept` excepted, which is asked for now. */
static void trim(struct jit_maps *j, const struct slot *kept)
{
	for (;;) {
		struct slot *oldest = NULL;
		size_t bytes = 0;

		for (uint32_t i = 0; i < j->opts.max_processes; i++) {
			struct slot *s = &j->slots[i];

			bytes += slot_bytes(s);
			if (s->pid && s != kept && (!oldest || s->used_ns < oldest->used_ns))
				oldest = s;
		}
		if (!j->opts.total_bytes || bytes <= j->opts.total_bytes || !oldest)
			return;
		perf_map__free(oldest->map);
		*oldest = (struct slot){};
		j->n_evicted++;
	}
}

static void look(struct jit_maps *j, struct slot *s, const struct jit_process *p, uint64_t now_ns)
{
	bool changed;
	uid_t uid;
	int err;

	if (p->root_fd == FD_CLOSED)
		return;
	s->looked_ns = now_ns;
	s->was_looked_at = true;
	j->n_refreshes++;
	err = perf_map__read_owner(j->proc_root, p->pid, &uid);
	if (!err)
		err = perf_map__refresh(s->map, p->mounts, p->root_fd, p->ns_pid, uid, &changed);
	if (err && err != -ENOENT)
		j->n_refused++;
	trim(j, s);
}

int jit_maps__find(struct jit_maps *j, const struct jit_process *p, uint64_t now_ns, uint64_t addr,
		   struct perf_map_entry *ret_entry)
{
	struct slot *s = slot_of(j, p);
	uint64_t age_ns;
	int err;

	if (!s)
		return -ENOMEM;
	s->used_ns = now_ns;
	err = perf_map__find(s->map, addr, ret_entry);
	age_ns = now_ns - s->looked_ns;
	/* a name that was found may be that of code which stood there before */
	if (s->was_looked_at && age_ns < j->opts.refresh_ns * (err ? 1 : JIT_MAPS_STALE))
		return err;
	look(j, s, p, now_ns);
	return perf_map__find(s->map, addr, ret_entry);
}

void jit_maps__stats(const struct jit_maps *j, struct jit_maps_stats *ret_stats)
{
	struct jit_maps_stats stats = {
		.n_evicted = j->n_evicted,
		.n_refreshes = j->n_refreshes,
		.n_refused = j->n_refused,
		.bytes = sizeof(*j) + j->opts.max_processes * sizeof(*j->slots),
	};

	for (uint32_t i = 0; i < j->opts.max_processes; i++) {
		stats.n_processes += j->slots[i].pid != 0;
		stats.bytes += slot_bytes(&j->slots[i]);
	}
	*ret_stats = stats;
}
