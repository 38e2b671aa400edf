/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: looks at files run on the thread that asks for names, once for each frame that is new to it, and how much there is to read is the processes' word: files of
 *   any size, that are new ones each second, of more processes than there is room for.
 * Idea: what a look took says how long the next one waits, of that process and of all together. No room is made at the cost of another look: a table that must give way
 *   is halved, as one that is full, and not read again; so tables of those that are asked for share what there is. Only of a process that nobody asks for the whole table goes,
 *   and is read again when somebody does.
 */
#include "user/symbolize/jit_maps.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/io.h"

#define LOOK_READ  4  /* times the limit of a table: what is read at a look */
#define LOOK_PAUSE 50 /* times what a look took, the next one at the same process waits … */
/* … and so many times, any: once looks have taken more than that at once, as they may where several processes are seen for the first time. */
#define LOOKS_PAUSE      20
#define LOOKS_AT_ONCE_NS (500 * NS_PER_MS)

struct slot {
	pid_t pid; /* 0: free */
	uint64_t start_time;
	struct perf_map *map;
	uint64_t looked_ns, used_ns;
	uint64_t due_ns; /* no look, and no other process in its place, before */
	bool was_looked_at;
};

struct jit_maps {
	struct jit_maps_opts opts;
	char *proc_root;
	struct slot *slots;
	uint64_t due_ns; /* when what looks took is paid for */
	uint64_t n_evicted, n_cut, n_refreshes, n_refused;
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

/* The process's slot, or that of the process that was asked for longest ago, emptied; NULL where none can be had now. */
static struct slot *slot_of(struct jit_maps *j, const struct jit_process *p, uint64_t now_ns)
{
	const struct perf_map_opts opts = {.limit_bytes = j->opts.map_bytes,
					   .read_bytes = j->opts.map_bytes * LOOK_READ};
	struct slot *to = NULL;
	struct perf_map *map;

	for (uint32_t i = 0; i < j->opts.max_processes; i++) {
		struct slot *s = &j->slots[i];

		if (s->pid == p->pid && s->start_time == p->start_time)
			return s;
		if (s->pid && now_ns < s->due_ns)
			continue;
		if (!to || (to->pid && (!s->pid || s->used_ns < to->used_ns)))
			to = s;
	}
	map = to ? perf_map__new(&opts) : NULL;
	if (!map)
		return NULL;
	j->n_evicted += to->pid != 0;
	perf_map__free(to->map);
	*to = (struct slot){.pid = p->pid, .start_time = p->start_time, .map = map};
	return to;
}

static size_t slot_bytes(const struct slot *s)
{
	struct perf_map_stats map = {0};

	if (s->pid)
		perf_map__stats(s->map, &map);
	return map.n_entries ? map.bytes : 0;
}

/* Down to the limit of all maps: the table that nobody asked for goes first, else the largest is halved. */
static void trim(struct jit_maps *j, uint64_t now_ns)
{
	for (;;) {
		struct slot *unused = NULL, *largest = NULL;
		size_t all = 0, most = 0;

		for (uint32_t i = 0; i < j->opts.max_processes; i++) {
			struct slot *s = &j->slots[i];
			size_t bytes = slot_bytes(s);

			all += bytes;
			if (bytes > most) {
				largest = s;
				most = bytes;
			}
			if (bytes && now_ns - s->used_ns >= j->opts.refresh_ns * JIT_MAPS_STALE &&
			    (!unused || s->used_ns < unused->used_ns))
				unused = s;
		}
		if (!j->opts.total_bytes || all <= j->opts.total_bytes)
			return;
		if (unused)
			perf_map__forget(unused->map);
		else
			perf_map__halve(largest->map);
		j->n_cut++;
	}
}

static void look(struct jit_maps *j, struct slot *s, const struct jit_process *p, uint64_t now_ns)
{
	uint64_t began_ns = clock__mono_ns(), took_ns;
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
	trim(j, now_ns);
	took_ns = clock__mono_ns() - began_ns;
	s->due_ns = now_ns + took_ns * LOOK_PAUSE;
	j->due_ns = (j->due_ns > now_ns ? j->due_ns : now_ns) + took_ns * LOOKS_PAUSE;
}

int jit_maps__find(struct jit_maps *j, const struct jit_process *p, uint64_t now_ns, uint64_t addr,
		   struct perf_map_entry *ret_entry)
{
	struct slot *s = slot_of(j, p, now_ns);
	uint64_t age_ns;
	int err;

	if (!s)
		return -ENOENT;
	s->used_ns = now_ns;
	err = perf_map__find(s->map, addr, ret_entry);
	age_ns = now_ns - s->looked_ns;
	/* a name that was found may be that of code which stood there before */
	if (s->was_looked_at && age_ns < j->opts.refresh_ns * (err ? 1 : JIT_MAPS_STALE))
		return err;
	if (now_ns < s->due_ns || j->due_ns > now_ns + LOOKS_AT_ONCE_NS * LOOKS_PAUSE)
		return err;
	look(j, s, p, now_ns);
	return perf_map__find(s->map, addr, ret_entry);
}

void jit_maps__stats(const struct jit_maps *j, struct jit_maps_stats *ret_stats)
{
	struct jit_maps_stats stats = {
		.n_evicted = j->n_evicted,
		.n_cut = j->n_cut,
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
