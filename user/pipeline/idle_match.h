/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle_match - which idle pattern a wait fits: the patterns of the configuration, made ready to be asked for each row of a window.
 *
 * Shared between the thread that reads the configuration and the one that names windows, by reference count; nothing of the list is used after new.
 *
 * Owns: copies of all texts. Thread: immutable; any. Limit: IDLE_PATTERNS_MAX patterns. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_IDLE_MATCH_H
#define EVERPROF_PIPELINE_IDLE_MATCH_H

#include <stdbool.h>
#include <stdint.h>

struct idle_list;
struct idle_match;

/* One wait, as the patterns see it. Texts are "" where not known. */
struct idle_wait {
	const char *syscall, *wait, *leaf, *comm, *process, *exe;
	/* Has the stack a function that fits? Asked last, once a set: `set` numbers the lists of functions from 0, idle_match__n_sets() of them. */
	bool (*has_function)(void *ctx, uint32_t set);
	void *ctx;
};

int idle_match__new(const struct idle_list *list, struct idle_match **ret);
struct idle_match *idle_match__ref(struct idle_match *m); /* NULL is none */
void idle_match__unref(struct idle_match *m);
/* The name of the first pattern that fits, or NULL. */
const char *idle_match__find(const struct idle_match *m, const struct idle_wait *w);
uint32_t idle_match__n_sets(const struct idle_match *m);
/* Is the function in that set? */
bool idle_match__is_in_set(const struct idle_match *m, uint32_t set, const char *function);

#endif
