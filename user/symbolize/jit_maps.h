/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_maps - the perf maps of the processes that were asked for last.
 *
 * Owns: the maps. Thread: one owner. Limit: max_processes, each map_bytes, all total_bytes; the process that was asked for longest
 * ago goes, and is counted. A file is looked at again after refresh_ns where an address was not found, after
 * JIT_MAPS_STALE times as long where it was. A look reads a piece of it, the next one goes on from there; and looks take a share of the thread:
 * LOOK_PAUSE, LOOKS_PAUSE in jit_maps.c. Errors: -ENOENT no map, or nothing there, or no room for it now.
 */
#ifndef EVERPROF_SYMBOLIZE_JIT_MAPS_H
#define EVERPROF_SYMBOLIZE_JIT_MAPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/runtime/perf_map.h"

#define JIT_MAPS_STALE 10

struct jit_maps;

struct jit_maps_opts {
	const char *proc_root; /* NULL: /proc; copied */
	uint32_t max_processes;
	size_t map_bytes;
	size_t total_bytes; /* of all maps; 0: no limit but that of each */
	uint64_t refresh_ns;
};

/* A process: its pid and its start, any number that tells two incarnations apart. */
struct jit_process {
	pid_t pid;
	pid_t ns_pid; /* in its own pid namespace */
	uint64_t start_time;
	struct far_mounts *mounts; /* that it sees, for as long as it is looked at; NULL: none is far */
	int root_fd; /* of its root folder; FD_CLOSED: it is gone, only what is known is searched */
};

struct jit_maps_stats {
	uint32_t n_processes;
	uint64_t n_evicted;   /* processes */
	uint64_t n_cut;       /* tables, for the limit of all */
	uint64_t n_refreshes; /* looks at a file */
	uint64_t n_refused;   /* of those, ended in an error that is not "no such file" */
	size_t bytes;
};

struct jit_maps *jit_maps__new(const struct jit_maps_opts *opts);
void jit_maps__free(struct jit_maps *j);
/* The entry that holds the address, borrowed until the next call. */
int jit_maps__find(struct jit_maps *j, const struct jit_process *p, uint64_t now_ns, uint64_t addr,
		   struct perf_map_entry *ret_entry);
void jit_maps__stats(const struct jit_maps *j, struct jit_maps_stats *ret_stats);

#endif
