/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_table - the places that processes run in, each once: control group, unit, container and pod names.
 *
 * Everything a place says follows from its control group's path, so the path is the key, and thousands of processes
 * share one place. A place goes with its last process: hosts that make a control group for every job do not fill it
 * up.
 *
 * Owns: the places. Thread: one owner. Limit: CONTAINER_TABLE_MAX places. Errors: -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_PROCESS_CONTAINER_TABLE_H
#define EVERPROF_PROCESS_CONTAINER_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "user/process/container.h"

#define CONTAINER_TABLE_MAX 131072

struct container_table;

/* Strings are "" where there is none, and live as long as the container's references. */
struct container {
	uint32_t refs, slot;
	bool only_unified; /* see container.h */
	const char *cgroup, *unit, *id, *pod;
};

struct container_table *container_table__new(void);
void container_table__free(struct container_table *t);
/* Finds or adds; the reference is the caller's. */
int container_table__intern(struct container_table *t, const struct container_names *names,
			    struct container **ret_container);
void container_table__put(struct container_table *t, struct container *c); /* NULL is ignored */
struct container *container__ref(struct container *c);                     /* NULL gives NULL */
uint32_t container_table__count(const struct container_table *t);
size_t container_table__bytes(const struct container_table *t);

#endif
