/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process - one incarnation of a process: who it is, where it runs, what code it has mapped, from when to when.
 *
 * Owns: exe; references on its mapping set and its container. Thread: that of its process_table. Limit:
 * PROCESS_EXE_MAX bytes of exe.
 * Errors: -ESRCH gone (or another process has its pid now), -ENOMEM, -E2BIG no room for its mappings, -errno of what
 * /proc refuses.
 */
#ifndef EVERPROF_PROCESS_PROCESS_H
#define EVERPROF_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/object_place.h"
#include "user/process/container_table.h"
#include "user/process/maps_file.h"
#include "user/process/mapping_set.h"
#include "user/process/pending_mappings.h"
#include "user/process/process_key.h"

#define PROCESS_COMM_LEN 16
#define PROCESS_EXE_MAX  4096

#define PROCESS_KERNEL_THREAD 0x01u
#define PROCESS_FORKED        0x02u /* runs its parent's program: no exec since the fork */
#define PROCESS_UNLEARNT      0x04u /* was gone before anything could be learnt of it */
#define PROCESS_ENDED         0x08u /* by exit, or by an exec that made the next incarnation */
#define PROCESS_CUT           0x10u /* has more mappings than are kept */
#define PROCESS_STALE         0x20u /* maps code faster than it is followed: a rescan is due */
#define PROCESS_UNASKED \
	0x200u /* kept who looked when it was first looked at: all of it is due, with the rescan */
#define PROCESS_BUILD_KNOWN 0x100u /* for the table's owner: it has looked at the program's build-id */
#define PROCESS_YOUNG       0x80u  /* nobody asked yet what it has mapped since its exec: see `pending` */
/* its place is its parent's until somebody looks: process_table__learn_place */
#define PROCESS_PLACE_DUE 0x40u

/* Of code in no file within [start, end): bits of its struct unwind_row; end 0: nothing is known. */
struct code_rule {
	uint64_t start, end, row;
};

struct process {
	struct task_key key;
	uint32_t flags;
	uint32_t ppid, uid;
	uint32_t ns_pid;           /* in its own pid namespace; 0: not read yet, see process_table__ns_pid */
	uint64_t born_ns, died_ns; /* CLOCK_MONOTONIC; died 0: runs */
	uint64_t cgroup_id;        /* in the unified hierarchy, when it was last told; 0: not known */
	char comm[PROCESS_COMM_LEN];  /* of the leader */
	char *exe;                    /* path as the process sees it, NULL: not known */
	struct container *container;  /* NULL: not known */
	struct mapping_set *mappings; /* never NULL; without what is pending */
	struct pending_mappings pending;
	struct code_rule rule; /* what its JIT tells of its code: process_table__set_rule */

	/* For the table's owner: when its JIT may be asked again, and how often it was without an answer. */
	uint64_t jit_ask_ns;
	uint32_t n_jit_asks;

	/* The table's own. */
	uint32_t slot;
	struct process *older, *newer; /* other incarnations of the pid */
	struct process *ended_next;
	uint64_t rescan_at_ns; /* not before */
	uint32_t rescan_backoff;
	uint32_t mmap_cost; /* of the events in the second mmap_second */
	uint64_t mmap_second;
	uint64_t mapped_ns; /* as of when /proc told its mappings */
};

/* All strings borrowed until the process is retired or changes; "" where not known. */
struct process_labels {
	const char *process, *exe, *cgroup, *unit, *container, *pod;
};

/* What reading a process takes: where from, and where its parts live. */
struct process_reader {
	int proc_root_fd;
	struct object_cache *objects;
	struct mapping_pool *pool;
	struct container_table *containers;
	uint64_t now_ns;
};

void process__labels(const struct process *p, struct process_labels *ret_labels);
bool process__alive_at(const struct process *p, uint64_t time_ns);
void process__set_comm(struct process *p, const char *comm);
/* Takes the name of the program from the path of its first mapping, where /proc could not be asked any more. */
int process__set_exe(struct process *p, const char *path, size_t len);

/*
 * Everything that /proc says now; comm only where none is known. On an error the process is as it was, or has some of
 * it. Reading the mappings can wait for a lock of the process; the rest does not.
 */
int read_process(struct process *p, const struct process_reader *reader, bool with_mappings);
/* Only where it runs, and its program where that is not known. */
int read_process_place(struct process *p, const struct process_reader *reader);
/* Only the mappings. */
int read_process_mappings(struct process *p, const struct process_reader *reader);
/*
 * The mapping as a set takes it, its object found or described. The object's reference is the caller's, to put after
 * the set was built. Never fails: what cannot be resolved is code in no file.
 */
void process_reader__resolve(const struct process_reader *reader, const struct code_rule *rule,
			     enum maps_kind kind, const struct object_mapping *m,
			     struct code_mapping *ret_mapping);
/* Code in no file has the rule's row where the rule speaks of it, and none elsewhere. */
void code_rule__apply(const struct code_rule *rule, struct code_mapping *m);

#endif
