/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_table - every process incarnation that runs, and those that ended a moment ago.
 *
 * Fed with events in the order of their times; events that repeat what is known change nothing. Processes that ended
 * stay for linger_ns, so that samples which are read late still find their names.
 *
 * Owns: the processes, their mapping sets and places. Thread: one owner; a `const struct process *` holds until it is
 * retired.
 * Limit: PROCESS_PLACES_DUE_MAX places that are due between two calls of process_table__learn_places, max_processes (ended ones are evicted first, then newcomers are refused; both are counted), MAPPING_SET_MAX
 * mappings a process, max_mappings in all, PROCESS_MMAP_COST_MAX of mapping events a second and process.
 * Errors: -ESRCH not known, -E2BIG no room, -EAGAIN too soon, -ENOMEM.
 */
#ifndef EVERPROF_PROCESS_PROCESS_TABLE_H
#define EVERPROF_PROCESS_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/process/pending_mappings.h"
#include "user/process/process.h"

#define PROCESS_MMAP_COST_MAX      1024 /* one for an event, and one for each 64 mappings that it makes us copy */
#define PROCESS_PLACES_DUE_MAX     4096 /* what is beyond is learnt when a sample names it */
#define PROCESS_RESCAN_MIN_NS      (100ull * 1000 * 1000)
#define PROCESS_RESCAN_BACKOFF_MAX 8                            /* 100 ms << 8 = 25.6 s */
#define PROCESS_RESCAN_FULL_NS     (60ull * 1000 * 1000 * 1000) /* after one without room */
#define PROCESS_RESCAN_QUIET_NS    (5ull * 1000 * 1000 * 1000)

struct object_cache;
struct process_table;

/* Who wants to know; any function may be NULL. None may call back into the table, but for reading. */
struct process_port {
	void *ctx;
	void (*forked)(void *ctx, const struct process *parent,
		       const struct process *child);                  /* shares the set */
	void (*mappings_changed)(void *ctx, const struct process *p); /* also: has its first mappings */
	void (*ended)(void *ctx, const struct process *p);
	void (*retired)(void *ctx, const struct process *p); /* the pointer is invalid afterwards */
};

struct process_table_opts {
	int proc_root_fd; /* /proc or a fixture tree; duplicated */
	struct object_cache *objects;
	uint32_t max_processes; /* 0: 65536 */
	uint64_t max_mappings;  /* 0: 1 Mi */
	uint64_t linger_ns;     /* 0: 5 s */
	struct code_rule rule;  /* of a program of which nothing is known yet */
	struct process_port port;
};

struct process_table_stats {
	uint64_t processes, ended, mapping_sets, mappings, containers, bytes;
	uint64_t n_forks, n_execs, n_exits, n_mmaps;
	uint64_t n_unknown;       /* events of processes that are not known */
	uint64_t n_mmaps_skipped; /* over PROCESS_MMAP_COST_MAX, or no room: stale until a rescan */
	uint64_t n_scans, n_gone; /* processes read in /proc; of those, gone before */
	uint64_t n_rescans, n_rescans_early;
	uint64_t n_vanished; /* ended without an event */
	uint64_t n_places;   /* read after an exec */
	uint64_t n_retired, n_evicted, n_refused;
};

int process_table__new(const struct process_table_opts *opts, struct process_table **ret_table);
void process_table__free(struct process_table *t); /* does not call the port */

/*
 * The process, read in /proc if it is not known. One that is gone is added too (PROCESS_UNLEARNT), so that it is not
 * read again.
 */
int process_table__scan_one(struct process_table *t, uint64_t now_ns, const struct task_key *key,
			    struct process **ret_process);
/* O(1): the child shares its parent's mappings. cgroup_id is where the parent ran, 0: not known; comm may be NULL. */
int process_table__fork(struct process_table *t, uint64_t time_ns, const struct task_key *parent,
			const struct task_key *child, uint64_t cgroup_id, const char *comm);
/*
 * A new incarnation without mappings: the mapping events of the new program come after this one, and name it. Where it
 * runs is taken from what ran before, unless cgroup_id says otherwise, until its place is learnt. Where nothing is known of
 * what ran before, all is read from /proc.
 */
int process_table__exec(struct process_table *t, uint64_t time_ns, const struct task_key *key,
			uint64_t cgroup_id, const char *comm);
/* Reads in /proc where it runs, if that is due (PROCESS_PLACE_DUE) and it still does. */
void process_table__learn_place(struct process_table *t, struct process *p);
/* The same for all whose exec was told since the last call and who still run. */
void process_table__learn_places(struct process_table *t);
/*
 * To the incarnation that ran then. A mapping that is not executable cuts what it covers. What a new program maps is only
 * written down until process_table__settle: most end before anybody asks.
 */
int process_table__mmap(struct process_table *t, const struct process_mmap *m);
/* Makes p->mappings true. */
void process_table__settle(struct process_table *t, struct process *p);
int process_table__exit(struct process_table *t, uint64_t time_ns, const struct task_key *key);

struct process *process_table__find(const struct process_table *t, const struct task_key *key); /* or NULL */
struct process *process_table__find_pid(const struct process_table *t, uint32_t tgid,
					uint64_t time_ns); /* or NULL */
/* The number it has in its own pid namespace; 0 where it is gone before that could be read. */
uint32_t process_table__ns_pid(struct process_table *t, struct process *p);
/* Reads its mappings again; -EAGAIN: it was done, or had no room (-E2BIG), not long ago. *ret_changed (may be NULL): they were different. */
int process_table__rescan_maps(struct process_table *t, uint64_t now_ns, struct process *p,
			       bool *ret_changed);
/* What is known of its code in no file, from now on and for what it maps later. */
int process_table__set_rule(struct process_table *t, struct process *p, const struct code_rule *rule);
/* Looks whether up to `budget` processes still run, the next ones each time: for exits whose event was lost. How many did not. */
uint32_t process_table__verify(struct process_table *t, uint64_t now_ns, uint32_t budget);
/* Lets go of the mappings of processes that ended before then: of which no unfinished stack is to come any more. */
void process_table__drop_mappings(struct process_table *t, uint64_t before_ns);
/* Forgets processes that ended more than linger_ns before now; returns how many. */
uint32_t process_table__retire(struct process_table *t, uint64_t now_ns);
/* Every process, ended ones too, in no order: start with *cursor = 0; NULL at the end. */
struct process *process_table__next(const struct process_table *t, uint32_t *cursor);
void process_table__stats(const struct process_table *t, struct process_table_stats *ret_stats);

#endif
